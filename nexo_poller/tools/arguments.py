"""Whether the arguments of a call are what the tool's schema asks for."""

from collections.abc import Mapping
from typing import Any

from nexo_poller.tool import AGENT_ID


def argument_problems(schema: Mapping[str, Any], arguments: object) -> list[str]:
    """Everything that `schema` does not allow, each with its place (`$.id: 5 is not of type 'string'`).

    The caller's id comes from elsewhere: an argument of that name is a problem even where the schema allows it.
    """
    from jsonschema import Draft202012Validator
    from referencing import Registry

    validator = Draft202012Validator(schema, registry=Registry())  # with the default one, a $ref may call the network
    errors = sorted(validator.iter_errors(arguments), key=lambda error: error.json_path)
    problems = [f"{error.json_path}: {error.message}" for error in errors]
    if isinstance(arguments, Mapping) and AGENT_ID in arguments:
        problems.append(f"$.{AGENT_ID}: who calls is not for an argument to say; leave it out")
    return problems


def schema_problem(schema: object) -> str | None:
    """Why no provider would take `schema` for the arguments of a tool; None: nothing is wrong with it."""
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError

    if not isinstance(schema, Mapping) or schema.get("type") != "object":
        return 'its parameters are no schema of an object (begin with {"type": "object", "properties": {…}})'
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        return f"its parameters are no JSON Schema: {error.json_path}: {error.message}"
    if AGENT_ID in schema.get("properties", {}):
        return f"its parameters have a property `{AGENT_ID}`, which the caller fills in (remove it)"
    return None
