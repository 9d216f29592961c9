"""What docs/links.py says of a site: which of its links lead nowhere."""

import subprocess
import sys
from pathlib import Path

from command import ROOT

INDEX = """
<link rel="stylesheet" href="style.css?v=1"><h1 id="top">Here</h1><img src="gone.png">
<a href="#top">up</a> <a href="#gone">gone</a> <a href="https://example.org/#gone">elsewhere</a>
<a href="more/">more</a> <a href="more/index.html#th%C3%A9">th\u00e9</a> <a href="more/#gone">gone</a>
"""
MORE = '<p id="th\u00e9"></p><a href="../../secret.txt">out of the site</a><a href="../index.html">back</a>'


def test_links_that_lead_nowhere_are_told_with_their_page(tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.joinpath("more").mkdir(parents=True)
    site.joinpath("index.html").write_text(INDEX)
    site.joinpath("more", "index.html").write_text(MORE)
    site.joinpath("style.css").touch()
    tmp_path.joinpath("secret.txt").touch()
    script = [sys.executable, str(ROOT / "docs" / "links.py"), str(site)]
    done = subprocess.run(script, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "index.html: gone.png",
        "index.html: #gone",
        "index.html: more/#gone",
        "more/index.html: ../../secret.txt",
    ]
