"""What payers and those who answer them are told: a payment that failed, a question about a bill, its answer.

Amounts are read on the page, signed in.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.access import Role
from portal.billing.models import BillItem, BillLine, Invoice, LineQuery, LineQueryAnswer
from portal.cases.models import SupportCase
from portal.directory.models import Organisation
from portal.notifications.actions import queue_letter
from portal.notifications.letters import Writing, letter
from portal.notifications.recipients import people, people_with_role
from portal.notifications.rendering import Fact, Letter


def notify_payment_failed(session: Session, intent_id: str, now: datetime) -> None:
    """Tell the payer's finance, or its buyers where it has none, that a payment failed; once a day."""
    invoice = session.scalars(select(Invoice).where(Invoice.intent_id == intent_id)).one_or_none()
    if invoice is None:
        return
    told = people_with_role(session, invoice.payer_id, (Role.FINANCE,)) or people_with_role(
        session, invoice.payer_id, (Role.BUYER, Role.ADMINISTRATOR)
    )
    about = ("invoice", invoice.id)
    for recipient in told:
        queue_letter(
            session, recipient, "payment_failed", about=about, now=now, once=f"failed:{invoice.id}:{now:%Y-%m-%d}"
        )


def notify_line_query(session: Session, query_id: int, now: datetime) -> None:
    """Tell the manufacturer's finance and support leads, who own the question, that a payer asks about a line."""
    query = session.get_one(LineQuery, query_id)
    for recipient in people_with_role(session, query.manufacturer_id, (Role.FINANCE, Role.SUPPORT_LEAD)):
        queue_letter(
            session, recipient, "line_asked", about=("line_query", query.id), now=now, once=f"query:{query.id}"
        )


def notify_line_answer(session: Session, query_id: int, now: datetime) -> None:
    """Tell the person who asked about a line what the answer is."""
    query = session.get_one(LineQuery, query_id)
    payer_id = session.scalar(
        select(BillItem.payer_id)
        .join(BillLine, BillLine.bill_item_id == BillItem.id)
        .where(BillLine.id == query.bill_line_id)
    )
    if payer_id is None:
        return
    for recipient in people(session, [payer_id], [query.asked_by]):
        queue_letter(
            session, recipient, "line_answered", about=("line_query", query.id), now=now, once=f"answer:{query.id}"
        )


@letter("payment_failed")
def payment_failed(writing: Writing) -> Letter | None:
    """A payment through Stripe failed; the invoice stays open."""
    invoice = writing.session.get_one(Invoice, int(writing.delivery.object_id))
    maker = writing.session.get_one(Organisation, invoice.manufacturer_id)
    return Letter(
        subject=f"The payment of invoice {invoice.name} of {maker.name} failed",
        greeting=writing.greeting,
        sentences=("The bank or card refused the payment, so the invoice is still open.", "You can pay it again."),
        facts=(Fact("Due", f"{invoice.due_on:%Y-%m-%d}"),),
        button=("Look at the invoice", writing.page(f"invoices/{invoice.id}")),
    )


@letter("line_asked")
def line_asked(writing: Writing) -> Letter | None:
    """A payer asks about a line of its bill."""
    session = writing.session
    query = session.get_one(LineQuery, int(writing.delivery.object_id))
    line = session.get_one(BillLine, query.bill_line_id)
    item = session.get_one(BillItem, line.bill_item_id)
    payer = session.get_one(Organisation, item.payer_id)
    return Letter(
        subject=f"{payer.name} asks about the bill of {session.get_one(SupportCase, query.case_id).name}",
        greeting=writing.greeting,
        sentences=("A line of the bill is not clear to those who pay it.",),
        quote=query.question,
        facts=(Fact("Line", line.description), Fact("Answer until", writing.when(query.answer_by))),
        button=("Answer", writing.page(f"line-questions/{query.id}/answer")),
    )


@letter("line_answered")
def line_answered(writing: Writing) -> Letter | None:
    """The answer to a question about a line."""
    session = writing.session
    query = session.get_one(LineQuery, int(writing.delivery.object_id))
    answer = session.scalars(select(LineQueryAnswer).where(LineQueryAnswer.query_id == query.id)).one_or_none()
    if answer is None:
        return None
    line = session.get_one(BillLine, query.bill_line_id)
    return Letter(
        subject=f"Your question about the bill of {session.get_one(SupportCase, query.case_id).name} is answered",
        greeting=writing.greeting,
        sentences=(f"You asked: {query.question}",),
        quote=answer.answer,
        facts=(Fact("Line", line.description),),
        button=("Look at the bill", writing.page(f"bill-items/{line.bill_item_id}")),
    )
