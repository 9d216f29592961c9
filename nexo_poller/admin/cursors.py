"""A job's cursor, to be looked at and, while the job is paused, to be replaced.

It is shown as it is, for whoever wants to put it back: nothing in it is masked.
"""

import base64
import binascii
import hashlib
from collections.abc import Mapping
from typing import Any

from nexo_poller.admin.failures import Failure
from nexo_poller.admin.route import Call


async def show_cursor(call: Call) -> dict[str, Any]:
    """The bytes in base64, and as text where they are UTF-8."""
    return _told(await call.runner.cursor(call.path["id"]))


async def replace_cursor(call: Call) -> dict[str, Any]:
    """Other bytes: `cursor` has them in base64, or is null for none; `text` has them as UTF-8."""
    cursor = _given(call.body)
    await call.runner.set_cursor(call.path["id"], cursor)
    return {"ok": True, **_told(cursor)}


def _given(body: Mapping[str, Any]) -> bytes | None:
    if "text" in body:
        try:
            return str(body["text"]).encode()
        except UnicodeEncodeError as error:
            raise Failure(400, "the text has half a surrogate pair, which UTF-8 has not") from error
    try:
        return None if body["cursor"] is None else base64.b64decode(body["cursor"], validate=True)
    except (binascii.Error, ValueError) as error:
        raise Failure(400, f"the cursor is no base64: {error}") from error


def _told(cursor: bytes | None) -> dict[str, Any]:
    if cursor is None:
        return {"cursor": None, "text": None, "size": None, "digest": None}
    return {
        "cursor": base64.b64encode(cursor).decode(),
        "text": _text(cursor),
        "size": len(cursor),
        "digest": hashlib.sha256(cursor).hexdigest()[:16],
    }


def _text(cursor: bytes) -> str | None:
    try:
        return cursor.decode()
    except UnicodeDecodeError:
        return None
