"""Whether what agents act with is there, and theirs alone."""

from pathlib import Path

import pytest
from config_folders import ANA, ANA_YAML, GOOGLE_AUTH, KINDS, POLLERS, read, told

from nexo_poller.config.binding import check_reading
from nexo_poller.config.crosscheck import is_open_to_others
from nexo_poller.masking import fingerprint

OTHER = "someone@gmail.example"
ASK = "    - {id: asks, kind: ask, agent: ana, schedule: {every_secs: 60}, config: {provider: %s, deliver: {channel: telegram, to: '1'}}}\n"
OTHER_ENTRY = GOOGLE_AUTH.split("accounts:\n")[1].replace(ANA, OTHER)
TWO_ACCOUNTS = GOOGLE_AUTH + OTHER_ENTRY.replace("ana.json", "other.json")
OTHER_TOKEN = {"plugins/other.json": "{}"}


def found(path: Path, **files: str) -> list[str]:
    """What a check of the folder finds, some of its files replaced."""
    return told(check_reading(read(path, files), KINDS), path)


def test_in_a_sound_folder_nothing_is_found(tmp_path: Path) -> None:
    assert found(tmp_path) == []


def test_a_binding_to_an_account_that_is_not_there_lists_those_that_are_by_fingerprint_and_place(
    tmp_path: Path,
) -> None:
    assert found(tmp_path, **{"agents.d/ana.yaml": ANA_YAML.replace(ANA, OTHER)}) == [
        (
            f"agents.d/ana.yaml:5:27: agent 'ana' is bound to the Google account {fingerprint(OTHER)}, which is not listed "
            f"(listed are {fingerprint(ANA)} of agent 'ana' (plugins/google-auth.yaml:3:7))"
        )
    ]


def test_a_binding_without_any_account_says_where_to_add_it(tmp_path: Path) -> None:
    (problem,) = found(tmp_path, **{"plugins/google-auth.yaml": ""})
    assert problem.endswith("which is not listed (none is; add it under google_auth: accounts:)")


def test_one_google_account_for_two_agents_is_told_where_the_second_takes_it(tmp_path: Path) -> None:
    eve = f"agents:\n  - {{id: eve, credentials: {{google: {ANA}}}}}\n"
    assert found(tmp_path, **{"agents.d/eve.yaml": eve}) == [
        (
            "agents.d/eve.yaml:2:37: agent 'eve' is bound to the Google account of agent 'ana' "
            "(give it an account of its own; that one stands at plugins/google-auth.yaml:3:7)"
        )
    ]


def test_two_google_accounts_of_one_agent_name_both_places(tmp_path: Path) -> None:
    assert found(tmp_path, **OTHER_TOKEN, **{"plugins/google-auth.yaml": TWO_ACCOUNTS}) == [
        (
            "plugins/google-auth.yaml:10:17: agent 'ana' has a Google account at plugins/google-auth.yaml:3:7 already "
            "(one agent, one account)"
        )
    ]


def test_an_account_of_an_agent_that_is_not_there_is_found(tmp_path: Path) -> None:
    text = TWO_ACCOUNTS.replace(f"{OTHER}\n      agent_id: ana", f"{OTHER}\n      agent_id: bbo")
    (problem,) = found(tmp_path, **OTHER_TOKEN, **{"plugins/google-auth.yaml": text})
    assert problem == "plugins/google-auth.yaml:10:17: agent 'bbo' is not listed (did you mean 'bob'?)"


def test_a_token_that_is_missing_says_how_to_log_in_and_a_client_what_to_put_there(tmp_path: Path) -> None:
    text = GOOGLE_AUTH.replace("ana.json", "gone.json").replace("client_secret\n", "lost\n")
    assert found(tmp_path, **{"plugins/google-auth.yaml": text}) == [
        (
            "plugins/google-auth.yaml:6:27: there is no file 'plugins/lost' "
            "(put there what Google Cloud shows of your OAuth client)"
        ),
        (
            "plugins/google-auth.yaml:7:19: there is no file 'plugins/gone.json' "
            f"(run `nexo-poller google login {fingerprint(ANA)}`)"
        ),
    ]


def test_a_secret_that_is_no_file_is_found(tmp_path: Path) -> None:
    text = GOOGLE_AUTH.replace("ana.json", "../agents.d")
    (problem,) = found(tmp_path, **{"plugins/google-auth.yaml": text})
    assert "'plugins/../agents.d' is no regular file" in problem


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o606, 0o620])
def test_a_secret_that_others_can_read_is_found_with_its_remedy(tmp_path: Path, mode: int) -> None:
    reading = read(tmp_path)
    tmp_path.joinpath("plugins/ana.json").chmod(mode)
    tmp_path.joinpath("plugins/client_id").chmod(mode)
    assert told(check_reading(reading, KINDS), tmp_path) == [
        (
            f"plugins/google-auth.yaml:7:19: others can read the file 'plugins/ana.json', which has mode {mode:04o} "
            "(chmod 600 plugins/ana.json)"
        )
    ]


