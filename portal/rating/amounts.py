"""Seconds to money and back, and what of a case costs: what every way of pricing shares."""

from __future__ import annotations

from portal.rating.counting import Part
from portal.rating.lines import CHARGED, IN_FEE, INCIDENT, INCLUDED, PAID_KINDS, Slice
from portal.rating.tariff import Row

HOUR_SECONDS = 3_600
# Time that something else has paid for already.
PAID_OTHERWISE = frozenset({IN_FEE, INCIDENT})


def amount(rate_num: int, rate_den: int, seconds: int) -> int:
    """Seconds at a rate per hour in whole minor units, a half upwards."""
    unit = rate_den * HOUR_SECONDS
    return (2 * rate_num * seconds + unit) // (2 * unit)


def seconds_for(row: Row, money: int) -> int:
    """The most seconds whose amount does not exceed ``money``."""
    unit = row.rate_den * HOUR_SECONDS
    return -(-(2 * money + 1) * unit // (2 * row.rate_num)) - 1


def costs(part: Part) -> bool:
    """Whether the time costs money; added time costs when its slice does."""
    return part.kind in PAID_KINDS and part.slice.kind in PAID_KINDS and part.slice.row.rate_num > 0


def split(part: Part, seconds: int) -> tuple[Part, Part | None]:
    """The first ``seconds`` of a part and the rest, cut at the instant they are used up."""
    if seconds >= part.seconds:
        return part, None
    middle = min(part.start + seconds, part.end)
    return part._replace(end=middle, seconds=seconds), part._replace(start=middle, seconds=part.seconds - seconds)


def line_kind(piece: Slice) -> str:
    """Work that has no price is included; time added to free work is free for the same reason."""
    return INCLUDED if piece.kind in CHARGED and not piece.row.rate_num else piece.kind
