"""Defaults of keys, as the tables of the documentation show them."""

import json
from typing import Any

from attrs import NOTHING, Factory


def default(value: Any) -> str:
    """JSON, texts without quotes but for the empty one; "none" for None, and nothing for a key that is needed."""
    if value is NOTHING:
        return ""
    made = value.factory() if isinstance(value, Factory) else value  # type: ignore[arg-type] # a function to mypy
    if made is None:
        return "none"
    shown = json.dumps(made)
    return f"`{shown[1:-1]}`" if made and isinstance(made, str) else f"`{shown}`"
