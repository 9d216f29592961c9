"""The page's style, scripts and icon."""

from pathlib import Path
from typing import Final

from quart import Response

from nexo_poller.admin.failures import Failure
from nexo_poller.admin.outgoing import bytes_response
from nexo_poller.admin.route import Call

FOLDER: Final = Path(__file__).parent / "static"
MEDIA_TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
FILES: Final = {file.name: file for file in FOLDER.iterdir()}


async def file(call: Call) -> Response:
    """One of the files, by its name."""
    found = FILES.get(call.path["name"])
    if found is None:
        raise Failure(404, "there is no such file")
    return bytes_response(found.read_bytes(), f"{MEDIA_TYPES[found.suffix]}; charset=utf-8")
