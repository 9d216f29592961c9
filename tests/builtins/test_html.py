"""HTML as text."""

import subprocess
import sys

from nexo_poller.builtins.html import text_of_html

IN_HALF_A_GIGABYTE = """
import resource, sys
from nexo_poller.builtins.html import text_of_html
resource.setrlimit(resource.RLIMIT_AS, (2**29, 2**29))
print(len(text_of_html(sys.stdin.read())))
"""


def test_formatting_and_links_leave_their_text() -> None:
    markup = '<p><B class="x">Name</b>:\n<a href="/?a>b">Leo</a><br/>a<i>b</i>c<u\n>d</u><blink>e</blink></p>'
    assert text_of_html(markup).split() == ["Name:", "Leo", "abcde"]


def test_formatting_that_is_never_closed_is_not_opened_anew_in_every_paragraph() -> None:
    opened = "".join(f"<b x{n:x}>" for n in range(3500))
    done = subprocess.run(
        [sys.executable, "-c", IN_HALF_A_GIGABYTE],
        input=f"<p>{opened}</p>" + "<p>x" * 7500,
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout) >= 7500
