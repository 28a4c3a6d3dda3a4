"""What changes from one version of a document to the next, in sentences.

Rows of a table are the same row when their code, or else their conditions, are the same; only then are their values
compared. Order matters in tables read by first match, so a changed order is said.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

from portal.contracts.agreement import Agreement
from portal.contracts.blocks import Block
from portal.contracts.policy import Policy
from portal.contracts.wording import contents, name_of, readable, shown, words

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
        here = f"{place}, {words(name)}" if place else words(name).capitalize()
        yield from _of_values(readable(name, getattr(before, name)), readable(name, getattr(after, name)), here)


def _of_values(before: object, after: object, place: str) -> Iterator[Difference]:
    if before == after:
        return
    if isinstance(before, Block) and isinstance(after, Block):
        yield from _of_blocks(before, after, place)
    elif _is_table(before) or _is_table(after):
        yield from _of_tables(_rows(before), _rows(after), place)
    else:
        yield Difference(place, f"{place}: was {shown(before)}, is now {shown(after)}.")


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
        name = name_of(block)
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
            yield Difference(place, f"{place}: {row.name} is new ({contents(row.block)}).")
    if [key for key in before if key in after] != [key for key in after if key in before]:
        yield Difference(place, f"{place}: the order is now {'; '.join(row.name for row in after.values())}.")
