"""What people are told of money that goes back: somebody is asked, it has ended, a bank has taken a payment.

Amounts are read on the page, signed in; a letter names the invoice.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from portal.access import Role
from portal.adjustments import queries
from portal.adjustments.models import Adjustment
from portal.adjustments.rules.asking import KINDS
from portal.directory.models import Organisation
from portal.notifications.actions import Recipient, queue_letter
from portal.notifications.letters import Writing, letter
from portal.notifications.recipients import people_with_role
from portal.notifications.rendering import Fact, Letter
from portal.payments.models import Chargeback, OutsideChange

_ENDS = {"done": "is done", "failed": "could not be done", "declined": "was declined"}


def notify_adjustment_asked(session: Session, adjustment_id: int, now: datetime) -> None:
    """Tell those whose yes an adjustment waits for."""
    adjustment = session.get_one(Adjustment, adjustment_id)
    about = ("adjustment", adjustment.id)
    told: list[Recipient] = []
    if adjustment.consent_of is not None:
        told += people_with_role(session, adjustment.consent_of, (Role.FINANCE, Role.SERVICE_MANAGER))
    if adjustment.needs_second:
        told += people_with_role(session, adjustment.manufacturer_id, (Role.FINANCE,))
    for recipient in told:
        if recipient.person_id != adjustment.asked_by:
            queue_letter(
                session, recipient, "adjustment_asked", about=about, now=now, once=f"adjustment:{adjustment.id}"
            )


def notify_adjustment_ended(session: Session, adjustment_id: int, now: datetime) -> None:
    """Tell the payer of what it gets; tell the manufacturer's finance of what could not be done."""
    adjustment = session.get_one(Adjustment, adjustment_id)
    end = queries.end_of(session, adjustment.id)
    if end is None:
        return
    told: Sequence[Recipient] = people_with_role(session, adjustment.manufacturer_id, (Role.FINANCE,))
    if end.outcome == "done":
        told = people_with_role(session, adjustment.payer_id, (Role.FINANCE,)) or people_with_role(
            session, adjustment.payer_id, (Role.BUYER, Role.ADMINISTRATOR)
        )
    for recipient in told:
        once = f"adjustment-end:{end.id}"
        queue_letter(session, recipient, "adjustment_ended", about=("adjustment", adjustment.id), now=now, once=once)


def notify_chargeback(session: Session, chargeback_id: int, now: datetime) -> None:
    """Tell the manufacturer's finance that a payer's bank has taken a payment back, and until when to answer."""
    chargeback = session.get_one(Chargeback, chargeback_id)
    for recipient in people_with_role(session, chargeback.manufacturer_id, (Role.FINANCE,)):
        once = f"chargeback:{chargeback.id}"
        queue_letter(session, recipient, "chargeback_opened", about=("chargeback", chargeback.id), now=now, once=once)


def notify_outside_change(session: Session, change_id: int, now: datetime) -> None:
    """Tell finance that somebody made a refund or credit note at Stripe itself."""
    change = session.get_one(OutsideChange, change_id)
    for recipient in people_with_role(session, change.manufacturer_id, (Role.FINANCE,)):
        once = f"outside-change:{change.id}"
        queue_letter(session, recipient, "outside_change", about=("outside_change", change.id), now=now, once=once)


@letter("outside_change")
def outside_change(writing: Writing) -> Letter | None:
    """Something was made at Stripe that the books know nothing of."""
    change = writing.session.get_one(OutsideChange, int(writing.delivery.object_id))
    what = "A refund" if change.kind == "refund" else "A credit note"
    return Letter(
        subject=f"{what} was made at Stripe and is not in the books",
        greeting=writing.greeting,
        sentences=("Adopt it into the books as if it had been asked for here, or explain it.",),
        facts=(Fact("At Stripe", change.provider_object_id), Fact("Made", writing.when(change.made_at))),
        button=("Look at it", writing.page(f"outside-changes/{change.id}")),
    )


@letter("adjustment_asked")
def adjustment_asked(writing: Writing) -> Letter | None:
    """Somebody's yes is needed."""
    session = writing.session
    adjustment = session.get_one(Adjustment, int(writing.delivery.object_id))
    if queries.end_of(session, adjustment.id) is not None:
        return None
    about = queries.subject_of(session, adjustment.invoice_id, adjustment.receipt_id)
    what = KINDS[adjustment.kind].label
    return Letter(
        subject=f"{what} on {about.name}: your answer is asked for",
        greeting=writing.greeting,
        sentences=("It goes on when everybody who is asked has said yes.",),
        quote=adjustment.reason,
        button=("Look at it", writing.page(f"adjustments/{adjustment.id}")),
    )


@letter("adjustment_ended")
def adjustment_ended(writing: Writing) -> Letter | None:
    """It is done, or could not be."""
    session = writing.session
    adjustment = session.get_one(Adjustment, int(writing.delivery.object_id))
    end = queries.end_of(session, adjustment.id)
    if end is None:
        return None
    about = queries.subject_of(session, adjustment.invoice_id, adjustment.receipt_id)
    what = KINDS[adjustment.kind].label
    return Letter(
        subject=f"{what} on {about.name} {_ENDS[end.outcome]}",
        greeting=writing.greeting,
        sentences=(end.explanation or f"The {what.lower()} on {about.name} {_ENDS[end.outcome]}.",),
        quote=adjustment.reason,
        button=("Look at it", writing.page(f"adjustments/{adjustment.id}")),
    )


@letter("chargeback_opened")
def chargeback_opened(writing: Writing) -> Letter | None:
    """A payer's bank has taken a payment back."""
    session = writing.session
    chargeback = session.get_one(Chargeback, int(writing.delivery.object_id))
    about = queries.subject_of(session, chargeback.invoice_id, chargeback.receipt_id)
    payer = session.get_one(Organisation, chargeback.payer_id)
    due = writing.when(chargeback.answer_by) if chargeback.answer_by else "–"
    return Letter(
        subject=f"The bank of {payer.name} has taken back the payment of {about.name}",
        greeting=writing.greeting,
        sentences=(
            "The shares of this payment are held until the bank has decided.",
            "What the record says for the payment is gathered as a document: look at it and hand it over.",
        ),
        facts=(Fact("Reason", chargeback.reason.replace("_", " ")), Fact("Answer until", due)),
        button=("Answer the bank", writing.page(f"chargebacks/{chargeback.id}")),
    )
