"""Keyset paging: a page of rows and the cursor of the next one, never an offset or a total.

A query takes ``after`` (the sort key of the last row seen, or None) and a limit; it is asked for one row more than the
page shows, so that "is there more" needs no count. Cursors are opaque text in the URL; a broken one reads as no cursor.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

Row = TypeVar("Row")

PAGE_SIZE = 50
CURSOR_LIMIT = 500
BIGGEST_ID = 2**63 - 1


@dataclass(frozen=True)
class Page(Generic[Row]):
    """One page of rows in order; ``next_cursor`` is None on the last page."""

    rows: tuple[Row, ...]
    next_cursor: str | None


def page_of(rows: Sequence[Row], key: Callable[[Row], tuple[Any, ...]], size: int = PAGE_SIZE) -> Page[Row]:
    """The page made of up to ``size + 1`` fetched rows, whose sort key is ``key(row)``."""
    shown = tuple(rows[:size])
    more = len(rows) > size
    return Page(shown, cursor(key(shown[-1])) if more else None)


def cursor(key: tuple[Any, ...]) -> str:
    """The sort key as text for a URL: numbers, text, None and instants."""
    values = [{"at": value.isoformat()} if isinstance(value, datetime) else value for value in key]
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


def key_from(text: str | None, length: int) -> tuple[Any, ...] | None:
    """The sort key of ``length`` parts held by a cursor, or None for none and for anything a person made up."""
    if not text or len(text) > CURSOR_LIMIT:
        return None
    try:
        values = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        key = tuple(_value(value) for value in values)
    except (binascii.Error, ValueError, TypeError, KeyError):
        return None
    return key if len(key) == length else None


def _value(value: Any) -> Any:
    if isinstance(value, dict):
        at = datetime.fromisoformat(value["at"])
        if at.tzinfo is None:
            raise ValueError("a cursor's instant names its zone")
        return at
    if isinstance(value, (list, float, bool)):
        raise TypeError("a cursor holds ids, text and instants")
    if isinstance(value, int) and abs(value) > BIGGEST_ID:
        raise ValueError("no id is as big")
    if isinstance(value, str) and "\x00" in value:
        raise ValueError("no text of ours holds this")
    return value
