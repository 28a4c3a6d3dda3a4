"""Resources as they are answered: with id, addresses, versions, and the attributes that were asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from portal.identity.scim.rules import schemas

_ALWAYS = frozenset({"schemas", "id"})


def answered(
    attributes: Mapping[str, Any], *, schema: str, key: str, base: str, version: int, made: datetime, changed: datetime
) -> dict[str, Any]:
    """A resource with what the portal adds to it."""
    kind = "User" if schema == schemas.USER else "Group"
    meta = {
        "resourceType": kind,
        "created": made.isoformat(),
        "lastModified": changed.isoformat(),
        "location": f"{base}/{kind}s/{key}",
        "version": etag(version),
    }
    return {"schemas": [schema], "id": key, **attributes, "meta": meta}


def etag(version: int) -> str:
    """The version as HTTP carries it."""
    return f'W/"{version}"'


def shown(resource: Mapping[str, Any], *, only: Sequence[str], without: Sequence[str]) -> dict[str, Any]:
    """The part of a resource that was asked for: RFC 7644, 3.9."""
    if only:
        wanted = [_path(name) for name in only]
        return {
            key: _part(value, [path[1:] for path in wanted if path[0] == key.lower()], keeps=True)
            for key, value in resource.items()
            if key in _ALWAYS or any(path[0] == key.lower() for path in wanted)
        }
    unwanted = [_path(name) for name in without]
    found = {}
    for key, value in resource.items():
        paths = [path[1:] for path in unwanted if path[0] == key.lower()]
        if key in _ALWAYS or not any(not path for path in paths):
            found[key] = value if key in _ALWAYS else _part(value, paths, keeps=False)
    return found


def page_of(start: Any, count: Any, *, most: int = schemas.PAGE) -> tuple[int, int]:
    """Where a page begins, from 1, and how many it holds; nonsense counts as the nearest sense: RFC 7644, 3.4.2.4."""
    return max(1, _whole(start, 1)), min(most, max(0, _whole(count, most)))


def listed(resources: Sequence[Mapping[str, Any]], *, total: int, start: int) -> dict[str, Any]:
    """A page of a list."""
    return {
        "schemas": [schemas.LIST],
        "totalResults": total,
        "startIndex": start,
        "itemsPerPage": len(resources),
        "Resources": list(resources),
    }


def address_of(attributes: Mapping[str, Any]) -> str:
    """The mail address of a user: the primary one, else the first, else the user name where it is one."""
    emails = [item for item in attributes.get("emails", []) if "@" in item.get("value", "")]
    chosen = next((item for item in emails if item.get("primary") is True), emails[0] if emails else None)
    address = chosen["value"] if chosen else attributes.get("userName", "")
    local, at, domain = str(address).strip().rpartition("@")
    is_address = bool(at and local) and "." in domain and not any(sign in address for sign in ' ,;<>"\t\r\n')
    return str(address).strip() if is_address and len(address) <= 254 else ""


def name_of(attributes: Mapping[str, Any]) -> str:
    """How a user is called."""
    name = attributes.get("name", {})
    parts = " ".join(name[part] for part in ("givenName", "familyName") if name.get(part))
    found = attributes.get("displayName") or name.get("formatted") or parts or attributes.get("userName", "")
    return str(found)[:100]


def is_active(attributes: Mapping[str, Any]) -> bool:
    """Whether the user belongs; a directory that does not say means yes."""
    return attributes.get("active", True) is not False


def _path(name: str) -> list[str]:
    bare = name.rpartition(":")[2] if name.lower().startswith("urn:") else name
    return [part.lower() for part in bare.strip().split(".")]


def _part(value: Any, paths: Sequence[Sequence[str]], *, keeps: bool) -> Any:
    names = {path[0] for path in paths if path}
    if not names or (keeps and any(not path for path in paths)):
        return value
    if isinstance(value, list):
        return [_part(item, paths, keeps=keeps) for item in value]
    if isinstance(value, Mapping):
        return {key: each for key, each in value.items() if (key.lower() in names) == keeps}
    return value


def _whole(value: Any, otherwise: int) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        return otherwise
