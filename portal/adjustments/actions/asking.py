"""What people do about adjustments: ask for one, decide on somebody else's, agree to a fall of one's own share.

Invariants: who asked never decides; a second person is asked above the asker's limit, and the integrator wherever its
share would fall by a gift of the manufacturer or is named; money follows by job.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from portal.access import Actor, Role, Side, may_administer, may_handle_finance
from portal.adjustments import queries
from portal.adjustments.actions.checking import (
    LONGEST_EXPLANATION,
    LONGEST_REASON,
    LONGEST_REFERENCE,
    NO,
    YES,
    About,
    Wanted,
    about_of,
    check,
    check_answer,
    check_free,
    receipt_of,
)
from portal.adjustments.ahead import paid_for
from portal.adjustments.dividing import LineLoss, Taking, divide, settlement_terms, source_of
from portal.adjustments.lines import agreement_behind
from portal.adjustments.models import Adjustment, AdjustmentConsent, AdjustmentDecision, AdjustmentLimit
from portal.adjustments.rules.asking import (
    INTEGRATOR,
    KINDS,
    MANUFACTURER,
    limit_minor,
    may_ask,
    needs_consent,
    needs_second_person,
)
from portal.adjustments.rules.sharing import by_party
from portal.adjustments.taxed import charged_lines
from portal.billing.models import InvoiceItem, PlanSale
from portal.billing.packs.models import PackSale
from portal.contracts.agreement import Settlement
from portal.errors import Conflict, Invalid, NotAllowed, NotFound
from portal.jobs import enqueue
from portal.payments.cash import OUT_OF_BAND
from portal.payments.models import CashReceipt
from portal.rows import insert_once

__all__ = [
    "LONGEST_EXPLANATION",
    "LONGEST_REASON",
    "LONGEST_REFERENCE",
    "NO",
    "YES",
    "Preview",
    "Wanted",
    "answer",
    "ask",
    "decide",
    "kinds_for",
    "may_consent",
    "may_decide",
    "preview",
    "set_limit",
]


@dataclass(frozen=True)
class Preview:
    """What would happen: who loses what, whose yes is needed, and whether a second person is."""

    about: About
    bearer_id: int | None
    losses: tuple[LineLoss, ...]
    by_party: dict[int | None, int]
    consent_of: int | None
    needs_second: bool
    receipt: CashReceipt | None
    payout_order: str


def preview(session: Session, actor: Actor, invoice_id: int | None, wanted: Wanted, *, now: datetime) -> Preview:
    """What asking for it would come to; nothing is stored. Without an invoice it is about a payment ahead.

    *Raises*: NotAllowed, NotFound, Invalid at the field, RuleBroken during a chargeback.
    """
    about = about_of(session, actor, invoice_id, wanted)
    receipt = receipt_of(session, about, wanted)
    check(session, about, receipt, wanted)
    integrators = _integrators(session, about, receipt, wanted.invoice_item_id)
    bearer_id = _bearer_id(about, wanted, integrators)
    taking = Taking(
        manufacturer_id=about.manufacturer_id,
        invoice_id=about.invoice_id,
        invoice_item_id=wanted.invoice_item_id,
        amount_minor=wanted.amount_minor,
        bearer_id=bearer_id,
        paid_at=receipt.received_at if receipt else None,
        receipt_id=wanted.receipt_id,
        goes_beyond=bool(wanted.beyond.strip()),
    )
    losses = divide(session, taking, now=now)
    lost = by_party([part for loss in losses for part in loss.lost])
    losing = [party for party, minor in lost.items() if party is not None and minor > 0]
    asked = needs_consent(wanted.kind, wanted.bearer, losing, integrators)
    if len(asked) > 1:
        raise Invalid("Several integrators would have to agree.", {"line": "Choose one line of the invoice."})
    limit = limit_minor(queries.limits(session, actor.organisation_id, about.currency), wanted.kind, actor.roles)
    outside = receipt is not None and receipt.source == OUT_OF_BAND
    return Preview(
        about,
        bearer_id,
        losses,
        lost,
        next(iter(asked), None),
        needs_second_person(wanted.amount_minor, limit, is_outside_stripe=outside),
        receipt,
        _refund_order(session, losses[0]),
    )


def ask(session: Session, actor: Actor, invoice_id: int | None, wanted: Wanted, *, now: datetime) -> Adjustment:
    """Ask for an adjustment, once by the same form; it is carried out at once where nobody else has to agree.

    *Raises*: NotAllowed, NotFound, Invalid at the field, RuleBroken during a chargeback.
    """
    key = f"cash:{invoice_id}" if invoice_id is not None else f"payment:{wanted.receipt_id}"
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": key})
    if (known := _asked_before(session, actor, wanted)) is not None:
        return known
    shown = preview(session, actor, invoice_id, wanted, now=now)
    adjustment = keep_adjustment(session, actor, shown, wanted, now=now)
    if shown.consent_of is not None or shown.needs_second:
        enqueue(session, "notify_adjustment_asked", adjustment_id=adjustment.id)
    else:
        enqueue(session, "advance_adjustment", adjustment_id=adjustment.id)
    return adjustment


def _asked_before(session: Session, actor: Actor, wanted: Wanted) -> Adjustment | None:
    if wanted.form_key is None:
        return None
    own = (Adjustment.manufacturer_id == actor.organisation_id, Adjustment.asked_by == actor.person_id)
    return session.scalars(select(Adjustment).where(Adjustment.form_key == wanted.form_key, *own)).one_or_none()


def keep_adjustment(
    session: Session,
    actor: Actor,
    shown: Preview,
    wanted: Wanted,
    *,
    now: datetime,
    outside_change_id: int | None = None,
) -> Adjustment:
    """Keep what was shown as asked for; whoever keeps it has it go on."""
    about = shown.about
    adjustment = Adjustment(
        manufacturer_id=about.manufacturer_id,
        payer_id=about.payer_id,
        invoice_id=about.invoice_id,
        invoice_item_id=wanted.invoice_item_id,
        receipt_id=wanted.receipt_id,
        kind=wanted.kind,
        bearer=wanted.bearer,
        bearer_id=shown.bearer_id,
        consent_of=shown.consent_of,
        payout_order=shown.payout_order,
        needs_second=shown.needs_second,
        currency=about.currency,
        amount_minor=wanted.amount_minor,
        reason=wanted.reason.strip(),
        beyond=wanted.beyond.strip(),
        reference=wanted.reference.strip(),
        outside_change_id=outside_change_id,
        form_key=wanted.form_key,
        asked_by=actor.person_id,
        asked_at=now,
    )
    session.add(adjustment)
    session.flush()
    return adjustment


def decide(
    session: Session, actor: Actor, adjustment_id: int, *, outcome: str, explanation: str, now: datetime
) -> AdjustmentDecision:
    """Somebody else of the manufacturer's finance says yes or no.

    *Raises*: NotAllowed, also for the person who asked; NotFound; Invalid; Conflict when it is decided already.
    """
    adjustment = queries.adjustment_seen(session, actor, adjustment_id)
    queries.check_finance(actor)
    if adjustment.manufacturer_id != actor.organisation_id:
        raise NotFound
    if adjustment.asked_by == actor.person_id:
        raise NotAllowed("An adjustment is decided by somebody other than the person who asked for it.")
    if not adjustment.needs_second:
        raise Conflict("Nobody has to decide on this: the person who asked may do so alone.")
    check_answer(outcome, explanation)
    if outcome == YES and adjustment.receipt_id is not None:
        check_free(session, adjustment.receipt_id)
    said = AdjustmentDecision(
        adjustment_id=adjustment.id,
        manufacturer_id=adjustment.manufacturer_id,
        asked_by=adjustment.asked_by,
        outcome=outcome,
        explanation=explanation.strip(),
        decided_by=actor.person_id,
        decided_at=now,
    )
    return _keep_answer(session, said, "This is decided already.")


def answer(
    session: Session, actor: Actor, adjustment_id: int, *, outcome: str, explanation: str, now: datetime
) -> AdjustmentConsent:
    """The integrator whose share would fall says yes or no.

    *Raises*: NotAllowed, NotFound, Invalid, Conflict when it is answered already.
    """
    adjustment = queries.adjustment_seen(session, actor, adjustment_id)
    if adjustment.consent_of != actor.organisation_id or not may_consent(actor):
        raise NotAllowed("This is answered by the finance or service manager of the integrator whose share falls.")
    check_answer(outcome, explanation)
    said = AdjustmentConsent(
        adjustment_id=adjustment.id,
        manufacturer_id=adjustment.manufacturer_id,
        party_id=actor.organisation_id,
        outcome=outcome,
        explanation=explanation.strip(),
        answered_by=actor.person_id,
        answered_at=now,
    )
    return _keep_answer(session, said, "This is answered already.")


Answer = TypeVar("Answer", AdjustmentDecision, AdjustmentConsent)


def _keep_answer(session: Session, said: Answer, known: str) -> Answer:
    """Keep somebody's yes or no, once, and go on. *Raises*: Conflict when there is one already."""
    made = insert_once(session, said, unique=["adjustment_id"])
    if made is None:
        raise Conflict(known)
    enqueue(session, "advance_adjustment", adjustment_id=made.adjustment_id)
    return made


