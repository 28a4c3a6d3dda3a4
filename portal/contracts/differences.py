"""What changes from one version of a document to the next, in sentences.

Rows of a table are the same row when their code, or else their conditions, are the same; only then are their values
compared. Order matters in tables read by first match, so a changed order is said.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import TypeVar

from portal.contracts.agreement import Agreement
from portal.contracts.blocks import Block
from portal.contracts.policy import Policy

_CONDITIONS: dict[str, tuple[str, ...]] = {
    "RateRow": ("modes", "bands", "task_classes", "product_lines", "plans"),
    "ShareRow": ("revenues",),
    "Tranche": ("to", "party"),
    "Minimum": ("level", "modes"),
    "Warranty": ("product_lines",),
    "BillTo": ("task_classes", "plans", "causes", "before_day1", "in_warranty", "certified"),
    "Target": ("clock", "severities", "certified"),
    "ResolutionRow": ("causes", "last_actions"),
    "Intake": ("product_lines",),
}
_SEPARATOR = ", "
Document = TypeVar("Document", Policy, Agreement)


@dataclass(frozen=True)
class Difference:
    """One change: where it is, and what a person reads."""

    place: str
    sentence: str


def differences(before: Document, after: Document) -> tuple[Difference, ...]:
    """Every change from ``before`` to ``after``, in the order of the document; empty when they are equal."""
    return tuple(_of_blocks(before, after, ""))


def _of_blocks(before: Block, after: Block, place: str) -> Iterator[Difference]:
    for name in type(before).model_fields:
        here = f"{place}, {_words(name)}" if place else _words(name).capitalize()
        yield from _of_values(_readable(name, getattr(before, name)), _readable(name, getattr(after, name)), here)


def _of_values(before: object, after: object, place: str) -> Iterator[Difference]:
    if before == after:
        return
    if isinstance(before, Block) and isinstance(after, Block):
        yield from _of_blocks(before, after, place)
    elif _is_table(before) or _is_table(after):
        yield from _of_tables(_rows(before), _rows(after), place)
    else:
        yield Difference(place, f"{place}: was {_shown(before)}, is now {_shown(after)}.")


def _is_table(value: object) -> bool:
    return isinstance(value, tuple) and any(isinstance(item, Block) for item in value)


@dataclass(frozen=True)
class _Row:
    name: str
    block: Block


def _rows(value: object) -> dict[str, _Row]:
    """The rows by what tells them apart; equal conditions are told apart by their order."""
    rows: dict[str, _Row] = {}
    for block in value if isinstance(value, tuple) else ():
        name = _name_of(block)
        key = str(getattr(block, "code", name))
        while key in rows:
            key += "+"
        rows[key] = _Row(name, block)
    return rows


def _of_tables(before: dict[str, _Row], after: dict[str, _Row], place: str) -> Iterator[Difference]:
    for key, row in before.items():
        if key not in after:
            yield Difference(place, f"{place}: {row.name} is gone.")
        else:
            yield from _of_values(row.block, after[key].block, f"{place}, {after[key].name}")
    for key, row in after.items():
        if key not in before:
            yield Difference(place, f"{place}: {row.name} is new ({_contents(row.block)}).")
    if [key for key in before if key in after] != [key for key in after if key in before]:
        yield Difference(place, f"{place}: the order is now {'; '.join(row.name for row in after.values())}.")


def _name_of(row: Block) -> str:
    """What people call the row: its name, or what it is for."""
    code = getattr(row, "code", None)
    if code is not None:
        return str(getattr(row, "name", None) or getattr(row, "label", None) or code)
    stated = [
        f"{_words(name)} {_shown(value)}"
        for name in _CONDITIONS[type(row).__name__]
        if (value := getattr(row, name)) not in (None, ())
    ]
    return _SEPARATOR.join(stated) or "all other"


def _contents(row: Block) -> str:
    """What a new row says, without what names it and without what is left to the default."""
    named = {"code", "name", "label", *_CONDITIONS.get(type(row).__name__, ())}
    fields = type(row).model_fields
    said = [
        f"{_words(name)} {_shown(_readable(name, getattr(row, name)))}"
        for name in fields
        if name not in named and getattr(row, name) != fields[name].default
    ]
    return _SEPARATOR.join(said) or "nothing more"


def _words(name: str) -> str:
    return "part" if name == "bp" else name.removesuffix("_bp").replace("_", " ")


def _readable(name: str, value: object) -> object:
    """Basis points as people read them."""
    if isinstance(value, int) and (name == "bp" or name.endswith("_bp")):
        return f"{value // 100}.{value % 100:02} %"
    return value


def _shown(value: object) -> str:
    if value is None or value == ():
        return "not stated"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return _SEPARATOR.join(_shown(item) for item in value)
    if isinstance(value, Block):
        return f"{_name_of(value)} ({_contents(value)})"
    if isinstance(value, date):
        return value.isoformat()
    return _words(value) if isinstance(value, StrEnum) else str(value)
