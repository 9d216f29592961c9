"""The manifests of plugins: what is read, what is refused, and that all of it is told at once."""

import os
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from manifest_files import SOUND, another, manifest, reading, told
from poller_files import PAGES, job, jobs

from nexo_poller.broker.subjects import Pattern
from nexo_poller.builtins import builtin_pollers
from nexo_poller.config.binding import check_reading
from nexo_poller.config.manifest_tables import PATTERN
from nexo_poller.config.plugins import PluginManifest
from nexo_poller.errors import ConfigError

BACKSLASH_N, NEWLINE = r"\n", "\n"
FULL = """\
schema = 3
[plugin]
id = "acme"
version = "1.0.0"
name = "Acme"
description = "Issues of Jira."

[plugin.entrypoint]
command = "./run.sh"
args = ["--fast", "a b"]
env = { LOG = "debug", KEY = "s3cret" }

[plugin.poller]
kinds = ["jira", "linear_2"]
broker_topic_prefix = "plugin.poller.acme"
lifecycle = "ephemeral"
max_concurrent_ticks = 64
tick_timeout_secs = 3600

[plugin.capabilities.broker]
publish = ["plugin.outbound.>", "acme.*.news"]
[plugin.capabilities.memory]
scope = "all"

[plugin.http]
mount = "/acme"
[[plugin.admin.pages]]
title = "Acme"
[extends]
tools = ["x"]
"""


def test_every_key_of_a_manifest_arrives_and_other_sections_are_left_alone(tmp_path: Path) -> None:
    file = manifest(tmp_path, FULL)
    program = file.parent / "run.sh"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    read = reading(tmp_path)
    assert read.problems == ()
    assert read.config.plugins == (
        PluginManifest(
            id="acme",
            version="1.0.0",
            name="Acme",
            description="Issues of Jira.",
            command=str(program),
            args=("--fast", "a b"),
            env={"LOG": "debug", "KEY": "s3cret"},
            kinds=("jira", "linear_2"),
            broker_topic_prefix="plugin.poller.acme",
            lifecycle="ephemeral",
            max_concurrent_ticks=64,
            tick_timeout=timedelta(hours=1),
            publish=("plugin.outbound.>", "acme.*.news"),
            folder=file.parent,
            path=file,
        ),
    )


