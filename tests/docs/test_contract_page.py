"""docs/howto/contract.md, followed to the letter."""

from pathlib import Path

from following import follow


async def test_the_page_on_the_contract_can_be_followed(tmp_path: Path) -> None:
    # schemathesis, of which its reader has none, takes longer to load than all the rest
    await follow("docs/howto/contract.md", tmp_path, env={"PYTEST_ADDOPTS": "-p no:schemathesis"})
