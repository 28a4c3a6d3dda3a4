"""How a signed document's tables are put into words: rows by what tells them apart, values as people read them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from portal.contracts.blocks import Block
from portal.contracts.conditions import CONDITIONS

_CONDITIONS: dict[str, tuple[str, ...]] = {
    "RateRow": CONDITIONS,
    "PercentRow": CONDITIONS,
    "RoundingRow": CONDITIONS,
    "Cap": ("level", *CONDITIONS),
    "Burn": CONDITIONS,
    "Over": ("level", "minutes"),
    "Cancellation": ("dispatched", "notice_below_hours"),
    "ShareRow": ("revenues",),
    "Tranche": ("to", "party"),
    "Minimum": ("level", *CONDITIONS),
    "Warranty": ("product_lines", "parts"),
    "EntryRow": ("openers", "plans", "customer_classes", "channels", "levels", "severities", "task_classes", "outside"),
    "BillTo": ("task_classes", "plans", "causes", "before_day1", "in_warranty", "certified"),
    "Target": ("clock", "severities", "certified", "customer_classes", "channels", "levels"),
    "Remedy": ("clock", "severities"),
    "RegionRow": ("regions",),
    "ResolutionRow": ("causes", "last_actions"),
    "Intake": ("product_lines",),
}
_SEPARATOR = ", "


@dataclass(frozen=True)
class Line:
    """One thing a document says: what it is about, and what is said."""

    name: str
    text: str


@dataclass(frozen=True)
class Part:
    """One part of a document with its lines; ``explanation`` is the document language's own."""

    title: str
    explanation: str
    lines: tuple[Line, ...]


def outline(document: Block) -> tuple[Part, ...]:
    """The whole document in words, in its own order; single values first, each table as a part of its own."""
    single: list[Line] = []
    parts: list[Part] = []
    for name, field in type(document).model_fields.items():
        value = getattr(document, name)
        title = words(name).capitalize()
        if isinstance(value, Block) or (isinstance(value, tuple) and any(isinstance(item, Block) for item in value)):
            parts.append(Part(title, field.description or "", tuple(_lines(value))))
        else:
            single.append(Line(title, shown(readable(name, value))))
    return (Part("In general", "", tuple(single)), *parts)


def _lines(value: object) -> Iterator[Line]:
    if isinstance(value, Block):
        for name in type(value).model_fields:
            yield Line(words(name).capitalize(), shown(readable(name, getattr(value, name))))
    elif isinstance(value, tuple):
        for row in value:
            yield Line(name_of(row).capitalize(), contents(row))


def name_of(row: Block) -> str:
    """What people call the row: its name, or what it is for."""
    code = getattr(row, "code", None)
    if code is not None:
        return str(getattr(row, "name", None) or getattr(row, "label", None) or code)
    stated = [
        f"{words(name)} {shown(value)}"
        for name in _CONDITIONS.get(type(row).__name__, ())
        if (value := getattr(row, name)) not in (None, ())
    ]
    return _SEPARATOR.join(stated) or "all other"


def contents(row: Block) -> str:
    """What a new row says, without what names it and without what is left to the default."""
    named = {"code", "name", "label", *_CONDITIONS.get(type(row).__name__, ())}
    fields = type(row).model_fields
    said = [
        f"{words(name)} {shown(readable(name, getattr(row, name)))}"
        for name in fields
        if name not in named and getattr(row, name) != fields[name].default
    ]
    return _SEPARATOR.join(said) or "nothing more"


def words(name: str) -> str:
    """A key as people read it."""
    return "part" if name == "bp" else name.removesuffix("_bp").replace("_", " ")


def readable(name: str, value: object) -> object:
    """Basis points as people read them."""
    if isinstance(value, int) and (name == "bp" or name.endswith("_bp")):
        return f"{value // 100}.{value % 100:02} %"
    return value


def shown(value: object) -> str:
    """A value as people read it."""
    if value is None or value == ():
        return "not stated"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return _SEPARATOR.join(shown(item) for item in value)
    if isinstance(value, Block):
        is_row = hasattr(value, "code") or type(value).__name__ in _CONDITIONS
        return f"{name_of(value)} ({contents(value)})" if is_row else contents(value)
    if isinstance(value, date):
        return value.isoformat()
    return words(value) if isinstance(value, StrEnum) else str(value)
