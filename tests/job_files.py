"""Configurations for tests of the command."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from http_server import Response


def write_config(folder: Path, *jobs: Mapping[str, Any], **sections: Any) -> None:
    """`config/pollers.yaml` in `folder`, with these jobs; JSON is YAML too."""
    pollers = {"default_jitter_ms": 0, **sections.pop("pollers", {}), "jobs": jobs}
    folder.joinpath("config").mkdir(exist_ok=True)
    folder.joinpath("config", "pollers.yaml").write_text(json.dumps({"pollers": pollers, **sections}))


def api_job(url: str, job_id: str = "orders", **config: Any) -> dict[str, Any]:
    """A job that sends each new item of a JSON list at `url`."""
    return {
        "id": job_id,
        "kind": "webhook_poll",
        "agent": "ana",
        "schedule": {"every_secs": 1},
        "config": {
            "url": url,
            "items_path": "",
            "message_template": "order {id}",
            "deliver": {"channel": "inbox", "to": "ana"},
            "first_tick": "all",
            "allow_private_networks": True,
            **config,
        },
    }


def orders(*ids: int) -> Response:
    """The list that such a job reads."""
    return Response(body=json.dumps([{"id": order} for order in ids]).encode())