def test_mounted_secrets_may_be_read_by_others(tmp_path: Path) -> None:
    link = tmp_path / "mounted"
    link.symlink_to("/run/secrets")
    assert not is_open_to_others(Path("/run/secrets/google/token"), 0o444)
    assert not is_open_to_others(link / "token", 0o444)
    assert is_open_to_others(tmp_path / "token", 0o444)
    assert not is_open_to_others(tmp_path / "token", 0o600)


def test_accounts_share_the_files_of_their_client_and_one_complaint_will_do(tmp_path: Path) -> None:
    text = TWO_ACCOUNTS.replace(f"{OTHER}\n      agent_id: ana", f"{OTHER}\n      agent_id: bob")
    problems = found(tmp_path, **OTHER_TOKEN, **{"plugins/google-auth.yaml": text.replace("client_secret\n", "lost\n")})
    assert len(problems) == 1


def test_accounts_share_no_token_file_by_whatever_path_and_none_with_their_client(tmp_path: Path) -> None:
    text = TWO_ACCOUNTS.replace(f"{OTHER}\n      agent_id: ana", f"{OTHER}\n      agent_id: bob")
    tmp_path.joinpath("plugins").mkdir()
    tmp_path.joinpath("plugins/linked.json").symlink_to("ana.json")
    files = {"plugins/google-auth.yaml": text.replace("other.json", "../plugins/linked.json")}
    login = f"name a file of its own, then run `nexo-poller google login {fingerprint(OTHER)}`"
    assert found(tmp_path, **files) == [
        (
            "plugins/google-auth.yaml:13:19: the Google account at plugins/google-auth.yaml:3:7 has the same token file "
            f"({login})"
        )
    ]
    files = {"plugins/google-auth.yaml": text.replace("other.json", "client_secret")}
    assert found(tmp_path, **files) == [
        f"plugins/google-auth.yaml:13:19: a file of the OAuth client cannot be the token's too ({login})"
    ]


def test_everything_is_found_at_once_and_no_account_is_named(tmp_path: Path) -> None:
    eve = f"agents:\n  - {{id: eve, credentials: {{google: {OTHER}}}}}\n"
    google = GOOGLE_AUTH.replace("client_secret\n", "lost\n")
    reading = read(
        tmp_path,
        {"pollers.yaml": POLLERS + ASK % "opnai", "agents.d/eve.yaml": eve, "plugins/google-auth.yaml": google},
    )
    tmp_path.joinpath("plugins/ana.json").chmod(0o644)
    problems = told(check_reading(reading, KINDS), tmp_path)
    for place, words in (
        ("agents.d/eve.yaml:2:37", "which is not listed"),
        ("plugins/google-auth.yaml:6:27", "there is no file"),
        ("plugins/google-auth.yaml:7:19", "others can read"),
        ("pollers.yaml:5:", "the provider 'opnai' of language models is not listed (there are anthropic, ollama;"),
    ):
        assert [problem for problem in problems if problem.startswith(place) and words in problem], (place, problems)
    assert len(problems) == 4
    assert not [problem for problem in problems if ANA in problem or OTHER in problem]


def test_accounts_that_could_not_be_read_are_not_said_to_be_missing(tmp_path: Path) -> None:
    problems = found(tmp_path, **{"plugins/google-auth.yaml": "google_auth: {acounts: []}\n"})
    assert len(problems) == 1
    assert "unknown key 'acounts'" in problems[0]


@pytest.mark.parametrize(
    ("name", "text"), [("llm.yaml", "providers: {\n"), ("agents.yaml", "agents: 5\n"), ("agents.d/x.yaml", "- {\n")]
)
def test_files_of_secrets_are_looked_at_though_other_files_cannot_be_read(tmp_path: Path, name: str, text: str) -> None:
    reading = read(tmp_path, {name: text})
    tmp_path.joinpath("plugins/ana.json").chmod(0o644)
    problems = told(check_reading(reading, KINDS), tmp_path)
    assert [problem for problem in problems if "others can read the file 'plugins/ana.json'" in problem], problems
    assert not [problem for problem in problems if "not listed" in problem]


def test_a_key_of_a_provider_that_others_can_read_is_found(tmp_path: Path) -> None:
    keys = "providers:\n  x: {api_key: '${file:key}'}\n  y: {api_key: '${KEY}', base_url: '${file:url}'}\n"
    reading = read(tmp_path, {"llm.yaml": keys, "key": "sk-of-x", "url": "http://y.example"})
    tmp_path.joinpath("key").chmod(0o644)
    tmp_path.joinpath("url").chmod(0o644)
    assert told(check_reading(reading, KINDS), tmp_path) == [
        "llm.yaml:2:16: others can read the file 'key', which has mode 0644 (chmod 600 key)"
    ]
