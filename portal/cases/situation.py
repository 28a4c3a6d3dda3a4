"""A stored case as the transition rules see it."""

from __future__ import annotations

from datetime import datetime

from portal.cases import rules
from portal.cases.models import SupportCase
from portal.contracts.blocks import Company


def side_of(case: SupportCase, organisation_id: int) -> Company:
    """Which of the two companies an organisation is on a case."""
    return Company.MANUFACTURER if organisation_id == case.manufacturer_id else Company.INTEGRATOR


def has_integrator(case: SupportCase) -> bool:
    """Whether a second company works on the case."""
    return case.integrator_id != case.manufacturer_id


def other(company: Company) -> Company:
    """The company on the other side."""
    return Company.INTEGRATOR if company is Company.MANUFACTURER else Company.MANUFACTURER


def situation_of(
    case: SupportCase,
    *,
    question_by_id: int | None,
    resolution_by_id: int | None,
    answered: bool,
    now: datetime,
) -> rules.Situation:
    """What the rules need to know of a case: its header, who asked, who resolved last and whether that is answered."""
    offer = None
    if case.offered_to_id is not None:
        to = side_of(case, case.offered_to_id)
        offer = rules.Offer(by=other(to), to=to)
    return rules.Situation(
        state=rules.State(case.state),
        holder=Company(case.holder_side),
        offer=offer,
        question_by=None if question_by_id is None else side_of(case, question_by_id),
        resolution_by=None if resolution_by_id is None else side_of(case, resolution_by_id),
        answered=answered,
        within_reopen_window=case.reopen_until is not None and now < case.reopen_until,
        has_integrator=has_integrator(case),
    )