def test_a_manifest_needs_little(tmp_path: Path) -> None:
    file = manifest(tmp_path)
    [plugin] = reading(tmp_path).accepted().plugins
    assert plugin == PluginManifest(
        id="acme",
        version="1.0.0",
        name="acme",
        command="/usr/bin/cat",
        kinds=("jira",),
        broker_topic_prefix="plugin.poller.jira",
        folder=file.parent,
        path=file,
    )
    assert (plugin.lifecycle, plugin.max_concurrent_ticks, plugin.tick_timeout) == (
        "long_lived",
        1,
        timedelta(minutes=1),
    )


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ('"1.0.0"', '"1.0.0"\nnmae = "x"', "4:1: unknown key 'nmae' (did you mean 'name'?)"),
        ('"1.0.0"', '"1.0.0"\nauthors = []', "4:1: unknown key 'authors' (remove it; known keys: "),
        ('"cat"', '"cat"\nargz = []', "7:1: unknown key 'argz' (did you mean 'args'?)"),
        ("[plugin.poller]", "[plugin.poller]\ntick_timeout = 5", "9:1: unknown key 'tick_timeout' (did you mean"),
        (
            "[plugin.poller]",
            "[plugin.capabilities.broker]\npublich = []\n[plugin.poller]",
            "9:1: unknown key 'publich' (did you mean 'publish'?)",
        ),
        ("[plugin.poller]", "[plugin.poller.retry]\n[plugin.poller]", "8:1: unknown key 'retry'"),
        ('id = "acme"', "", "1:1: the key 'id' is missing (add 'id = …')"),
        ('version = "1.0.0"', "", "1:1: the key 'version' is missing"),
        ('version = "1.0.0"', "version = 1.0", "3:11: 'version' must be text, not the number 1.0 (put it in quotes)"),
        ('"acme"', '"acme.jira"', "2:6: the id 'acme.jira' is not allowed"),
        ('"acme"', '"a b"', "2:6: the id 'a b' is not allowed"),
        ('"acme"', '""', "2:6: the id '' is not allowed"),
        ('"cat"', '""', "6:11: this is no command"),
        ('"cat"', "[1]", "6:11: 'command' must be text, not a list"),
        ('"cat"', '"cat"\nargs = "-u"', "7:8: 'args' must be a list, not the text '-u'"),
        ('"cat"', '"cat"\nargs = ["a\\u0000"]', "7:8: an argument cannot hold the character U+0000"),
        ('"cat"', '"cat"\nenv.NEXO_HOME = "x"', "7:1: the variable 'NEXO_HOME' is the daemon's to set"),
        ('"cat"', '"cat"\nenv = { "A=B" = "x" }', "7:7: this is no name of a variable"),
        ('"cat"', '"cat"\n[plugin.entrypoint.env]\nN = 5', "8:5: 'N' must be text, not the number 5"),
        ('"cat"', '"cat"\n[plugin.entrypoint.env]\nN = "\\u0000"', "8:5: the variable 'N' cannot hold"),
        ('["jira"]', "[]", "9:9: there are no kinds"),
        ('["jira"]', '"jira"', "9:9: 'kinds' must be a list, not the text 'jira'"),
        ('["jira"]', '["jira", 5]', "9:9: item 2 must be text, not the number 5"),
        ('["jira"]', '["jira", "rss_2", "jira"]', "9:9: the kind 'jira' stands here twice"),
        *(
            (
                '["jira"]',
                f'["{kind}"]',
                f"9:9: '{kind.replace(BACKSLASH_N, NEWLINE)}' cannot be the name of a kind",
            )
            for kind in ("Jira", "j", "2fast", "_x", "ji-ra", "ji ra", "", "jira\\n", "жира")
        ),
        ('"plugin.poller.jira"', '""', "10:23: the prefix is empty"),
        *(
            ('"plugin.poller.jira"', f'"{prefix}"', f"10:23: the prefix '{prefix}' cannot begin a topic")
            for prefix in ("a b", "a.", ".a", "a..b", "a.>", "a.*", " a")
        ),
        ('"plugin.poller.jira"', f'"{"a" * 1020}"', "10:23: the prefix 'aaa"),
        ("[plugin.poller]", '[plugin.poller]\nlifecycle = "forever"', "9:13: 'lifecycle' must be 'long_lived' or"),
        (
            "[plugin.poller]",
            "[plugin.poller]\nmax_concurrent_ticks = 0",
            "9:24: 'max_concurrent_ticks' must be >= 1: 0",
        ),
        ("[plugin.poller]", "[plugin.poller]\nmax_concurrent_ticks = 65", "9:24: 'max_concurrent_ticks' must be <= 64"),
        (
            "[plugin.poller]",
            "[plugin.poller]\nmax_concurrent_ticks = 1.0",
            "9:24: 'max_concurrent_ticks' must be a whole",
        ),
        (
            "[plugin.poller]",
            '[plugin.poller]\nmax_concurrent_ticks = "1"',
            "9:24: 'max_concurrent_ticks' must be a whole number, not the text '1' (write it without quotes)",
        ),
        ("[plugin.poller]", "[plugin.poller]\ntick_timeout_secs = 0.5", "9:21: 'tick_timeout_secs' must be >= 1: 0.5"),
        ("[plugin.poller]", "[plugin.poller]\ntick_timeout_secs = 3601", "9:21: 'tick_timeout_secs' must be <= 3600"),
        ("[plugin.poller]", "[plugin.poller]\ntick_timeout_secs = nan", "9:21: 'tick_timeout_secs' must be a finite"),
        (
            "[plugin.poller]",
            "[plugin.poller]\ntick_timeout_secs = 12:00:00",
            "9:21: 'tick_timeout_secs' must be a number",
        ),
        ("[plugin.poller]", "[[plugin.poller]]", "8:1: 'poller' must be a mapping, not a list"),
        (
            "[plugin.poller]",
            '[plugin.capabilities.broker]\npublish = ["a.>.b"]\n[plugin.poller]',
            "9:11: 'a.>.b' is no pattern of topics",
        ),
    ],
)
def test_what_is_wrong_in_a_manifest_is_told_with_its_place(
    before: str, after: str, complaint: str, tmp_path: Path
) -> None:
    assert before in SOUND
    manifest(tmp_path, SOUND.replace(before, after, 1))
    read = reading(tmp_path)
    assert told(read, tmp_path)[0].startswith(f"plugins/acme/nexo-plugin.toml:{complaint}")
    assert len(read.problems) == 1
    with pytest.raises(ConfigError):
        read.accepted()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"id = '\xff'", "1:7: it is not UTF-8 from here on (save it as UTF-8)"),
        (SOUND.encode("utf-16"), "1:1: it is not UTF-8 from here on (save it as UTF-8)"),
        (b"[plugin]\nid = = 1", "2:6: it is no TOML: Invalid value"),
        (b"[plugin]\nid = 'a", "2:8: it is no TOML: "),
        (b"[plugin]\n[plugin]", "2:8: it is no TOML: Cannot declare ('plugin',) twice"),
        (b"<plugin/>", "1:1: it is no TOML: Invalid statement"),
        (b"x = " + b"[" * 5_000, "1:1: it is nested too deeply"),
        (b"# " + b"x" * 2**20, "1:1: it has more than 1 MB"),
        (b"", "1:1: the key 'plugin' is missing"),
        (b"plugin = 5", "1:10: 'plugin' must be a mapping, not the number 5"),
        (b"[[plugin]]\nid = 'a'", "1:1: 'plugin' must be a mapping, not a list"),
    ],
    ids=lambda value: repr(value[:20]),
)
def test_a_file_that_is_no_manifest_is_one_problem(content: bytes, complaint: str, tmp_path: Path) -> None:
    manifest(tmp_path, content)
    [problem] = told(reading(tmp_path), tmp_path)
    assert problem.startswith(f"plugins/acme/nexo-plugin.toml:{complaint}")


