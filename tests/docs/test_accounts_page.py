"""docs/howto/accounts.md: what it shows is sound, and its tables have every key."""

import re
from pathlib import Path
from typing import Final

from command import ROOT

from nexo_poller.config.accounts import ProviderEntry, RetryEntry
from nexo_poller.config.crosscheck import check_accounts
from nexo_poller.config.fields import fields_of
from nexo_poller.config.reading import load_config

PAGE: Final = ROOT.joinpath("docs", "howto", "accounts.md").read_text()
OF_OTHER_PROGRAMS: Final = {
    *("group_id", "auth", "embedding_model", "safety_settings", "factory_type", "api_key_secret_id"),
}


def test_the_sections_that_are_shown_are_sound(tmp_path: Path) -> None:
    (shown,) = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    tmp_path.joinpath("pollers.yaml").write_text(shown)
    tmp_path.joinpath("secrets").mkdir()
    for path in re.findall(r"secrets/[\w.]+", shown):
        tmp_path.joinpath(path).write_text("x")
        tmp_path.joinpath(path).chmod(0o600)
    config = load_config(tmp_path, {})
    assert config is not None
    assert config.providers["anthropic"].api_key == "x"
    assert check_accounts(config) == ()


def test_every_key_of_a_provider_is_in_the_table() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", PAGE, re.MULTILINE))
    assert rows.keys() == {field.key for field in fields_of(ProviderEntry)} - OF_OTHER_PROGRAMS
    assert all(f"{field.key}: {field.default}" in rows["retry"] for field in fields_of(RetryEntry))
