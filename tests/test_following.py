"""Following a page finds what is wrong in it: programs that fail, outputs that differ, snippets that nothing runs."""

from pathlib import Path

import pytest
import snippets
from following import follow

PAGE = """
A file, a program that needs it, and what a command prints:

```text
not a program
```

<!-- file: greetings/hello.txt -->
```text
a file
```

<!-- file: greetings/hello.py -->
```python
WORDS = "hello from ADDRESS"
```

```sh
cd greetings
python -c 'import hello; print(hello.WORDS)' > said.txt
```

```console
$ cat greetings/said.txt
hello … here
$ python -c 'print(1); print(2); print(3)'
1
…
3
```

<!-- exits: 3 -->
```sh
exit 3
```

<!-- background: up -->
```sh
python -c 'import signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print("up", file=sys.stderr, flush=True)
signal.pause()'
```
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of one page."""
    monkeypatch.setattr(snippets, "ROOT", tmp_path)
    return tmp_path


async def test_a_page_is_followed_from_top_to_bottom(root: Path) -> None:
    root.joinpath("page.md").write_text(PAGE)
    await follow("page.md", root, swap={"ADDRESS": "a server here"})
    assert root.joinpath("greetings", "said.txt").read_text() == "hello from a server here\n"
    assert root.joinpath("greetings", "hello.txt").read_text() == "a file\n"


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("```sh\ntrue\nfalse\ntrue\n```", r"page.md:1: exit status 1, not 0"),
        ("\n```console\n$ echo one\ntwo\n```", r"page.md:2: echo one printed\none"),
        ("```python\n1 / 0\n```", "ZeroDivisionError"),
        ("```yaml\npollers: {job: []}\n```", "job"),
        ("```yaml\nname: CI\n```", r"page.md:1: nothing runs 'yaml'"),
        ("```rust\nfn main() {}\n```", r"page.md:1: nothing runs 'rust'"),
        ("```\nls\n```", r"page.md:1: nothing runs ''"),
    ],
)
async def test_what_does_not_run_is_told_with_its_place(root: Path, page: str, said: str) -> None:
    root.joinpath("page.md").write_text(page + "\n")
    with pytest.RaisesGroup(pytest.RaisesExc(AssertionError, match=said), allow_unwrapped=True):
        await follow("page.md", root)