def may_consent(actor: Actor) -> bool:
    """An integrator's share is its finance's or service manager's to give up."""
    return actor.side is Side.INTEGRATOR and actor.has(Role.FINANCE, Role.SERVICE_MANAGER)


def set_limit(
    session: Session, actor: Actor, *, role: str, currency: str, amount_minor: int, now: datetime
) -> AdjustmentLimit:
    """Up to how much one person of a role may adjust alone, from now on. *Raises*: NotAllowed, Invalid."""
    if actor.side is not Side.MANUFACTURER or not may_administer(actor):
        raise NotAllowed("Limits are set by the manufacturer's administrator.")
    if role not in (Role.FINANCE, Role.SUPPORT_LEAD):
        raise Invalid("Choose a role.", {"role": "Finance or support lead."})
    if amount_minor < 0:
        raise Invalid("The limit is zero or more.", {"amount": "Zero means that every adjustment takes two people."})
    made = AdjustmentLimit(
        manufacturer_id=actor.organisation_id,
        role=role,
        currency=currency,
        amount_minor=amount_minor,
        set_by=actor.person_id,
        set_at=now,
    )
    session.add(made)
    session.flush()
    return made


def _integrators(
    session: Session, about: About, receipt: CashReceipt | None, invoice_item_id: int | None
) -> Collection[int]:
    """The integrators of what is adjusted, the manufacturer in their place left out."""
    found: set[int] = set()
    if about.invoice is not None:
        for line in charged_lines(session, about.invoice.id):
            if invoice_item_id is None or line.item.id == invoice_item_id:
                found.add(source_of(session, line.item).integrator_id)
    elif receipt is not None:
        found = {sale.integrator_id for sale in paid_for(session, receipt).sales}
    return found - {about.manufacturer_id}


