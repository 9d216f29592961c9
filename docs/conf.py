"""How Sphinx makes the site: `sphinx-build -W --keep-going -n docs build/site`, which needs the extra `[docs]`."""

import sys
from importlib import metadata
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

project = "nexo_poller"
author = "nexo_poller contributors"
release = metadata.version("nexo-poller")
html_title = f"nexo_poller {release}"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_generated"]
default_role = "literal"  # docstrings write `code` as Markdown does

myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence"]

html_theme = "furo"
html_theme_options = {"source_repository": "", "navigation_with_keys": True}
html_show_copyright = False
