"""The fields of a config class, be it an attrs class or a dataclass."""

import dataclasses
import typing
from functools import cache
from typing import Any

import attrs
from attrs import NOTHING, frozen


@frozen(kw_only=True)
class ConfigField:
    """One key of the mapping that becomes an object of a config class.

    `default` is `attrs.NOTHING` where the key must be there. `attribute` is attrs' own view; dataclasses have none.
    """

    key: str
    type: Any
    default: Any
    attribute: "attrs.Attribute[Any] | None" = None

    @property
    def is_required(self) -> bool:
        """Whether the key must be there."""
        return self.default is NOTHING


def is_config_class(candidate: Any) -> bool:
    """Whether `fields_of` can say what this type is made of."""
    return isinstance(candidate, type) and (attrs.has(candidate) or dataclasses.is_dataclass(candidate))


@cache
def fields_of(config_class: Any) -> tuple[ConfigField, ...]:
    """What an object of `config_class` is made from. Raises `NameError` if an annotation cannot be resolved."""
    types = typing.get_type_hints(config_class, include_extras=True)
    if attrs.has(config_class):
        return tuple(
            ConfigField(
                key=attribute.alias or attribute.name,
                type=types.get(attribute.name, Any),
                default=attribute.default,
                attribute=attribute,
            )
            for attribute in attrs.fields(config_class)
            if attribute.init
        )
    return tuple(
        ConfigField(key=field.name, type=types[field.name], default=_default(field))
        for field in dataclasses.fields(config_class)
        if field.init
    )


def _default(field: "dataclasses.Field[Any]") -> Any:
    """The default as attrs would have it."""
    if field.default is not dataclasses.MISSING:
        return field.default
    return NOTHING if field.default_factory is dataclasses.MISSING else attrs.Factory(field.default_factory)
