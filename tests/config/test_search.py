"""Which manifests search paths lead to."""

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from command import ROOT
from manifest_files import SOUND, another, manifest, reading, told
from poller_files import jobs

from nexo_poller.config.folder import fingerprint
from nexo_poller.config.reading import load_admin
from nexo_poller.config.search import find_manifests

THOUSANDS = 3_000


def found(folder: Path, *search_paths: str) -> list[str]:
    return [str(file.relative_to(folder)) for file in find_manifests(folder, search_paths).files]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b", "a", ".hidden", "deep/er"):
        manifest(tmp_path, SOUND, name)
    (tmp_path / "plugins" / "google-auth.yaml").write_text("google_auth: {}\n")
    (tmp_path / "plugins" / "empty").mkdir()
    (tmp_path / "plugins" / "own.toml").write_text(SOUND)
    return tmp_path


@pytest.mark.parametrize(
    ("search_path", "names"),
    [
        ("./plugins/*/nexo-plugin.toml", ["a", "b"]),
        ("plugins/*", ["a", "b", "own.toml"]),
        ("plugins/a", ["a"]),
        ("plugins/a/", ["a"]),
        ("plugins/../plugins/a", ["a"]),
        ("plugins/[bc]", ["b"]),
        ("plugins/?", ["a", "b"]),
        ("plugins/.h*", [".hidden"]),
        ("plugins/**", ["a", "b", "deep/er"]),
        ("plugins/**/nexo-plugin.toml", ["a", "b", "deep/er"]),
        ("plugins/*/*", ["a", "b", "deep/er"]),
        ("plugins/empty", []),
        ("plugins/google-auth.yaml", []),
        ("plugins/own.toml/x", []),
        ("nowhere/*", []),
    ],
)
def test_a_search_path_is_a_pattern_of_folders_and_manifests(search_path: str, names: list[str], folder: Path) -> None:
    files = [os.path.normpath(name) for name in found(folder, search_path)]
    assert [name.removeprefix("plugins/").removesuffix("/nexo-plugin.toml") for name in files] == names


def test_a_search_path_may_be_absolute(folder: Path) -> None:
    assert found(folder, f"{folder}/plugins/a") == ["plugins/a/nexo-plugin.toml"]


def test_a_plugin_that_several_search_paths_lead_to_is_one(folder: Path) -> None:
    (folder / "plugins" / "c").symlink_to("a")
    assert found(folder, "plugins/a", "plugins/*/nexo-plugin.toml", f"{folder}/plugins/b") == [
        "plugins/a/nexo-plugin.toml",
        "plugins/b/nexo-plugin.toml",
    ]


def test_links_that_go_round_end(folder: Path) -> None:
    (folder / "plugins" / "deep" / "round").symlink_to("..")
    looked = find_manifests(folder, ["plugins/**"])
    assert (len(looked.files), looked.refusals) == (3, ())


def test_by_default_plugins_are_looked_for_beside_the_file_and_none_is_fine(tmp_path: Path) -> None:
    assert reading(tmp_path, jobs()).problems == ()
    manifest(tmp_path)
    assert [plugin.id for plugin in reading(tmp_path).accepted().plugins] == ["acme"]
    assert reading(tmp_path, jobs() + "plugins: {search_paths: []}\n").accepted().plugins == ()


def test_a_search_path_of_the_file_that_leads_nowhere_is_a_warning(tmp_path: Path) -> None:
    yaml = jobs() + "plugins:\n  search_paths: [./plugins/*, more]\n"
    manifest(tmp_path)
    read = reading(tmp_path, yaml)
    assert len(read.accepted().plugins) == 1
    assert told(read, tmp_path) == [
        "pollers.yaml:4:31: the search path 'more' leads to no plugin (name folders that have a nexo-plugin.toml, or remove it)"
    ]


def test_search_paths_are_resolved_like_all_texts_of_the_file(tmp_path: Path) -> None:
    manifest(tmp_path)
    yaml = jobs() + 'plugins: {search_paths: ["${WHERE}/*"]}\n'
    assert len(reading(tmp_path, yaml, WHERE="plugins").accepted().plugins) == 1


