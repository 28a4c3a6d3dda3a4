"""What work is on the bill, and on whose: free or not, paid by whom, under which prices.

The first that applies decides: a cause that is always free; warranty; a bill-to row that makes the manufacturer pay,
which means free; no authorization; else it is billed. A free cause that the integrator bears puts the work on its
bill. Where the integrator pays, intercompany prices hold; where there is none, the manufacturer stands in for it, so
nothing is billed to a company that does not exist. Before Day 1 all work is commissioning support.
"""

from __future__ import annotations

from portal.rating import lines
from portal.rating.facts import COMMISSIONING, HOW_TO, INTEGRATOR, MANUFACTURER
from portal.rating.tariff import Tariff
from portal.rating.terms import INTERCOMPANY, Bill, Situation, Treatment

_BOUGHT_BY_INTEGRATOR = {HOW_TO: lines.HOW_TO, COMMISSIONING: lines.COMMISSIONING}


def treatment(tariff: Tariff, situation: Situation) -> Treatment:
    """The treatment of work in a situation, from the tariff's memory where it was met before."""
    known = tariff.treatments.get(situation)
    if known is None:
        known = tariff.treatments[situation] = _decide(tariff, situation)
    return known


def _decide(tariff: Tariff, situation: Situation) -> Treatment:
    if situation.before_day1:
        situation = situation._replace(task_class=COMMISSIONING)
    bill = tariff.bill_to(situation)
    if _free_for_customer(tariff, situation) == INTEGRATOR:
        bill = bill._replace(payer=INTEGRATOR, collector="operator")
    if bill.payer == INTEGRATOR and not situation.has_integrator:
        bill = bill._replace(payer=MANUFACTURER)
    plan = INTERCOMPANY if bill.payer == INTEGRATOR else situation.plan
    return Treatment(_kind(tariff, situation, bill), bill, plan, situation.task_class)


def _kind(tariff: Tariff, situation: Situation, bill: Bill) -> str:
    if _free_for_customer(tariff, situation) == MANUFACTURER:
        return lines.FREE_CAUSE
    if situation.in_warranty and _free_under_warranty(tariff, situation):
        return lines.WARRANTY
    if bill.payer == MANUFACTURER:
        return lines.WARRANTY if situation.in_warranty else lines.FREE
    if not situation.authorized:
        return lines.UNAUTHORIZED
    if bill.payer == INTEGRATOR:
        return _BOUGHT_BY_INTEGRATOR.get(situation.task_class, lines.BILLED)
    return lines.BILLED


def _free_for_customer(tariff: Tariff, situation: Situation) -> str | None:
    """Who bears a cause that is always free; None for a cause that is not, or not known yet."""
    return None if situation.cause is None else tariff.favours.causes.get(situation.cause)


def _free_under_warranty(tariff: Tariff, situation: Situation) -> bool:
    favours = tariff.favours
    return situation.task_class in favours.warranty_task_classes or situation.cause in favours.warranty_causes
