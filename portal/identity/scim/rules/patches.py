"""Patches: a resource and operations in, the changed resource out. RFC 7644, 3.5.2, in every shape directories send.

Operations in any case; a path with a filter, a part or a schema's name before it; no path and an object, whose keys may
be paths themselves; one value where several are meant; values to remove beside the path.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from portal.identity.scim.rules import filters, schemas
from portal.identity.scim.rules.errors import ScimRefused

MOST_OPERATIONS = 500
_PATH = re.compile(r"(?P<name>[A-Za-z$][\w$-]*)(?:\[(?P<filter>.*)\])?(?:\.(?P<part>[A-Za-z$][\w$-]*))?", re.DOTALL)


@dataclass(frozen=True)
class Path:
    """Where an operation acts: an attribute, some of its values, a part of it."""

    known: schemas.Attribute
    condition: str = ""
    part: str = ""


def patched(resource: Mapping[str, Any], message: Mapping[str, Any], schema: str) -> dict[str, Any]:
    """The resource after every operation of the message, in order; all or none.

    *Raises*: ScimRefused.
    """
    operations = next((value for name, value in message.items() if name.lower() == "operations"), None)
    if not isinstance(operations, list) or not 0 < len(operations) <= MOST_OPERATIONS:
        raise ScimRefused(f"Operations has to be a list of at most {MOST_OPERATIONS} operations.", "invalidSyntax")
    changed = copy.deepcopy(dict(resource))
    for operation in operations:
        if not isinstance(operation, Mapping):
            raise ScimRefused("An operation has to be an object.", "invalidSyntax")
        _apply(changed, {name.lower(): value for name, value in operation.items()}, schema)
    return changed


def _apply(resource: dict[str, Any], operation: Mapping[str, Any], schema: str) -> None:
    kind, written, value = str(operation.get("op", "")).lower(), operation.get("path"), operation.get("value")
    if kind not in ("add", "replace", "remove"):
        raise ScimRefused("op has to be add, replace or remove.", "invalidSyntax")
    if written is None or written == "":
        _apply_without_path(resource, kind, value, schema)
        return
    path = _read_path(str(written), schema)
    if path is None:
        return
    if path.known.mutability == "readOnly":
        raise ScimRefused(f"{path.known.name} cannot be changed.", "mutability")
    if kind == "remove":
        _remove(resource, path, value)
    elif value is None:
        # An empty value is how some directories remove.
        _remove(resource, path, None)
    elif path.condition:
        _set_where(resource, path, value, adds=kind == "add")
    elif path.part:
        _set_part(resource, path, value)
    else:
        _set(resource, path.known, value, adds=kind == "add")


def _apply_without_path(resource: dict[str, Any], kind: str, value: Any, schema: str) -> None:
    if kind == "remove":
        raise ScimRefused("remove needs a path.", "noTarget")
    if not isinstance(value, Mapping):
        raise ScimRefused("Without a path the value has to be an object.", "invalidSyntax")
    for name, each in value.items():
        if name.lower() in schemas.COMMON:
            continue
        if name.lower().startswith("urn:") and isinstance(each, Mapping):
            nested = each if name.lower() == schema.lower() else {}
            _apply_without_path(resource, kind, nested, schema)
            continue
        path = _read_path(name, schema)
        if path is not None and path.known.mutability != "readOnly":
            _apply(resource, {"op": kind, "path": name, "value": each}, schema)


def _read_path(written: str, schema: str) -> Path | None:
    """The path, or None for an attribute that is not kept here."""
    bare = written.strip()
    if bare.lower().startswith(schema.lower() + ":"):
        bare = bare[len(schema) + 1 :]
    elif bare.lower().startswith("urn:"):
        return None
    found = _PATH.fullmatch(bare)
    if found is None:
        raise ScimRefused(f"The path {written[:100]} cannot be read.", "invalidPath")
    name, part, condition = found.group("name"), found.group("part") or "", found.group("filter") or ""
    if name.lower() in schemas.COMMON:
        raise ScimRefused(f"{name} cannot be changed.", "mutability")
    known = schemas.attribute(schema, name)
    if known is None:
        return None
    own = next((each.name for each in known.parts if each.name.lower() == part.lower()), "")
    if part and not own and known.parts:
        return None
    if (part and not known.parts) or (condition and not known.is_multi):
        raise ScimRefused(f"{name} has no such part.", "invalidPath")
    return Path(known, condition, own)


def _set(resource: dict[str, Any], known: schemas.Attribute, value: Any, *, adds: bool) -> None:
    taken = schemas.value_of(known, value)
    if adds and known.is_multi:
        kept = list(resource.get(known.name, []))
        new = [item for item in taken if not _is_among(item, kept)]
        taken = schemas.value_of(known, [*kept, *new])
    elif known.kind == "complex" and not known.is_multi:
        # Parts that are not named stay as they are.
        taken = {**resource.get(known.name, {}), **taken}
    _keep(resource, known.name, taken)


def _set_part(resource: dict[str, Any], path: Path, value: Any) -> None:
    if path.known.is_multi:
        items = [{**item, path.part: value} for item in resource.get(path.known.name, [])] or [{path.part: value}]
        _keep(resource, path.known.name, schemas.value_of(path.known, items))
        return
    whole = {**resource.get(path.known.name, {}), path.part: value}
    _keep(resource, path.known.name, schemas.value_of(path.known, whole))


def _set_where(resource: dict[str, Any], path: Path, value: Any, *, adds: bool) -> None:
    accepts = filters.read_filter(path.condition)
    change = {path.part: value} if path.part else value
    if not isinstance(change, Mapping):
        raise ScimRefused("The value has to be an object.", "invalidValue")
    items = list(resource.get(path.known.name, []))
    fitting = [index for index, item in enumerate(items) if accepts(item)]
    if not fitting:
        wanted = filters.simple_equals(path.condition)
        if not adds or wanted is None:
            raise ScimRefused(f"No value of {path.known.name} fits the path.", "noTarget")
        items.append({wanted.name: wanted.value, **change})
    for index in fitting:
        items[index] = {**items[index], **change}
    if "primary" in change and change["primary"] in (True, "true", "True"):
        # The one that becomes primary comes last, so that it is the one that stays so.
        chosen = [items[index] for index in fitting]
        items = [item for index, item in enumerate(items) if index not in fitting] + chosen
    _keep(resource, path.known.name, schemas.value_of(path.known, items))


def _remove(resource: dict[str, Any], path: Path, value: Any) -> None:
    name = path.known.name
    if path.known.is_required and not path.condition and not path.part:
        raise ScimRefused(f"{name} is required.", "mutability")
    if path.condition:
        accepts = filters.read_filter(path.condition)
        items = [
            item if not accepts(item) else {key: each for key, each in item.items() if path.part and key != path.part}
            for item in resource.get(name, [])
        ]
        _keep(resource, name, [item for item in items if item])
    elif path.part:
        whole = resource.get(name, {})
        rows = whole if isinstance(whole, list) else [whole]
        left = [{key: each for key, each in row.items() if key != path.part} for row in rows]
        _keep(resource, name, [row for row in left if row] if isinstance(whole, list) else left[0])
    elif path.known.is_multi and value:
        gone = schemas.value_of(path.known, value)
        _keep(resource, name, [item for item in resource.get(name, []) if not _is_among(item, gone)])
    else:
        resource.pop(name, None)


def _is_among(item: Mapping[str, Any], others: list[Any]) -> bool:
    """Whether the same value is there already: told apart by ``value``, and by ``type`` where both say one."""
    return any(
        item.get("value") == other.get("value")
        and ("type" not in item or "type" not in other or item["type"] == other["type"])
        for other in others
    )


def _keep(resource: dict[str, Any], name: str, value: Any) -> None:
    if value in ([], {}, None, ""):
        resource.pop(name, None)
    else:
        resource[name] = value
