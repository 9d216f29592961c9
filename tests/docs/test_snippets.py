"""Every snippet of every page runs: by following its page, or in a module of its own; or it is listed with a reason."""

import re
from pathlib import Path
from typing import Final

import pytest
from command import ROOT
from following import follow
from snippets import FENCE, not_run, pages, snippets, to_run

MOST_NOT_RUN: Final = 10

# Pages whose snippets need servers, or are compared with more than an exit status: who runs those of which languages.
# A module of its own for a page can also be little more than `follow(page, tmp_path, swap=…)`.
RUN_BY: Final = {
    "README.md": ("tests/test_docs.py", {"sh", "yaml", "python"}),
    "docs/howto/accounts.md": ("tests/docs/test_accounts_page.py", {"yaml"}),
    "docs/howto/command.md": ("tests/cli/test_command_page.py", {"sh"}),
    "docs/howto/contract.md": ("tests/docs/test_contract_page.py", {"python", "sh"}),
    "docs/howto/gmail.md": ("tests/docs/test_google_pages.py", {"yaml"}),
    "docs/howto/google_calendar.md": ("tests/docs/test_google_pages.py", {"yaml"}),
    "docs/howto/llm.md": ("tests/docs/test_llm_page.py", {"yaml"}),
    "docs/howto/nats.md": ("tests/docs/test_nats_page.py", {"yaml"}),
    "docs/howto/testing.md": ("tests/docs/test_testing_page.py", {"python", "sh", "console"}),
    "docs/howto/systemd.md": ("tests/docs/test_systemd_page.py", {"ini", "yaml"}),
    "docs/howto/tools.md": ("tests/docs/test_tools_page.py", {"json"}),
    "docs/reference/admin.md": ("tests/docs/test_admin_page.py", {"sh", "yaml"}),
    "docs/reference/metrics.md": ("tests/docs/test_alerts.py", {"sh"}),
    "docs/reference/plugins.md": ("tests/docs/test_plugins_page.py", {"toml", "yaml", "json", "python"}),
    "docs/tutorial/first-poller.md": (
        "tests/docs/test_tutorial.py",
        {"sh", "console", "yaml", "python", "json", "ini"},
    ),
    "examples/plugins/README.md": ("tests/cli/test_plugin_examples.py", {"sh"}),
}
FOLLOWED: Final = [page for page in pages() if page not in RUN_BY]


@pytest.mark.parametrize("page", FOLLOWED)
async def test_a_page_can_be_followed_to_the_letter(page: str, tmp_path: Path) -> None:
    await follow(page, tmp_path)


@pytest.mark.parametrize("page", RUN_BY)
def test_the_module_that_runs_a_page_runs_all_its_languages(page: str) -> None:
    module, languages = RUN_BY[page]
    source = ROOT.joinpath(module).read_text()
    assert {snippet.language for snippet in to_run(page)} == languages
    assert Path(page).name in source
    assert all(language in source for language in languages) or "follow(" in source


def test_what_is_not_run_is_still_there_and_is_little() -> None:
    for entry in not_run():
        assert entry.code in "".join(snippet.code for snippet in snippets(entry.page)), entry
    assert len(not_run()) <= MOST_NOT_RUN


@pytest.mark.parametrize("page", pages())
def test_all_code_is_fenced_so_that_it_is_found(page: str) -> None:
    prose = FENCE.sub("", ROOT.joinpath(page).read_text())
    assert re.findall(r"(?<=\n\n) {4}.*|^~~~.*", prose, re.MULTILINE) == []
