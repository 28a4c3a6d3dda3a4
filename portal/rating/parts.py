"""Parts fitted on a case as charges of their own: on whose bill each stands, and whether it costs.

The policy's table of parts decides who bears one; where it says nothing, whoever recorded it did, and what makes work
free (a cause, warranty, who pays) makes the part free. An integrator that pays net prices is charged no part: what it
owes for one is between the companies.
"""

from __future__ import annotations

from collections.abc import Iterable

from portal.contracts.blocks import Company
from portal.contracts.parts import PartBearer
from portal.rating.facts import CUSTOMER, CaseFacts, FittedPart
from portal.rating.lines import BILLED, FREE, MATERIAL, UNAUTHORIZED, Charge, Line, Slice
from portal.rating.situations import setting_of, situation_of, stamp
from portal.rating.tariff import Tariff
from portal.rating.terms import INTERCOMPANY, PER_CASE, Extras, PartSituation, Rounding
from portal.rating.treatment import treatment

PART = "part"


def part_charges(facts: CaseFacts, tariff: Tariff) -> list[Charge]:
    """A charge for each part that the customer's bill names, at zero where it pays nothing for it."""
    found = (_charge(facts, tariff, part) for part in facts.parts)
    return [charge for charge in found if charge is not None]


def _charge(facts: CaseFacts, tariff: Tariff, part: FittedPart) -> Charge | None:
    at = stamp(part.fitted_at)
    setting = setting_of(facts, at)
    situation = situation_of(facts, setting, facts.task_class, authorized=part.authorized)
    kind, bill, plan, priced_as = treatment(tariff, situation)
    about = PartSituation(facts.cause, setting.in_warranty, part.disposition)
    bearer = tariff.part_bearer(about) if tariff.part_bearer is not None else None
    if bearer == PartBearer.CUSTOMER:
        kind, bill = (BILLED if part.authorized else UNAUTHORIZED), bill._replace(payer=CUSTOMER)
        plan = setting.plan
    elif plan == INTERCOMPANY or (bearer is None and not part.on_customer):
        return None
    elif bearer == PartBearer.COMPANIES:
        kind = FREE
    piece = next(tariff.timetable(plan).pieces(at, at + 1))
    row = tariff.row(plan, "on_site", priced_as, piece.band)
    row = row._replace(
        rate_num=0, rate_den=1, list_num=0, list_den=1, rounding=Rounding(), minimums=(), extras=Extras(part.label)
    )
    place = Slice(at, at, 0, kind, bill, row, False, setting.custody, part.supplier, piece.day, 0, setting.cycle)
    return Charge(PART, PER_CASE, place, part.minor, supplier=part.supplier)


def supplied_minor(lines: Iterable[Line]) -> tuple[tuple[Company, int], ...]:
    """What the lines' parts cost, by whose they were; what a later cut takes back counts against it, never below 0."""
    minor = dict.fromkeys(Company, 0)
    for line in lines:
        if line.kind == MATERIAL:
            minor[Company(line.key.supplier)] += line.amount_minor
    return tuple((company, max(found, 0)) for company, found in minor.items())
