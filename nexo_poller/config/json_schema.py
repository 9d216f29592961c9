"""The JSON Schema of the file, so that editors complete and check it while it is written."""

from collections.abc import Mapping
from typing import Any, Final

from nexo_poller.config.names import JOB_ID, RESERVED_IDS
from nexo_poller.config.sections import TEN_YEARS_SECS, File, JobEntry, PollersSection
from nexo_poller.config.type_schema import Schema, type_schema
from nexo_poller.poller import Poller

_JITTER: Final[Schema] = {
    "description": "Each slot is moved by a part of this, always the same for the same job and slot.",
    "type": "number",
    "minimum": 0,
    "maximum": TEN_YEARS_SECS * 1000,
}


def json_schema(pollers: Mapping[str, Poller[Any]]) -> Schema:
    """A schema (draft 2020-12) of the file, for jobs of these kinds. A copy that may be changed."""
    section = type_schema(PollersSection)
    _replace(section, "jobs", _or_empty({"type": "array", "items": _job_schema(pollers)}))
    file = type_schema(File)
    _replace(file, "pollers", _or_empty(section))
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "pollers.yaml", **file}


def _replace(parent: Schema, key: str, schema: Schema) -> None:
    """Say more of a key than its type does; its meaning stays."""
    properties = parent["properties"]
    properties[key] = {"description": properties[key]["description"], **schema}


def _or_empty(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _job_schema(pollers: Mapping[str, Poller[Any]]) -> Schema:
    job = type_schema(JobEntry)
    job["properties"]["id"] |= {"pattern": f"^{JOB_ID.pattern}$", "not": {"enum": list(RESERVED_IDS)}}
    job["properties"]["kind"] |= {"enum": sorted(pollers)}
    _replace(job, "schedule", _schedule_schema())
    kinds = [_kind_schema(kind, poller) for kind, poller in sorted(pollers.items())]
    return {**job, "allOf": kinds} if kinds else job


def _kind_schema(kind: str, poller: Poller[Any]) -> Schema:
    """What a job of this kind must look like besides."""
    config = type_schema(poller.config_type)
    needs_config = bool(config.get("required"))
    return {
        "if": {"properties": {"kind": {"const": kind}}, "required": ["kind"]},
        "then": {
            "description": poller.description,
            "properties": {"config": config if needs_config else _or_empty(config)},
            "required": ["config"] if needs_config else [],
        },
    }


def _schedule_schema() -> Schema:
    words = "So many seconds apart, and the first at once."
    secs = {"description": words, "type": "number", "minimum": 0.001, "maximum": TEN_YEARS_SECS}
    cron = {"type": "string", "description": "Six fields: sec min hour dom mon dow."}
    zone = {"type": "string", "description": "An IANA time zone such as Europe/Berlin; UTC if left out."}
    instant = {"type": "string", "description": "An instant as RFC 3339 has it, such as 2026-04-26T15:00:00Z."}
    return {
        "oneOf": [
            _form({"every_secs": secs, "stagger_jitter_ms": _JITTER}),
            _form({"cron": cron, "tz": zone, "stagger_jitter_ms": _JITTER}),
            _form({"at": instant}),
        ],
    }


def _form(properties: dict[str, Schema]) -> Schema:
    """A schedule of which the first key must be there."""
    return {
        "type": "object",
        "properties": properties,
        "required": [next(iter(properties))],
        "additionalProperties": False,
    }
