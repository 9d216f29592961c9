"""How Sphinx makes the site: `sphinx-build -W --keep-going -n docs build/site`, which needs the extra `[docs]`."""

import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).parent))

from generating import fill_in

project = "nexo_poller"
author = "nexo_poller contributors"
release = metadata.version("nexo-poller")
html_title = f"nexo_poller {release}"

extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["_generated"]
smartquotes = False  # or nobody could copy an option from a docstring
default_role = "literal"  # docstrings write `code` as Markdown does

autodoc_typehints_format = "short"
autodoc_inherit_docstrings = False
# Other projects' inventories would have to come over the network; of our own names, every one must be found.
nitpick_ignore_regex = [
    ("py:.*", r"(?!nexo_poller\.).*"),
    ("py:.*", r"nexo_poller\.poller\.C"),  # the type of a config
    ("py:.*", r"nexo_poller\.(host\.InProcessHost|http\.pools\.HttpPools)"),  # the machine's own
    ("py:.*", r"nexo_poller\.(plugins\.transport\.Transport|config\.plugin_kinds\.PluginKind)"),  # likewise
]

myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence"]

html_theme = "furo"
html_theme_options = {"source_repository": "", "navigation_with_keys": True}
html_show_copyright = False


def setup(app: Sphinx) -> None:
    """Let pages have what is made of the code."""
    app.connect("source-read", fill_in)
    app.connect("autodoc-process-signature", shorten)


def shorten(*event: Any) -> tuple[str | None, str | None]:
    """A signature in which the defaults that attrs makes anew for every instance, its `NOTHING`, are dots."""
    *_, arguments, returned = event
    return arguments and arguments.replace("NOTHING", "…"), returned
