"""How a signed document's tables are put into words: rows by what tells them apart, values as people read them."""

from __future__ import annotations

from collections.abc import Mapping
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
_ALL_OTHER = "all other"


# A row that says more than this is told one thing to a line.
_SHORT = 3


@dataclass(frozen=True)
class Line:
    """One thing a document says: what it is about, and what is said, in a few words or in lines of its own."""

    name: str
    text: str = ""
    lines: tuple[Line, ...] = ()


@dataclass(frozen=True)
class Part:
    """One part of a document with its lines; ``explanation`` is the document language's own."""

    title: str
    explanation: str
    lines: tuple[Line, ...]


def outline(document: Block) -> tuple[Part, ...]:
    """The whole document in words, in its own order; single values first, each table as a part of its own.

    Codes of the document's own tables read as their names, and what a part leaves open is told in one line at its end.
    """
    names = _names_of(document)
    single: dict[str, object] = {}
    parts: list[Part] = []
    for name, field in type(document).model_fields.items():
        value = getattr(document, name)
        if isinstance(value, Block) or _is_table(value):
            told = _told(value, names) if isinstance(value, Block) else _rows(value, names)
            parts.append(Part(words(name).capitalize(), field.description or "", told))
        else:
            single[name] = value
    return (Part("In general", "", _values(single, names)), *parts)


def _names_of(document: Block) -> dict[str, str]:
    """What the document calls its codes; a code that two tables give different names keeps to itself."""
    found: dict[str, set[str]] = {}
    for table in type(document).model_fields:
        value = getattr(document, table)
        for row in value if _is_table(value) else ():
            code = getattr(row, "code", None)
            if code is not None:
                found.setdefault(str(code), set()).add(name_of(row))
    return {code: names.pop() for code, names in found.items() if len(names) == 1}


def _is_table(value: object) -> bool:
    return isinstance(value, tuple) and any(isinstance(item, Block) for item in value)


def _told(block: Block, names: Mapping[str, str]) -> tuple[Line, ...]:
    return _values({name: getattr(block, name) for name in type(block).model_fields}, names)


def _values(values: Mapping[str, object], names: Mapping[str, str]) -> tuple[Line, ...]:
    lines = [_value(name, value, names) for name, value in values.items() if value not in (None, ())]
    left_open = [words(name) for name, value in values.items() if value in (None, ())]
    return (*lines, *([Line("Not stated", _SEPARATOR.join(left_open))] if left_open else []))


def _value(name: str, value: object, names: Mapping[str, str]) -> Line:
    title = words(name).capitalize()
    if isinstance(value, tuple) and _is_table(value):
        return Line(title, lines=_rows(value, names))
    return Line(title, _named(readable(name, value), names))


def _rows(rows: tuple[object, ...], names: Mapping[str, str]) -> tuple[Line, ...]:
    return tuple(_row(row, names) for row in rows if isinstance(row, Block))


def _row(row: Block, names: Mapping[str, str]) -> Line:
    said = {name: getattr(row, name) for name in _said_by(row)}
    title = _SEPARATOR.join(_stated(row, names)) if getattr(row, "code", None) is None else name_of(row)
    title = (title or _ALL_OTHER).capitalize()
    if len(said) > _SHORT or any(_is_table(value) for value in said.values()):
        return Line(title, lines=tuple(_value(name, value, names) for name, value in said.items()))
    parts = [f"{words(name)} {_named(readable(name, value), names)}" for name, value in said.items()]
    return Line(title, _SEPARATOR.join(parts))


def _named(value: object, names: Mapping[str, str]) -> str:
    if isinstance(value, tuple):
        return _SEPARATOR.join(_named(item, names) for item in value)
    return names.get(str(value), shown(value)) if isinstance(value, str) else shown(value)


def name_of(row: Block) -> str:
    """What people call the row: its name, or what it is for."""
    code = getattr(row, "code", None)
    if code is not None:
        return str(getattr(row, "name", None) or getattr(row, "label", None) or code)
    return _SEPARATOR.join(_stated(row, {})) or _ALL_OTHER


def _stated(row: Block, names: Mapping[str, str]) -> list[str]:
    """The conditions a row states."""
    return [
        f"{words(name)} {_named(value, names)}"
        for name in _CONDITIONS.get(type(row).__name__, ())
        if (value := getattr(row, name)) not in (None, ())
    ]


def contents(row: Block) -> str:
    """What a new row says, without what names it and without what is left to the default."""
    said = [f"{words(name)} {shown(readable(name, getattr(row, name)))}" for name in _said_by(row)]
    return _SEPARATOR.join(said) or "nothing more"


def _said_by(row: Block) -> list[str]:
    """The keys of a row that neither name it nor are left to the default."""
    naming = {"code", "name", "label", *_CONDITIONS.get(type(row).__name__, ())}
    fields = type(row).model_fields
    return [name for name in fields if name not in naming and getattr(row, name) != fields[name].default]


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
