"""Which fees a case is charged, when, and on whose bill: the first half of rating, beside cutting the work.

A fee's occasion begins with its first work that the fee fits; a fee for the case looks at the band of its opening.
What is free, under warranty or covered without limit pays no fee: the fee stands on the bill at zero. Net prices, for
an integrator that pays, have no fees.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from portal.contracts.conditions import ORDINARY, WorkKey
from portal.money import round_half_up
from portal.rating.counting import unit
from portal.rating.facts import CaseFacts
from portal.rating.lines import CHARGED, INCLUDED, UNAUTHORIZED, Charge, Slice
from portal.rating.parts import part_charges
from portal.rating.situations import circumstance_of, setting_of, situation_of, stamp
from portal.rating.tariff import Row, Tariff
from portal.rating.terms import INTERCOMPANY, PER_CASE, Extras, FeeTerm, Rounding
from portal.rating.treatment import treatment


def charges_for(facts: CaseFacts, slices: Sequence[Slice], tariff: Tariff) -> tuple[Charge, ...]:
    """The charges of a case, in order of the work that begins them."""
    charged: dict[tuple[str, int], Charge] = {}
    opening = _opening(facts, tariff) if facts.opened_at is not None else None
    rows: dict[tuple[str, Row], Row] = {}
    for fee in tariff.fees:
        begins = [opening] if opening is not None and not slices and fee.per == PER_CASE else slices
        for piece in begins:
            place = (fee.code, unit(piece, fee.per))
            # Work nobody authorized begins an occasion only where no other work of it does.
            known = charged.get(place)
            better = known is None or (known.slice.kind == UNAUTHORIZED and piece.kind != UNAUTHORIZED)
            if better and _is_due(facts, tariff, fee, piece, opening):
                charged[place] = _charge(facts, tariff, fee, piece, rows)
    found = [*charged.values(), *part_charges(facts, tariff)]
    return tuple(sorted(found, key=lambda charge: (charge.slice.start, charge.slice.entry_id, charge.code)))


def _opening(facts: CaseFacts, tariff: Tariff) -> Slice:
    """The moment of opening as a piece of work without length, on the bill that such work would be on."""
    at = stamp(facts.opened_at) if facts.opened_at is not None else 0
    setting = setting_of(facts, at)
    kind, bill, plan, priced_as = treatment(tariff, situation_of(facts, setting, facts.task_class, authorized=True))
    piece = next(tariff.timetable(plan).pieces(at, at + 1))
    row = tariff.row(plan, "remote", priced_as, piece.band, circumstance_of(facts, tariff, "", ""))
    cover = tariff.covers.get(plan)
    if cover is not None and cover.unlimited and kind in CHARGED and priced_as in cover.task_classes:
        kind = INCLUDED if piece.covered or facts.severity in cover.always_severities else kind
    return Slice(at, at, 0, kind, bill, row, False, setting.custody, setting.custody, piece.day, 0, setting.cycle)


def _is_due(facts: CaseFacts, tariff: Tariff, fee: FeeTerm, piece: Slice, opening: Slice | None) -> bool:
    row = piece.row
    if row.plan == INTERCOMPANY:
        return False
    band = opening.row.band if opening is not None and fee.per == PER_CASE else row.band
    about = (circumstance_of(facts, tariff, *_role_and_skill(row)) or ORDINARY)._replace(
        customer_class=facts.customer_class, requested=facts.requested, severity=facts.severity
    )
    if not fee.fits(WorkKey(row.mode, band, row.task_class, plan=row.plan, circumstance=about)):
        return False
    if fee.notice_below_hours is not None and not _asked_late(facts, fee.notice_below_hours, piece):
        return False
    distance = _distance(facts, piece)
    if fee.distance_from is not None and distance < fee.distance_from:
        return False
    return fee.distance_below is None or distance < fee.distance_below


def _asked_late(facts: CaseFacts, hours: int, piece: Slice) -> bool:
    """Whether the case was opened less than so long before the work; one whose opening is not known was not."""
    return facts.opened_at is not None and piece.start - stamp(facts.opened_at) < hours * 3_600


def _role_and_skill(row: Row) -> tuple[str, str]:
    return (row.extras.role, row.extras.skill) if row.extras is not None else ("", "")


def _distance(facts: CaseFacts, piece: Slice) -> Fraction:
    return facts.distances.get(piece.visit, facts.distances.get(0, Fraction(0)))


def _charge(facts: CaseFacts, tariff: Tariff, fee: FeeTerm, piece: Slice, rows: dict[tuple[str, Row], Row]) -> Charge:
    minor = fee.minor
    if fee.per_distance is not None:
        paid = max(_distance(facts, piece) - fee.free_distance, Fraction(0))
        minor = round_half_up(fee.per_distance * paid * fee.trips)
    row = piece.row
    if fee.seconds:
        circumstance = circumstance_of(facts, tariff, *_role_and_skill(row))
        row = tariff.row(row.plan, fee.mode or row.mode, row.task_class, row.band, circumstance)
    else:
        row = row._replace(rate_num=0, rate_den=1, list_num=0, list_den=1)
    named = row._replace(rounding=Rounding(), minimums=(), extras=_named(fee, row.extras))
    named = rows.setdefault((fee.code, named), named)
    return Charge(
        fee.code,
        fee.per,
        piece._replace(end=piece.start, row=named),
        minor,
        fee.seconds,
        fee.labour_part.numerator,
        fee.labour_part.denominator,
        fee.included_seconds,
        fee.included_modes,
        piece.start + fee.included_hours * 3_600 if fee.included_hours is not None else 0,
        fee.by_incident,
        fee.is_labour,
    )


def _named(fee: FeeTerm, extras: Extras | None) -> Extras:
    """The fee's name; of what the price has beside its rate only how fast it uses hours bought."""
    if extras is None:
        return Extras(fee.label)
    return Extras(fee.label, burn_num=extras.burn_num, burn_den=extras.burn_den, most=extras.most)
