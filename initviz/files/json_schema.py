"""A JSON value held against a JSON schema: the keywords that the schemas of this package use, one sentence a fault."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from initviz.core.wording import is_unicode, shown

Schema = Mapping[str, Any]
TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,), "array": (list,), "string": (str,), "boolean": (bool,), "number": (int, float),
    "integer": (int,), "null": (type(None),)}


def _is(value: Any, name: str) -> bool:
    if isinstance(value, bool):
        return name == "boolean"
    if name == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, TYPES[name])


def _in_words(value: Any) -> str:
    """A JSON value in a sentence, by JSON's own words."""
    if isinstance(value, dict | list):
        return f"an {'object' if isinstance(value, dict) else 'array'} of {len(value)}"
    if isinstance(value, float) and math.isinf(value):
        return "a number beyond the largest that there is"
    return shown(value) if isinstance(value, str) else f"{json.dumps(value):.60}"


def check_schema(value: Any, schema: Schema, path: str = "", root: Schema | None = None) -> None:
    """Raise ValueError, naming the field, its value and what is allowed, at the first fault of a JSON value.

    ``where`` is the field's path in the sentence. Known are type, enum, const, pattern, the limits of numbers, strings
    and arrays, required, properties, items, and $ref within ``root``.
    """
    root = schema if root is None else root
    if "$ref" in schema:
        check_schema(value, root["$defs"][schema["$ref"].rpartition("/")[2]], path, root)
    field = path or "the file"
    if "const" in schema and (value != schema["const"] or isinstance(value, bool)):
        raise ValueError(f"{field} must be {schema['const']!r}, got {_in_words(value)}")
    kinds = schema.get("type", ())
    kinds = (kinds,) if isinstance(kinds, str) else kinds
    if kinds and not any(_is(value, kind) for kind in kinds):
        raise ValueError(f"{field} must be {' or '.join(kinds)}, got {_in_words(value)}")
    if "enum" in schema and value not in schema["enum"]:
        raise ValueError(f"{field} must be {' or '.join(map(repr, schema['enum']))}, got {_in_words(value)}")
    if isinstance(value, dict):
        _check_object(value, schema, path, root)
    elif isinstance(value, list):
        _check_array(value, schema, path, root)
    else:
        _check_scalar(value, schema, field)


def _check_object(value: dict[str, Any], schema: Schema, path: str, root: Schema) -> None:
    for name in schema.get("required", ()):
        if name not in value:
            raise ValueError(f"{path or 'the file'} must hold {name}, and does not")
    for name, property_schema in schema.get("properties", {}).items():
        if name in value:
            check_schema(value[name], property_schema, f"{path}.{name}" if path else name, root)


def _check_array(value: list[Any], schema: Schema, path: str, root: Schema) -> None:
    most, least = schema.get("maxItems"), schema.get("minItems", 0)
    if len(value) < least or (most is not None and len(value) > most):
        raise ValueError(f"{path} must have {least} to {most} entries, got {len(value)}")
    item_schema = schema.get("items")
    if item_schema is not None:
        for index, item in enumerate(value):
            check_schema(item, item_schema, f"{path}[{index}]", root)


def _check_scalar(value: Any, schema: Schema, field: str) -> None:
    if isinstance(value, str):
        if not is_unicode(value):
            raise ValueError(f"{field} must be valid Unicode, got {_in_words(value)}")
        if len(value) > schema.get("maxLength", len(value)):
            raise ValueError(f"{field} must have at most {schema['maxLength']} letters, got {len(value)}")
        if "pattern" in schema and not re.search(schema["pattern"], value):
            raise ValueError(f"{field} must match {schema['pattern']}, got {_in_words(value)}")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        least, most = schema.get("minimum", value), schema.get("maximum", value)
        if not least <= value <= most:
            limits = [f"at least {schema['minimum']:g}"] if "minimum" in schema else []
            limits += [f"at most {schema['maximum']:g}"] if "maximum" in schema else []
            raise ValueError(f"{field} must be {' and '.join(limits)}, got {_in_words(value)}")
