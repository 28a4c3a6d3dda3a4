"""Rating: a case's work, facts, hours left and tariff to its lines.

One function serves coverage and price, the meter, previews, bills and what-if. Work is cut where its band, cover,
custody, Day 1, warranty or a grant's days change; each slice gets its row of the tariff and what it is (billed, free,
...); then ``pricing`` turns slices into lines. Invariants: the order of entries does not matter; touching pieces of
one entry count as one; no line is negative; the payer's rate never exceeds the one accepted, nor the sum the one
authorized.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence

from portal.errors import RuleBroken
from portal.rating.charges import charges_for
from portal.rating.facts import CaseFacts, GrantState, RateKey, WorkInterval
from portal.rating.grants import in_order_of_use
from portal.rating.lines import CHARGED, INCLUDED, Basis, RatedCase, Slice
from portal.rating.pricing import price
from portal.rating.situations import EPOCH, SECOND, Setting, circumstance_of, setting_of, situation_of, stamp
from portal.rating.tariff import Row, Tariff
from portal.rating.treatment import treatment

# start, end, entry, mode, task class, authorized, side, role, skill, visit
Work = tuple[int, int, int, str, str, bool, str, str, str, int, str]


def rate(facts: CaseFacts, work: Iterable[WorkInterval], grants: Sequence[GrantState], tariff: Tariff) -> RatedCase:
    """What the work costs, whom, and why.

    *Shape*: lines in order of work; no work gives no line. *Raises*: RuleBroken for work that ends before it starts,
    entries that overlap themselves, or work the policy names no price for.
    """
    slices = _slices(facts, _pieces(work), grants, tariff)
    ordered = in_order_of_use(grants) if grants else ()
    limits = tuple(sorted(facts.nte_minor.items())) if facts.nte_minor else ()
    charges = charges_for(facts, slices, tariff) if tariff.fees or facts.parts else ()
    most_hours = tuple((stamp(limit.from_at), limit.seconds) for limit in facts.hours_limit) if ordered else ()
    return price(Basis(tariff.currency, tariff.zone, slices, ordered, limits, charges, most_hours))


def _pieces(work: Iterable[WorkInterval]) -> list[Work]:
    """The work in order of its start, touching pieces of one entry joined."""
    pieces: list[Work] = []
    for item in work:
        start, end = (item.started_at - EPOCH) // SECOND, (item.ended_at - EPOCH) // SECOND
        if end < start:
            raise RuleBroken("Work cannot end before it starts.")
        if end > start:
            about = (item.mode, item.task_class, item.authorized, item.side, item.role, item.skill, item.visit)
            pieces.append((start, end, item.entry_id, *about, item.zone))
    if len(pieces) > 1:
        if len({piece[2] for piece in pieces}) < len(pieces):
            pieces = _joined(pieces)
        pieces.sort(key=_by_start)
    return pieces


def _by_start(piece: Work) -> tuple[int, int]:
    return piece[0], piece[2]


def _joined(pieces: list[Work]) -> list[Work]:
    pieces.sort(key=lambda piece: (piece[2], piece[0]))
    joined = [pieces[0]]
    for piece in pieces[1:]:
        last = joined[-1]
        if last[2] == piece[2] and piece[0] < last[1]:
            raise RuleBroken("Two pieces of one time entry overlap.")
        if last[1] == piece[0] and last[2:] == piece[2:]:
            joined[-1] = (last[0], piece[1], *last[2:])
        else:
            joined.append(piece)
    return joined


def _slices(
    facts: CaseFacts, pieces: Sequence[Work], grants: Sequence[GrantState], tariff: Tariff
) -> tuple[Slice, ...]:
    borders = _borders(facts, grants)
    settings: dict[int, Setting] = {}
    slices: list[Slice] = []
    for piece in pieces:
        start, end = piece[0], piece[1]
        while start < end:
            index = bisect_right(borders, start) if borders else 0
            upto = min(end, borders[index]) if index < len(borders) else end
            setting = settings.get(index)
            if setting is None:
                setting = settings[index] = setting_of(facts, start)
            _cut(facts, piece, (start, upto), setting, tariff, into=slices)
            start = upto
    return tuple(_at_accepted_rates(slices, facts) if facts.accepted_rates else slices)


def _borders(facts: CaseFacts, grants: Sequence[GrantState]) -> list[int]:
    """The instants at which what holds for the case, or the hours it may draw, can change."""
    instants = [
        *(cover.from_at for cover in facts.cover[1:]),
        *(custody.from_at for custody in facts.custody),
        *facts.cycles,
        facts.day_one_at,
        facts.warranty_from,
        facts.warranty_until,
        *(instant for grant in grants for instant in (grant.starts_at, grant.expires_at)),
    ]
    return sorted({stamp(instant) for instant in instants if instant is not None})


def _cut(
    facts: CaseFacts, piece: Work, span: tuple[int, int], setting: Setting, tariff: Tariff, *, into: list[Slice]
) -> None:
    """Append the slices of a piece of work between two case borders, cut at bands and cover."""
    _, _, entry_id, mode, task_class, authorized, side, role, skill, visit, zone = piece
    situation = situation_of(facts, setting, task_class, authorized=authorized)
    kind, bill, plan, priced_as = treatment(tariff, situation)
    cover = tariff.covers.get(plan)
    in_scope = cover is None or (priced_as in cover.task_classes and mode in cover.modes)
    at_any_time = cover is None or facts.severity in cover.always_severities
    unlimited = cover is not None and cover.unlimited and kind in CHARGED
    about = circumstance_of(facts, tariff, role, skill) if tariff.told_apart else None
    for start, end, band, in_calendar, day in tariff.timetable(plan, zone).pieces(*span):
        row = tariff.row(plan, mode, priced_as, band, about)
        covered = in_scope and (in_calendar or at_any_time)
        now = INCLUDED if unlimited and covered else kind
        into.append(
            Slice(start, end, entry_id, now, bill, row, covered, setting.custody, side, day, visit, setting.cycle)
        )


def within_accepted(row: Row, facts: CaseFacts) -> Row:
    """The row at the hourly price the payer accepted, where that is lower than the tariff's.

    What was accepted is the price of ordinary work; prices of a role or skill were shown beside it, as the policy's.
    """
    if row.extras is not None and (row.extras.role or row.extras.skill):
        return row
    accepted = facts.accepted_rates.get(RateKey(row.mode, row.task_class, row.band))
    if accepted is None or accepted.numerator * row.rate_den >= row.rate_num * accepted.denominator:
        return row
    return row._replace(rate_num=accepted.numerator, rate_den=accepted.denominator)


def _at_accepted_rates(slices: Sequence[Slice], facts: CaseFacts) -> list[Slice]:
    """The slices at accepted prices, equal rows made one object: lines are told apart by it."""
    shared: dict[Row, Row] = {}
    capped = ((piece, within_accepted(piece.row, facts)) for piece in slices)
    return [piece._replace(row=shared.setdefault(row, row)) for piece, row in capped]
