"""What the policy wants to be there before anybody works on a case, and what of it is missing now."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from portal.cases.models import SupportCase
from portal.contracts.blocks import Payer
from portal.contracts.entry import Gate
from portal.contracts.models import DocumentVersion
from portal.contracts.policy import Policy
from portal.contracts.queries import WITHOUT_TEXT, policy_of
from portal.contracts.rules import intake_complete, intake_fields
from portal.directory.models import ProductLine
from portal.entitlement.models import Authorization, AuthorizationBalance, GrantDraw, GrantReservation, UsageGrant
from portal.entitlement.models import CoverageDecision as CoverageRow
from portal.entitlement.queries import (
    authorized_amount,
    incidents_promised,
    latest_coverage,
    payer_id,
    released,
    site_cover,
)
from portal.entitlement.rules import (
    CoverageDecision,
    Prepaid,
    Present,
    decision_from_json,
    facts_from_json,
    gate_sentence,
    may_wait_for,
    missing_gates,
)
from portal.entitlement.rules.bought import usable_packs
from portal.entitlement.terms import packs_left


def waits_for(session: Session, case: SupportCase, *, now: datetime, kept: CoverageRow | None = None) -> str:
    """The sentence that says what work on a case waits for and what to do; empty where it may begin.

    ``kept`` is the case's latest coverage decision where it has been read.
    """
    row = kept if kept is not None else latest_coverage(session, case.id)
    if row is None:
        return ""
    decision = decision_from_json(row.decision)
    if decision.entry is None or not decision.entry.requires:
        return ""
    version = session.get_one(DocumentVersion, row.policy_version_id, options=WITHOUT_TEXT)
    policy = policy_of(version)
    gates = may_wait_for(policy, decision, severity=case.severity)
    present = _present(session, case, gates, policy=policy, row=row, decision=decision, now=now)
    return gate_sentence(missing_gates(gates, present), decision.payer)


def paid_ahead(session: Session, case: SupportCase) -> str:
    """The sentence that says which incident bought is promised to the case; empty where none is."""
    held = incidents_promised(session, case.id)
    return f"One case of {(held[0].terms or {})['label']} is promised to this case." if held else ""


def _present(
    session: Session,
    case: SupportCase,
    gates: tuple[Gate, ...],
    *,
    policy: Policy,
    row: CoverageRow,
    decision: CoverageDecision,
    now: datetime,
) -> Present:
    """What is there of what the gates wait for; nothing else is looked up."""
    return Present(
        checklist=Gate.CHECKLIST not in gates or _checklist_is_complete(session, case, policy),
        prepayment=Gate.PREPAYMENT in gates and _is_paid_in_advance(session, case, policy, row, now),
        purchase_order=Gate.PURCHASE_ORDER in gates and _has_order(session, case, decision.payer),
        authorization=Gate.AUTHORIZATION in gates and _has_yes(session, case, decision, policy, now),
    )


def _checklist_is_complete(session: Session, case: SupportCase, policy: Policy) -> bool:
    line = session.get_one(ProductLine, case.product_line_id)
    return intake_complete(intake_fields(policy, line.code), case.intake)


def _is_paid_in_advance(session: Session, case: SupportCase, policy: Policy, row: CoverageRow, now: datetime) -> bool:
    """Bought hours are left at the site for such a case, or hours or an incident are the case's own."""
    cover = site_cover(session, site_id=case.site_id, manufacturer_id=case.manufacturer_id, policy=policy, at=now)
    facts = facts_from_json(row.facts).model_copy(update={"packs": packs_left(session, cover, case.opened_at)})
    bought = UsageGrant.kind == "pack"
    held = exists().where(
        GrantReservation.case_id == case.id, UsageGrant.id == GrantReservation.grant_id, bought, ~released()
    )
    drawn = exists().where(GrantDraw.case_id == case.id, UsageGrant.id == GrantDraw.grant_id, bought)
    holds, has_used = session.execute(select(held, drawn)).one()
    return Prepaid(sum(pack.seconds_left for pack in usable_packs(facts)), holds, has_used).is_there


def _has_order(session: Session, case: SupportCase, payer: Payer) -> bool:
    """A purchase order stands for the case with something left of it."""
    left = exists().where(
        Authorization.case_id == case.id,
        Authorization.payer_id == payer_id(case, payer),
        Authorization.basis == "purchase_order",
        AuthorizationBalance.authorization_id == Authorization.id,
        AuthorizationBalance.left_minor > 0,
    )
    return bool(session.scalar(select(left)))


def _has_yes(session: Session, case: SupportCase, decision: CoverageDecision, policy: Policy, now: datetime) -> bool:
    """The payer has said yes on this case, or in advance with what is still free of the month."""
    if authorized_amount(session, case, decision.payer, policy=policy, now=now):
        return True
    if decision.payer is not Payer.CUSTOMER:
        return False
    return decision.authorized_minor > 0 and not decision.authorization_needed
