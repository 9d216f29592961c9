"""A configuration of several files."""

from datetime import timedelta
from pathlib import Path

import pytest
from config_folders import ANA, ENV, FOLDER, GOOGLE_AUTH, LLM, OLD_GMAIL, POLLERS, folder, read, told

from nexo_poller.config import files as config_files
from nexo_poller.config.folder import fingerprint
from nexo_poller.config.model import GoogleAccount, ProviderSettings, RetrySettings
from nexo_poller.config.reading import load_config, read_config


def test_what_stands_beside_a_pollers_yaml_belongs_to_it(tmp_path: Path) -> None:
    config = read(tmp_path).accepted()
    plugins = tmp_path / "plugins"
    assert [job.id for job in config.jobs] == ["first"]
    assert config.agents == {"bob": {"telegram": "bob_bot"}, "ana": {"google": ANA, "telegram": "ana_bot"}}
    assert config.google_accounts == (
        GoogleAccount(
            id=ANA,
            agent_id="ana",
            client_id_path=plugins / "client_id",
            client_secret_path=plugins / "client_secret",
            token_path=plugins / "ana.json",
            scopes=("gmail.modify",),
        ),
    )
    assert config.providers == {
        "anthropic": ProviderSettings(
            name="anthropic",
            api_key="sk-from-a-variable",
            api_flavor="anthropic_messages",
            retry=RetrySettings(max_attempts=3, initial_backoff=timedelta(milliseconds=10)),
        ),
        "ollama": ProviderSettings(
            name="ollama",
            base_url="http://localhost:11434/v1",
            requests_per_second=9,
            retry=RetrySettings(max_attempts=7),
        ),
    }
    assert config.warnings == ()


def test_the_same_sections_may_stand_in_the_file_itself(tmp_path: Path) -> None:
    beside, inside = tmp_path / "beside", tmp_path / "inside"
    beside.mkdir()
    inside.mkdir()
    several = read(beside).accepted()
    agents = FOLDER["agents.yaml"].replace("model: {provider: anthropic}, ", "") + FOLDER["agents.d/ana.yaml"].split(
        "agents:\n"
    )[1].replace('    system_prompt: "${NOBODY_SETS_THIS}"\n    tools: !ours [x]\n', "").replace(
        ", telegram_asymmetric: true", ""
    )
    file = inside / "pollers.yaml"
    file.write_text(POLLERS + agents + GOOGLE_AUTH + LLM)
    one = read_config(file, ENV)
    assert one is not None
    assert one.problems == ()
    assert (one.config.agents, one.config.providers) == (several.agents, several.providers)
    assert one.config.google_accounts[0].token_path == inside / "ana.json"


def test_a_file_of_another_name_stands_alone(tmp_path: Path) -> None:
    file = folder(tmp_path) / "mine.yaml"
    file.write_text(POLLERS)
    config = load_config(file, ENV)
    assert config is not None
    assert (config.agents, config.google_accounts, config.providers) == (None, (), {})


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        (
            "agents.yaml",
            "agents:\n  - id: ana\n",
            "agents.d/ana.yaml:2:5: the agent 'ana' stands at agents.yaml:2:5 already (remove one of the two)",
        ),
        (
            "pollers.yaml",
            POLLERS + GOOGLE_AUTH,
            "plugins/google-auth.yaml:3:7: the Google account 990afb20cc204480 stands at pollers.yaml:7:7 already (remove one of the two)",
        ),
        (
            "pollers.yaml",
            POLLERS + "providers:\n  ollama: {}\n",
            "llm.yaml:4:5: the provider 'ollama' stands at pollers.yaml:6:11 already (remove one of the two)",
        ),
        (
            "pollers.yaml",
            POLLERS + "retry: {}\n",
            "llm.yaml:7:8: `retry:` stands at pollers.yaml:5:8 already (remove one of the two)",
        ),
    ],
)
def test_the_same_thing_in_two_places_is_a_problem_that_names_both(
    tmp_path: Path, name: str, text: str, problem: str
) -> None:
    assert told(read(tmp_path, {name: text}).refusals, tmp_path) == [problem]


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("agents.d/x.yaml", "agents:\n  - {id: ''}\n", "agents.d/x.yaml:2:10: "),
        ("agents.d/x.yaml", "agents: [\n", "agents.d/x.yaml:2:1: this is not YAML"),
        ("agents.d/x.yaml", "agents:\n  - {id: eve, id: eve}\n", "agents.d/x.yaml:2:15: the key 'id' is here twice"),
        ("agents.d/x.yaml", "5\n", "agents.d/x.yaml:1:1: the value must be a mapping"),
        ("plugins/google-auth.yaml", "google_auth: {acounts: []}\n", "plugins/google-auth.yaml:1:15: unknown key"),
        ("llm.yaml", "providers:\n  x: {api_key: '${NO_SUCH}'}\n", "llm.yaml:2:16: the environment variable NO_SUCH"),
        ("llm.yaml", "providers:\n  x: {base_url: localhost}\n", "llm.yaml:2:17: this is no address of a provider"),
        ("plugins/gmail-poller.yaml", "gmail_poler: 1\n", "plugins/gmail-poller.yaml:1:1: unknown key 'gmail_poler'"),
    ],
)
def test_a_problem_has_its_place_in_the_file_that_it_is_in(tmp_path: Path, name: str, text: str, problem: str) -> None:
    (found,) = told(read(tmp_path, {name: text}).refusals, tmp_path)
    assert found.startswith(problem)


