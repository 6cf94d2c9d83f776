"""Describe request bodies as form data, in which PHP's brackets replace JSON's lists and objects.

See docs/decisions.md#8-forms-of-input.
"""

from collections.abc import Mapping
from typing import Any

from fluent_cart.schemas.base import NO_NUL

Schema = dict[str, Any]

# Numbers alone would be indexes of a list.
_NAMES = {"pattern": "^[A-Za-z_][A-Za-z0-9_]*$"}
_OF_THE_WHOLE = ("type", "propertyNames", "additionalProperties")
_TEXT = {"type": "string", "pattern": NO_NUL}


def form(schema: Schema, schemas: Mapping[str, Schema]) -> dict[str, Any]:
    """Return the form of a body whose JSON has ``schema``: lists are ``ids[]``, objects ``data[status]``.

    A form has only texts. It has no null, and its objects contain texts.
    """
    schema = _resolved(schema, schemas)
    # A form has no way to write a list of objects that all clients know.
    members = {
        name: member
        for name, member in schema.get("properties", {}).items()
        if not _has_objects(member, schemas)
    }
    # Not the title: it is the name of the JSON, and generated clients would make one type of both.
    described: Schema = {name: schema[name] for name in _OF_THE_WHOLE if name in schema}
    if "properties" not in schema:
        return {"schema": described | {"additionalProperties": _TEXT}}
    names = {name: _name(name, _resolved(member, schemas)) for name, member in members.items()}
    described["properties"] = {names[name]: _member(member, schemas) for name, member in members.items()}
    described["required"] = [names[name] for name in schema.get("required", ())]
    objects = [name for name, member in described["properties"].items() if member.get("type") == "object"]
    nested = {name: {"style": "deepObject", "explode": True} for name in objects}
    return {"schema": described, **({"encoding": nested} if nested else {})}


def _has_objects(schema: Schema, schemas: Mapping[str, Schema]) -> bool:
    items = schema.get("items", {})
    return any(_resolved(each, schemas).get("type") == "object" for each in items.get("anyOf", [items]))


def _resolved(schema: Schema, schemas: Mapping[str, Schema]) -> Schema:
    """Return a schema without references, and without null, which a form cannot have."""
    if reference := schema.get("$ref"):
        return schemas[reference.rpartition("/")[2]]
    variants = [each for each in schema.get("anyOf", ()) if not _is_nothing(each)]
    if "anyOf" in schema and len(variants) == 1:
        return _resolved(variants[0], schemas)
    return schema


def _is_nothing(schema: Schema) -> bool:
    return schema.get("type") == "null" or "const" in schema or schema.get("maxItems") == 0


def _name(name: str, schema: Schema) -> str:
    return f"{name}[]" if schema.get("type") == "array" else name


def _member(schema: Schema, schemas: Mapping[str, Schema]) -> Schema:
    meaning = {"description": schema["description"]} if "description" in schema else {}
    resolved = _resolved(schema, schemas)
    if resolved.get("type") == "object":
        if "properties" in resolved:
            members = {name: _member(each, schemas) for name, each in resolved["properties"].items()}
            return {"type": "object", "properties": members, **meaning}
        return {"type": "object", "propertyNames": _NAMES, "additionalProperties": _TEXT, **meaning}
    # A reference is kept, because people know its name.
    return schema if "$ref" in schema else resolved | meaning
