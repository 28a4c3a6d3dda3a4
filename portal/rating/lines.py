"""Rated lines, what they consist of, and the difference a later billing cut bills.

Invariants: a line's segments sum to its seconds; a case's amount is the sum of its lines; a difference added to the
earlier lines gives the later ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from typing import NamedTuple

from portal.rating.facts import GrantState
from portal.rating.grants import Draw, Use
from portal.rating.tariff import Row
from portal.rating.terms import Bill

# What a line is about. The first five, fees and parts cost money, the others do not.
BILLED = "billed"
ROUNDING = "rounding"
MINIMUM = "minimum"
HOW_TO = "how_to"
COMMISSIONING = "commissioning"
INCLUDED = "included"
HOURS_BOUGHT = "hours_bought"
FREE = "free"
FREE_CAUSE = "free_cause"
WARRANTY = "warranty"
UNAUTHORIZED = "unauthorized"
FEE = "fee"
MATERIAL = "material"
IN_FEE = "in_fee"
INCIDENT = "incident"
BEYOND_NTE = "beyond_nte"

PAID_KINDS = frozenset({BILLED, ROUNDING, MINIMUM, HOW_TO, COMMISSIONING, FEE, MATERIAL})
# Work that the payer pays unless a grant or a price of zero covers it.
CHARGED = frozenset({BILLED, UNAUTHORIZED})
# Time that the manufacturer gives or has to bear.
BORNE_BY_MANUFACTURER = frozenset({FREE, FREE_CAUSE, WARRANTY, UNAUTHORIZED, BEYOND_NTE})
LINE_KINDS = (
    *sorted(PAID_KINDS),
    INCLUDED,
    HOURS_BOUGHT,
    IN_FEE,
    INCIDENT,
    FREE,
    FREE_CAUSE,
    WARRANTY,
    UNAUTHORIZED,
    BEYOND_NTE,
)


class Slice(NamedTuple):
    """Work between two borders, in seconds since 1970 UTC: of one band, class, bill and custody, covered or not."""

    start: int
    end: int
    entry_id: int
    kind: str
    bill: Bill
    row: Row
    covered: bool
    custody: str
    side: str
    day: int
    visit: int = 0
    cycle: int = 0


class Charge(NamedTuple):
    """A charge beside time, for a unit of the case: a visit, a day, an entry, a cycle, or the case itself.

    ``slice`` has no length and says when, on whose bill and whether it costs; the sum is ``minor``, or ``seconds`` at
    the slice's price, or a part of what the time of the case costs. Of the unit's counted time it pays for
    ``included_seconds`` of some modes that begin before ``included_until`` (0: at any time). One with a ``supplier`` is
    a part that was fitted, and no fee.
    """

    code: str
    per: str
    slice: Slice
    minor: int = 0
    seconds: int = 0
    part_num: int = 0
    part_den: int = 1
    included_seconds: int = 0
    included_modes: tuple[str, ...] = ()
    included_until: int = 0
    by_incident: bool = False
    is_labour: bool = False
    supplier: str = ""


class Segment(NamedTuple):
    """The part of a slice that one line counts; time added by rounding or a minimum stands where the work ended."""

    entry_id: int
    start: int
    end: int
    seconds: int
    custody: str
    side: str

    @property
    def started_at(self) -> datetime:
        """The instant it starts, UTC."""
        return datetime.fromtimestamp(self.start, UTC)

    @property
    def ended_at(self) -> datetime:
        """The instant it ends, UTC."""
        return datetime.fromtimestamp(self.end, UTC)


class LineKey(NamedTuple):
    """What makes two lines the same line in an earlier and a later cut; ``supplier`` is whose part it is about."""

    kind: str
    bill: Bill
    plan: str
    mode: str
    task_class: str
    band: str
    grant_id: int | None
    rate_num: int
    rate_den: int
    list_num: int
    list_den: int
    detail: str = ""
    supplier: str = ""


class Line(NamedTuple):
    """One line of a bill item. Rates are minor units per hour; ``amount_minor`` is what ``payer`` pays."""

    key: LineKey
    seconds: int
    amount_minor: int
    list_amount_minor: int
    segments: tuple[Segment, ...] = ()

    @property
    def kind(self) -> str:
        """What the line is about, one of LINE_KINDS."""
        return self.key.kind

    @property
    def payer(self) -> str:
        """The side on whose bill the line stands, at zero or not."""
        return self.key.bill.payer

    @property
    def bearer(self) -> str:
        """Who bears what the time costs: the payer, also by plan or hours bought; or the manufacturer."""
        return "manufacturer" if self.key.kind in BORNE_BY_MANUFACTURER else "payer"

    @property
    def rate(self) -> Fraction:
        """Minor units per hour."""
        return Fraction(self.key.rate_num, self.key.rate_den)


class Basis(NamedTuple):
    """Everything the second half of rating needs: what an explanation stores and replays."""

    currency: str
    zone: str
    slices: tuple[Slice, ...]
    grants: tuple[GrantState, ...]
    nte_minor: tuple[tuple[str, int], ...]
    charges: tuple[Charge, ...] = ()
    hours_limit: tuple[tuple[int, int], ...] = ()


class Applied(NamedTuple):
    """A limit that changed something: ``limit`` and ``change`` are seconds for time, minor units for money."""

    step: str
    level: str
    payer: str
    limit: int
    change: int


MOST_TIME, MOST_MONEY, LEAST_MONEY = "most_time", "most_money", "least_money"


@dataclass(frozen=True, slots=True)
class RatedCase:
    """The lines of a case in order of work, what each grant gives, and the limits that changed something.

    ``uses`` are the draws piece of work by piece, each grant's in order of work.
    """

    basis: Basis
    lines: tuple[Line, ...]
    draws: tuple[Draw, ...]
    applied: tuple[Applied, ...] = ()
    uses: tuple[Use, ...] = ()

    @property
    def currency(self) -> str:
        """ISO 4217 code."""
        return self.basis.currency

    @property
    def amount_minor(self) -> int:
        """What all payers pay together."""
        return sum(line.amount_minor for line in self.lines)

    @property
    def list_amount_minor(self) -> int:
        """What it would have cost without plan, warranty and other favours."""
        return sum(line.list_amount_minor for line in self.lines)

    @property
    def seconds(self) -> int:
        """All counted seconds."""
        return sum(line.seconds for line in self.lines)

    @property
    def worked_seconds(self) -> int:
        """All seconds worked, before rounding and minimum."""
        return sum(piece.end - piece.start for piece in self.basis.slices)

    def owed_by(self, payer: str) -> int:
        """What one side pays."""
        return sum(line.amount_minor for line in self.lines if line.key.bill.payer == payer)


def difference(current: Sequence[Line], previous: Sequence[Line]) -> tuple[Line, ...]:
    """What a later cut bills: ``current`` less all lines of earlier cuts; what did not change is left out.

    *Shape*: in the order of ``current``, then lines that are no longer there, negative. Amounts are compared rounded
    with rounded, so a fraction of a cent is never billed twice.
    """
    earlier = _merged(previous)
    later = _merged(current)
    if not earlier:
        return tuple(line for line in map(_once, later.values()) if _says_something(line))
    keys = [*later, *(key for key in earlier if key not in later)]
    deltas = (_delta(key, later.get(key), earlier.get(key)) for key in keys)
    return tuple(line for line in deltas if _says_something(line))


def _merged(lines: Iterable[Line]) -> dict[LineKey, Line]:
    merged: dict[LineKey, Line] = {}
    for line in lines:
        known = merged.get(line.key)
        merged[line.key] = line if known is None else _sum(known, line)
    return merged


def _sum(one: Line, other: Line) -> Line:
    return Line(
        one.key,
        one.seconds + other.seconds,
        one.amount_minor + other.amount_minor,
        one.list_amount_minor + other.list_amount_minor,
        one.segments + other.segments,
    )


def _delta(key: LineKey, later: Line | None, earlier: Line | None) -> Line:
    nothing = Line(key, 0, 0, 0)
    later, earlier = later or nothing, earlier or nothing
    return Line(
        key,
        later.seconds - earlier.seconds,
        later.amount_minor - earlier.amount_minor,
        later.list_amount_minor - earlier.list_amount_minor,
        _segment_difference(later.segments, earlier.segments),
    )


def _once(line: Line) -> Line:
    """The line with each stretch of an entry counted once."""
    if len(line.segments) == 1 and line.segments[0].seconds:
        return line
    return line._replace(segments=_segment_difference(line.segments, ()))


def _segment_difference(later: Sequence[Segment], earlier: Sequence[Segment]) -> tuple[Segment, ...]:
    """Seconds per stretch of an entry, so that an earlier cut's negative segments cancel what they took back."""
    seconds: Counter[Segment] = Counter()
    for segment in later:
        seconds[segment._replace(seconds=0)] += segment.seconds
    for segment in earlier:
        seconds[segment._replace(seconds=0)] -= segment.seconds
    return tuple(segment._replace(seconds=left) for segment, left in seconds.items() if left)


def _says_something(line: Line) -> bool:
    return bool(line.seconds or line.amount_minor or line.list_amount_minor or line.segments)