def test_a_manifest_that_is_no_file_holds_nobody_up(tmp_path: Path) -> None:
    (tmp_path / "plugins" / "pipe").mkdir(parents=True)
    os.mkfifo(tmp_path / "plugins" / "pipe" / "nexo-plugin.toml")
    (tmp_path / "plugins" / "nobody").mkdir()
    (tmp_path / "plugins" / "nobody" / "nexo-plugin.toml").symlink_to("nowhere")
    assert told(reading(tmp_path), tmp_path) == [
        (
            "plugins/nobody/nexo-plugin.toml:1:1: it cannot be read: No such file or directory"
            " (check the path and its permissions)"
        ),
        "plugins/pipe/nexo-plugin.toml:1:1: this is no regular file (give the path of a file)",
    ]


def test_all_problems_of_all_manifests_and_of_the_jobs_come_at_once(tmp_path: Path) -> None:
    faulty = SOUND.replace("1.0.0", "").replace('"cat"', '"no-such-program"').replace("jira", "ji ra")
    manifest(tmp_path, faulty, "a")
    manifest(tmp_path, another("second", "jira", "Linear"), "b")
    manifest(tmp_path, "id = ", "c")
    read = reading(tmp_path, jobs(job(kind="jira", schedule="{every_secs: 0}")) + "plguins: {}\n")
    assert [problem.partition(" ")[0] for problem in told(read, tmp_path)] == [
        "plugins/a/nexo-plugin.toml:3:11:",
        "plugins/a/nexo-plugin.toml:6:11:",
        "plugins/a/nexo-plugin.toml:9:9:",
        "plugins/a/nexo-plugin.toml:10:23:",
        "plugins/b/nexo-plugin.toml:9:9:",
        "plugins/c/nexo-plugin.toml:1:6:",
        "pollers.yaml:3:62:",
        "pollers.yaml:4:1:",
    ]


def test_a_kind_of_two_plugins_is_told_with_both_manifests_even_if_they_are_faulty_otherwise(tmp_path: Path) -> None:
    manifest(tmp_path, SOUND.replace("1.0.0", ""), "a")
    manifest(tmp_path, another("rival", "linear", "jira"), "b")
    assert told(reading(tmp_path), tmp_path)[1:] == [
        (
            "plugins/b/nexo-plugin.toml:9:9: the kind 'jira' of plugin 'rival' is owned by plugin 'acme' already"
            " (remove one of the two; the other stands at plugins/a/nexo-plugin.toml:9:9)"
        ),
    ]


def test_two_plugins_of_one_id_are_told_once_with_both_manifests(tmp_path: Path) -> None:
    manifest(tmp_path, SOUND, "a")
    manifest(tmp_path, SOUND, "b")
    assert told(reading(tmp_path), tmp_path) == [
        (
            "plugins/b/nexo-plugin.toml:2:6: there is a plugin 'acme' already"
            " (remove one of the two; the other stands at plugins/a/nexo-plugin.toml:2:6)"
        ),
    ]


