"""Sorting, as RFC 7644, 3.4.2.3 words it: by one attribute, texts without regard to case, what lacks it at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from portal.identity.scim.rules.errors import ScimRefused
from portal.identity.scim.rules.filters import CASE_EXACT, steps_of

_ORDERS = {"": False, "ascending": False, "descending": True}
LONGEST_PATH = 200


@dataclass(frozen=True)
class Sorting:
    """By which attribute a list is sorted, and whether from its end."""

    path: str
    is_descending: bool = False


def sorting_of(by: Any, order: Any) -> Sorting | None:
    """What was asked; none where nothing is named to sort by.

    *Raises*: ScimRefused, ``invalidValue``.
    """
    if by in (None, ""):
        return None
    direction = _ORDERS.get(order.lower() if isinstance(order, str) else "?" if order is not None else "")
    if not isinstance(by, str) or len(by) > LONGEST_PATH or direction is None:
        raise ScimRefused("sortBy is an attribute's name, and sortOrder ascending or descending.", "invalidValue")
    return Sorting(by.strip(), direction)


def positions(resources: Sequence[Mapping[str, Any]], sorting: Sorting) -> list[int]:
    """Where the resources stand once they are sorted; equal ones stay as they came."""
    exact = sorting.path.rsplit(".", maxsplit=1)[-1].lower() in CASE_EXACT
    keys = [_key(_value_at(resource, sorting.path), exact=exact) for resource in resources]
    return sorted(range(len(keys)), key=keys.__getitem__, reverse=sorting.is_descending)


def _key(value: Any, *, exact: bool) -> tuple[int, str | float]:
    """Numbers and truths before texts before nothing."""
    if isinstance(value, bool | int | float):
        return 0, float(value)
    if isinstance(value, str):
        return 1, value if exact else value.casefold()
    return 2, ""


def _value_at(resource: Any, path: str) -> Any:
    found = resource
    for part in steps_of(path):
        found = _chosen(found)
        if not isinstance(found, Mapping):
            return None
        found = next((child for name, child in found.items() if name.lower() == part.lower()), None)
    found = _chosen(found)
    return found.get("value") if isinstance(found, Mapping) else found


def _chosen(value: Any) -> Any:
    """Of several values the primary one, else the first."""
    if not isinstance(value, list):
        return value
    first = value[0] if value else None
    return next((item for item in value if isinstance(item, Mapping) and item.get("primary") is True), first)