def test_files_for_values_are_beside_the_file_that_names_them_and_what_is_in_them_is_secret(tmp_path: Path) -> None:
    files = {
        "llm.yaml": "providers: {x: {api_key: '${file:key}'}}\n",
        "key": "key-of-the-folder\n",
        "plugins/google-auth.yaml": GOOGLE_AUTH.replace("./ana.json", "${file:where}"),
        "plugins/where": "ana.json\n",
        "agents.d/eve.yaml": "agents: [{id: eve, credentials: {sms: '${file:sms}'}}]\n",
        "agents.d/sms": "account-of-eve\n",
    }
    config = read(tmp_path, files).accepted()
    assert config.providers["x"].api_key == "key-of-the-folder"
    assert config.google_accounts[0].token_path == tmp_path / "plugins" / "ana.json"
    assert config.secrets == {"key-of-the-folder", "ana.json", "account-of-eve", ANA}


def test_keys_and_google_accounts_are_secret_unless_the_account_is_called_like_its_agent(tmp_path: Path) -> None:
    named = GOOGLE_AUTH.replace(ANA, "anabella").replace("agent_id: ana", "agent_id: anabella")
    files = {"plugins/google-auth.yaml": named, "llm.yaml": "providers: {x: {api_key: a-literal-key}}\n"}
    assert read(tmp_path, files).config.secrets == {"a-literal-key", ANA}


def test_nothing_secret_shows_in_a_configuration_or_its_problems(tmp_path: Path) -> None:
    text = GOOGLE_AUTH.replace("scopes: [gmail.modify]", f"scopes: {ANA}")
    reading = read(tmp_path, {"plugins/google-auth.yaml": text + GOOGLE_AUTH.split("\n", 2)[2]})
    assert len(reading.refusals) == 1
    shown = f"{reading.refusals}{reading.config.google_accounts}{reading.config.providers}"
    assert ANA not in shown
    assert "sk-from-a-variable" not in shown


def test_big_files_beside_the_main_one_are_parsed_in_a_worker_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = read(tmp_path).accepted()
    monkeypatch.setattr(config_files, "PARSED_HERE", 0)
    there = read(tmp_path).accepted()
    assert there == here
    assert there.where(("agents", "ana", "credentials", "google")) == f"{tmp_path}/agents.d/ana.yaml:5:27"


def test_what_editors_put_beside_a_file_is_left_alone(tmp_path: Path) -> None:
    folder(tmp_path, {"agents.d/.ana.yaml": "agents: [{id: ana}]\n"})
    tmp_path.joinpath("agents.d", ".#ana.yaml").symlink_to("somebody@host.42:7")  # Emacs locks a file so
    assert read(tmp_path).problems == ()


@pytest.mark.parametrize(
    "name", ["agents.yaml", "agents.d/x.yaml", "plugins/google-auth.yaml", "llm.yaml", "plugins/gmail-poller.yaml"]
)
def test_a_link_that_leads_nowhere_is_told(tmp_path: Path, name: str) -> None:
    link = folder(tmp_path) / name
    link.unlink(missing_ok=True)
    link.symlink_to("not-mounted")
    reading = read_config(tmp_path, ENV)
    assert reading is not None
    assert f"{name}:1:1: it cannot be read: No such file or directory (check the path and its permissions)" in told(
        reading.refusals, tmp_path
    )


def test_a_folder_of_agents_that_cannot_be_listed_is_told(tmp_path: Path) -> None:
    agents = folder(tmp_path) / "agents.d"
    agents.joinpath("ana.yaml").unlink()
    agents.rmdir()
    agents.symlink_to("agents.d")
    reading = read_config(tmp_path, ENV)
    assert reading is not None
    (problem,) = told(reading.refusals, tmp_path)
    assert problem.startswith("agents.d/*.yaml:1:1: it cannot be read: Too many levels of symbolic links")


def test_keys_that_are_no_text_are_somebody_elses_too(tmp_path: Path) -> None:
    text = "1: x\nagents:\n  - {id: eve, 2: y, tools: {3: z}}\n"
    assert read(tmp_path, {"agents.d/eve.yaml": text}).problems == ()


@pytest.mark.parametrize("missing", ["", "pollers.yaml"])
def test_a_fingerprint_is_that_of_what_would_be_read(tmp_path: Path, missing: str) -> None:
    folder(tmp_path, {"plugins/gmail-poller.yaml": OLD_GMAIL})
    if missing:
        tmp_path.joinpath(missing).unlink()
    config = load_config(tmp_path, ENV)
    assert config is not None
    assert config.fingerprint == fingerprint(tmp_path)
    tmp_path.joinpath("llm.yaml").write_text("")
    assert config.fingerprint != fingerprint(tmp_path)


@pytest.mark.parametrize(
    ("provider", "problem"),
    [
        ("base_url: 'http://[::1'", "this is no address of a provider (write an http(s):// URL)"),
        ("base_url: 'http://h:99999/v1'", "this is no address of a provider (write an http(s):// URL)"),
        ("base_url: 'http:///v1'", "this is no address of a provider (write an http(s):// URL)"),
        ('api_key: "sk-1\\n"', "the key has spaces, line breaks or characters beyond ASCII, so that it cannot be sent"),
        ('api_key: "sk-é"', "the key has spaces, line breaks or characters beyond ASCII, so that it cannot be sent"),
    ],
)
def test_a_provider_that_could_never_be_asked_is_refused(tmp_path: Path, provider: str, problem: str) -> None:
    (found,) = told(read(tmp_path, {"llm.yaml": f"providers:\n  x: {{{provider}}}\n"}).refusals, tmp_path)
    assert problem in found
    assert "sk-" not in found
