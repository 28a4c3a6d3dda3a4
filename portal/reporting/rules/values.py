"""What a report is made of: a month, sums with their key, a table whose cells lead to cases, a chart.

A key names what a figure counts, as its parts joined by ``~``; the query that lists the cases behind it takes the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date, datetime, time
from enum import StrEnum
from zoneinfo import ZoneInfo

from portal.money import Money
from portal.zones import FIRST_YEAR, LAST_YEAR

SEPARATOR = "~"
KEY_LIMIT = 200

_MONTH = re.compile(r"\A(\d{4})-(\d{2})\Z")


@dataclass(frozen=True)
class Month:
    """A calendar month in the viewer's zone; ``before`` and ``after`` are the labels beside it."""

    label: str
    first: date
    starts_at: datetime
    ends_at: datetime
    before: str
    after: str


class Kind(StrEnum):
    """What a column holds: words, a number of cases, seconds, an amount, or basis points."""

    TEXT = "text"
    COUNT = "count"
    SECONDS = "seconds"
    MONEY = "money"
    SHARE = "share"


Value = str | int | Money | None


@dataclass(frozen=True)
class Cell:
    """One value; ``key`` leads to the cases that made it."""

    value: Value
    key: str | None = None


@dataclass(frozen=True)
class Column:
    """A column's head and what it holds."""

    label: str
    kind: Kind = Kind.TEXT


@dataclass(frozen=True)
class Series:
    """One colour of a chart: a value per label; ``tone`` is a colour's name of the page."""

    name: str
    tone: str
    values: tuple[int, ...]


@dataclass(frozen=True)
class Chart:
    """Bars over labels, stacked where there are several series; ``kind`` is the unit of the values."""

    title: str
    labels: tuple[str, ...]
    series: tuple[Series, ...]
    kind: Kind
    currency: str = ""


@dataclass(frozen=True)
class Table:
    """A report's rows in order with its chart; no rows: nothing happened in the month."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    chart: Chart | None


@dataclass(frozen=True)
class Group:
    """The sum of one key: ``parts`` are the key's, ``label`` words that were stored with the facts."""

    parts: tuple[str, ...]
    label: str
    cases: int
    seconds: int = 0
    amount_minor: int = 0

    @property
    def key(self) -> str:
        """The key as it stands in an address."""
        return SEPARATOR.join(self.parts)


@dataclass(frozen=True)
class Names:
    """Names by id; what the actor may not know reads as a dash."""

    organisations: dict[int, str] = field(default_factory=dict)
    product_lines: dict[int, str] = field(default_factory=dict)

    def organisation(self, organisation_id: str) -> str:
        """An organisation's name."""
        return self.organisations.get(int(organisation_id), "–")

    def product_line(self, product_line_id: str) -> str:
        """A product line's name."""
        return self.product_lines.get(int(product_line_id), "–")


def month_of(text: str | None, zone: ZoneInfo, now: datetime) -> Month:
    """The month that ``text`` names as ``2026-03``; the present one for anything else."""
    found = _MONTH.match(text or "")
    year, number = (int(found[1]), int(found[2])) if found else (0, 0)
    if not (FIRST_YEAR < year < LAST_YEAR and 1 <= number <= 12):
        local = now.astimezone(zone)
        year, number = local.year, local.month
    first = date(year, number, 1)
    following, preceding = _moved(first, 1), _moved(first, -1)
    return Month(
        f"{first:%Y-%m}", first, _midnight(first, zone), _midnight(following, zone), f"{preceding:%Y-%m}",
        f"{following:%Y-%m}",
    )  # fmt: skip


def _moved(first: date, months: int) -> date:
    index = first.year * 12 + first.month - 1 + months
    return date(index // 12, index % 12 + 1, 1)


def _midnight(on: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(on, time.min, zone)