def test_a_kind_of_a_plugin_and_of_this_process_is_told_with_both_owners(tmp_path: Path) -> None:
    manifest(tmp_path, another("acme", "rss", "jira"))
    pollers = {poller.kind: poller for poller in builtin_pollers()}
    [problem] = check_reading(reading(tmp_path), pollers)
    assert str(problem).replace(f"{tmp_path}/", "") == (
        "plugins/acme/nexo-plugin.toml:9:9: the kind 'rss' of plugin 'acme' is owned by"
        " nexo_poller.builtins.rss.RssPoller of this process already (remove it here, or do not register the other)"
    )


def test_the_kinds_of_plugins_are_known_to_a_check_and_take_any_config_that_can_travel(tmp_path: Path) -> None:
    manifest(tmp_path)
    sound = reading(tmp_path, jobs(job(kind="jira", config="{any: [thing]}")))
    assert check_reading(sound, PAGES) == ()
    [problem] = check_reading(reading(tmp_path, jobs(job(kind="jra"))), PAGES)
    assert problem.what == "unknown kind 'jra'"
    assert problem.remedy == "known kinds: jira, pages; did you mean 'jira'?"


def test_the_job_of_a_plugin_with_a_faulty_manifest_is_not_told_that_its_kind_is_unknown(tmp_path: Path) -> None:
    manifest(tmp_path, SOUND.replace("1.0.0", ""))
    [problem] = check_reading(reading(tmp_path), PAGES)
    assert "version" in problem.what


def test_a_plugin_without_pollers_is_left_out_with_a_warning(tmp_path: Path) -> None:
    manifest(tmp_path, SOUND.replace("[plugin.poller]", "[plugin.pollers]"))
    read = reading(tmp_path, jobs())
    assert read.accepted().plugins == ()
    assert told(read, tmp_path) == [
        (
            "plugins/acme/nexo-plugin.toml:1:1: there is no [plugin.poller], so this plugin has no pollers"
            " (narrow `plugins.search_paths`, or rename [plugin.pollers] if that is what it should be)"
        ),
    ]


@pytest.mark.parametrize(
    ("lifecycle", "yaml", "is_sound"),
    [
        ("ephemeral", "", False),
        ("ephemeral", "broker: {type: nats}\n", False),
        ("long_lived", "", False),
        ("long_lived", "broker: {type: nats}\n", True),
    ],
)
def test_a_plugin_that_the_daemon_must_start_needs_a_command(
    lifecycle: str, yaml: str, is_sound: bool, tmp_path: Path
) -> None:
    without = SOUND.replace('[plugin.entrypoint]\ncommand = "cat"\n', "")
    manifest(tmp_path, f'{without}lifecycle = "{lifecycle}"\n')
    read = reading(tmp_path, jobs() + yaml)
    assert (read.problems == ()) is is_sound
    assert is_sound or "add [plugin.entrypoint] with its `command`" in str(read.problems[0])


def test_over_nats_no_two_plugins_share_a_prefix_and_over_pipes_they_may(tmp_path: Path) -> None:
    manifest(tmp_path, SOUND, "a")
    manifest(tmp_path, another("second", "linear").replace("plugin.second", "plugin.poller.jira"), "b")
    assert reading(tmp_path).problems == ()
    [problem] = told(reading(tmp_path, jobs() + "broker: {type: nats}\n"), tmp_path)
    assert problem.startswith(
        "plugins/b/nexo-plugin.toml:10:23: the prefix 'plugin.poller.jira' is that of plugin 'acme' already"
    )
    assert problem.endswith("the other stands in plugins/a/nexo-plugin.toml)")


@given(st.text(alphabet="ab.*> \t\n\x00\x7f", max_size=8))
def test_a_plugin_may_publish_to_what_a_broker_takes_for_a_pattern(text: str) -> None:
    try:
        Pattern(text)
        is_pattern = True
    except ValueError:
        is_pattern = False
    assert (PATTERN.fullmatch(text) is not None) == is_pattern


def test_what_is_in_the_env_of_a_plugin_is_in_no_repr(tmp_path: Path) -> None:
    manifest(tmp_path, SOUND + '[plugin.entrypoint.env]\nTOKEN = "s3cret"\n')
    config = reading(tmp_path).accepted()
    assert config.plugins[0].env == {"TOKEN": "s3cret"}
    assert "s3cret" not in repr(config)
