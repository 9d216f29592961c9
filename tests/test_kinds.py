"""Kinds that other distributions bring."""

import sys
from importlib.metadata import EntryPoint, distributions
from pathlib import Path

import pytest

from nexo_poller.kinds import GROUP, discover_pollers

JIRA = """
from nexo_poller.poller import Poller

class JiraPoller(Poller[dict]):
    kind = "jira"
    config_type = dict

class Nameless(Poller[dict]):
    config_type = dict

ready_made = JiraPoller()
not_a_poller = 17
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the path that holds the installed distribution `acme-pollers` with the module `acme_jira`."""
    tmp_path.joinpath("acme_jira.py").write_text(JIRA)
    info = tmp_path / "acme_pollers-1.2.dist-info"
    info.mkdir()
    info.joinpath("METADATA").write_text("Metadata-Version: 2.1\nName: acme-pollers\nVersion: 1.2\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "acme_jira", raising=False)
    return tmp_path


def install(site: Path, *lines: str) -> list[EntryPoint]:
    """The entry points that the distribution declares with these lines."""
    site.joinpath("acme_pollers-1.2.dist-info", "entry_points.txt").write_text("\n".join([f"[{GROUP}]", *lines]))
    (acme,) = distributions(name="acme-pollers")
    return list(acme.entry_points)


def test_an_installed_distribution_brings_its_kind(site: Path) -> None:
    install(site, "jira = acme_jira:JiraPoller")
    found = discover_pollers()
    assert "jira" in [poller.kind for poller in found.pollers]
    assert found.problems == []


def test_an_entry_point_may_name_an_instance(site: Path) -> None:
    found = discover_pollers(install(site, "jira = acme_jira:ready_made"))
    assert [poller.kind for poller in found.pollers] == ["jira"]


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ("acme_missing:JiraPoller", "ModuleNotFoundError: No module named 'acme_missing'"),
        ("acme_jira:Missing", "has no attribute 'Missing'"),
        ("acme_jira:not_a_poller", "it is 17, which is no Poller"),
        ("acme_jira:Nameless", "Nameless has no `kind`"),
    ],
)
def test_a_broken_entry_point_names_its_distribution_and_hides_no_other(site: Path, value: str, complaint: str) -> None:
    found = discover_pollers(install(site, f"broken = {value}", "jira = acme_jira:JiraPoller"))
    assert [poller.kind for poller in found.pollers] == ["jira"]
    (problem,) = found.problems
    assert "the poller 'broken' of acme-pollers 1.2 cannot be loaded" in problem.what
    assert complaint in problem.what
    assert value in problem.remedy