def _refund_order(session: Session, loss: LineLoss) -> str:
    """Whether shares are taken back before the payer gets its money; what is usual where nothing was signed."""
    if loss.of.invoice_item_id is not None:
        return settlement_terms(session, session.get_one(InvoiceItem, loss.of.invoice_item_id)).refund_order
    sale: PackSale | PlanSale | None = None
    if loss.of.pack_sale_id is not None:
        sale = session.get_one(PackSale, loss.of.pack_sale_id)
    elif loss.of.plan_sale_id is not None:
        sale = session.get_one(PlanSale, loss.of.plan_sale_id)
    agreement = agreement_behind(session, sale) if sale is not None else None
    return (agreement.settlement if agreement is not None else Settlement()).refund_order


def _bearer_id(about: About, wanted: Wanted, integrators: Collection[int]) -> int | None:
    if wanted.bearer == MANUFACTURER:
        return about.manufacturer_id
    if wanted.bearer != INTEGRATOR:
        return None
    if len(integrators) != 1:
        raise Invalid("There is no one integrator to bear it.", {"bearer": "Choose one line, or another bearer."})
    return next(iter(integrators))


def may_decide(actor: Actor, adjustment: Adjustment) -> bool:
    """Whether the actor is the second person that an adjustment takes."""
    return (
        actor.side is Side.MANUFACTURER
        and may_handle_finance(actor)
        and actor.organisation_id == adjustment.manufacturer_id
        and actor.person_id != adjustment.asked_by
        and adjustment.needs_second
    )


def kinds_for(actor: Actor) -> list[str]:
    """The kinds that the actor may ask for."""
    return [kind for kind in KINDS if may_ask(kind, actor.roles)] if actor.side is Side.MANUFACTURER else []
