"""From values to HTML. Whatever a template is given becomes text there, and never markup."""

import json
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from nexo_poller.admin.sparkline import sparkline
from nexo_poller.broker import Message
from nexo_poller.runner.condition import condition
from nexo_poller.store.rows import to_ms
from nexo_poller.words import ago, ahead, took

LONGEST_GIST: Final = 160
LONGEST_EVENT: Final = 10_000


def render(template: str, **values: Any) -> str:
    """The HTML of a page. The environment is this package's own: an embedder's templates and settings play no part."""
    return TEMPLATES.get_template(template).render(values)


def pretty(value: Any) -> str:
    """JSON to be read by people."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def event(message: Message) -> str:
    """The event of a message, to be read by people; all of it, unless it is very long."""
    return shortened(pretty(json.loads(message.body)), LONGEST_EVENT)


def gist(message: Message) -> str:
    """The first words of what a message says: its text, or else its payload."""
    payload = json.loads(message.body)["payload"]
    text = payload.get("text") if isinstance(payload, dict) else payload
    words = " ".join((text if isinstance(text, str) else json.dumps(payload, ensure_ascii=False)).split())
    return shortened(words, LONGEST_GIST)


def shortened(text: str, length: int) -> str:
    """The first `length` characters of a text."""
    return text if len(text) <= length else f"{text[:length]} …"


def _templates() -> Environment:
    templates = Environment(
        loader=PackageLoader("nexo_poller.admin"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {
        filter_.__name__: filter_ for filter_ in (ago, ahead, condition, event, gist, pretty, sparkline, took)
    }
    templates.filters["ms"] = to_ms
    return templates


TEMPLATES: Final = _templates()