@pytest.mark.parametrize(
    ("section", "complaint"),
    [
        ('{search_paths: [""]}', "3:26: this is no search path"),
        ('{search_paths: ["a\\0"]}', "3:26: this is no search path"),
        ("{search_paths: plugins}", "3:25: 'search_paths' must be a list"),
        ("{search_path: []}", "3:11: unknown key 'search_path' (did you mean 'search_paths'?)"),
        ("[]", "3:10: 'plugins' must be a mapping"),
    ],
)
def test_a_faulty_section_is_told_and_nothing_is_looked_for(section: str, complaint: str, tmp_path: Path) -> None:
    manifest(tmp_path, "faulty")
    [problem] = told(reading(tmp_path, f"{jobs()}plugins: {section}\n"), tmp_path)
    assert problem.startswith(f"pollers.yaml:{complaint}")


def test_what_cannot_be_looked_at_refuses_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "ring").symlink_to("ring")
    [problem] = told(reading(tmp_path, jobs()), tmp_path)
    assert problem == (
        "pollers.yaml:1:1: 'plugins/ring/nexo-plugin.toml' cannot be looked at: Too many levels of symbolic links"
        " (check its permissions)"
    )


def test_a_folder_that_may_not_be_read_is_told_and_its_plugins_are_not_just_gone() -> None:
    look = (
        "import os, sys; from pathlib import Path; from nexo_poller.config.search import find_manifests;"
        "os.geteuid() or os.setuid(65534);"
        "print(*find_manifests(Path(sys.argv[1]), None).refusals)"
    )
    with TemporaryDirectory() as folder:  # tmp_path is for our eyes only, and it is the plugins that should be
        Path(folder).chmod(0o755)
        manifest(Path(folder))
        plugins = Path(folder, "plugins")
        plugins.chmod(0o700 if os.geteuid() == 0 else 0)
        command = [sys.executable, "-c", look, folder]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
        plugins.chmod(0o700)
    assert done.stdout == f"'{plugins}' cannot be looked at: Permission denied (check its permissions)\n"


def test_thousands_of_plugins_are_read(tmp_path: Path) -> None:
    for n in range(THOUSANDS):
        manifest(tmp_path, another(f"p{n}", f"kind_{n}", f"kind_{n}_b"), f"p{n}")
    config = reading(tmp_path, jobs()).accepted()
    assert len(config.plugins) == THOUSANDS
    assert config.fingerprint == fingerprint(tmp_path)


@pytest.mark.parametrize("name", ["pollers.yaml", "other.yaml"])
def test_the_watch_sees_manifests_come_change_and_go(name: str, tmp_path: Path) -> None:
    file = tmp_path / name
    file.write_text("# plugins of ours\nplugins: {search_paths: ['${WHERE:-plugins}/*']}\n" + jobs())
    seen = [fingerprint(file)]
    manifest(tmp_path)
    seen.append(fingerprint(file))
    manifest(tmp_path, SOUND + "# changed\n")
    seen.append(fingerprint(file))
    (tmp_path / "plugins" / "acme").rename(tmp_path / "plugins" / "renamed")
    seen.append(fingerprint(file))
    assert len({*seen}) == 4
    (tmp_path / "plugins" / "renamed" / "nexo-plugin.toml").unlink()
    assert fingerprint(file) == seen[0]


def test_what_the_watch_sees_is_what_a_reading_saw(tmp_path: Path) -> None:
    for yaml in (
        jobs(),
        jobs() + "plugins: {search_paths: [plugins/acme]}\n",
        '{"plugins": {"search_paths": ["plugins/*"]}}',
    ):
        manifest(tmp_path)
        assert reading(tmp_path, yaml).accepted().fingerprint == fingerprint(tmp_path)


def test_a_section_of_plugins_that_cannot_be_read_keeps_no_watch_from_looking(tmp_path: Path) -> None:
    for yaml in ("plugins: [", "plugins: {search_paths: 5}", "plugins: 5", "[plugins]"):
        (tmp_path / "pollers.yaml").write_text(yaml)
        assert fingerprint(tmp_path)


def test_who_only_looks_for_the_daemon_need_not_have_its_plugins(tmp_path: Path) -> None:
    manifest(tmp_path, "faulty")
    (tmp_path / "pollers.yaml").write_text("admin: {bind: 'unix:/run/x.sock'}\n")
    admin = load_admin(tmp_path, {})
    assert admin is not None
