"""Planning what Stripe is to do, and taking in what it says; neither calls anybody.

Invariants: an intent is planned with the exact request it will send, and its job commits with it; a document has one
intent at a time; an event is stored once, however it came.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from portal.access import Actor, may_administer, may_handle_finance
from portal.directory.models import Organisation
from portal.errors import Conflict, NotAllowed, RuleBroken
from portal.jobs import enqueue
from portal.ledger.rules import Document, Purpose
from portal.money import asked_lines, check_asked
from portal.payments import gateway, queries, rules
from portal.payments.models import ConnectedAccount, Intent
from portal.payments.payers.losing import customers_lost
from portal.payments.provider import ReceivedEvent
from portal.payments.rules import InvoiceLine
from portal.payments.taxing.rules import taxed_request
from portal.rows import insert_once

MOST_INVOICE_LINES = 250
# Another number has a new configuration made at Stripe.
PORTAL_CONFIGURATION = "1"


def invoice_intent(
    *,
    manufacturer_id: int,
    payer_id: int,
    currency: str,
    lines: Sequence[InvoiceLine],
    days_until_due: int,
    document: Document,
    name: str,
    livemode: bool,
    now: datetime,
    purchase_order: str = "",
    receivable: Purpose = Purpose.RECEIVABLE,
    seller: Sequence[tuple[str, str]] = (),
    tax_status: str | None = None,
) -> Intent:
    """A Stripe invoice as it is planned, to be stored with ``keep_intent``; the caller's invoice row names it.

    What is owed is rounded up to what can be paid in its currency: the intent's amount is what is asked.
    ``document`` names what is invoiced, once. ``receivable`` is the account that its cash settles. ``seller`` is
    said of its seller of record, by name; ``tax_status``, what its payer is to Stripe, has tax reckoned on top.

    *Raises*: RuleBroken for no lines, too many, or a total that nobody owes.
    """
    asked = asked_lines([line.amount_minor for line in lines], currency)
    total = sum(asked)
    if not lines or len(lines) > MOST_INVOICE_LINES or total <= 0:
        raise RuleBroken(f"An invoice has 1 to {MOST_INVOICE_LINES} lines and a total above zero.")
    intent_id = uuid4()
    asking = [replace(line, amount_minor=minor) for line, minor in zip(lines, asked, strict=True)]
    request = rules.invoice_request(
        intent_id=str(intent_id),
        currency=currency,
        lines=asking,
        days_until_due=days_until_due,
        said=[("Invoice", name), ("Purchase order", purchase_order), *seller],
    )
    if tax_status is not None:
        request = taxed_request(request, asking, tax_status, currency)
    return _planned(
        intent_id,
        kind="invoice",
        manufacturer_id=manufacturer_id,
        organisation_id=payer_id,
        document=document,
        currency=currency,
        amount_minor=total,
        request={**request, "receivable": str(receivable)},
        livemode=livemode,
        now=now,
    )


def plan_transfer(
    session: Session,
    *,
    manufacturer_id: int,
    party_id: int,
    currency: str,
    amount_minor: int,
    document: Document,
    group: str,
    description: str,
    livemode: bool,
    now: datetime,
) -> Intent:
    """Plan a transfer to a party's connected account and enqueue its call.

    *Raises*: RuleBroken without an account, or for an amount that is not above zero.
    """
    account = session.get(ConnectedAccount, party_id)
    if account is None or amount_minor <= 0:
        raise RuleBroken("A transfer needs a connected account and an amount above zero.")
    intent_id = uuid4()
    request = rules.transfer_request(
        intent_id=str(intent_id),
        amount_minor=amount_minor,
        currency=currency,
        destination=account.provider_account_id,
        group=group,
        description=description,
    )
    return plan(
        session,
        intent_id,
        kind="transfer",
        manufacturer_id=manufacturer_id,
        organisation_id=party_id,
        document=document,
        currency=currency,
        amount_minor=amount_minor,
        request=request,
        livemode=livemode,
        now=now,
    )


def plan_reversal(
    session: Session, transfer: Intent, *, amount_minor: int, document: Document, description: str, now: datetime
) -> Intent:
    """Plan taking back part or all of a transfer that was made, and enqueue its call.

    *Raises*: RuleBroken for a transfer that was not made, or an amount that is not above zero.
    """
    if transfer.kind != "transfer" or transfer.state != rules.SUCCEEDED or amount_minor <= 0:
        raise RuleBroken("Only what was transferred can be taken back.")
    intent_id = uuid4()
    request = rules.reversal_request(intent_id=str(intent_id), amount_minor=amount_minor, description=description)
    return plan(
        session,
        intent_id,
        kind="transfer_reversal",
        manufacturer_id=transfer.manufacturer_id,
        organisation_id=transfer.organisation_id,
        document=document,
        currency=transfer.currency,
        amount_minor=amount_minor,
        request={"transfer_intent": str(transfer.id), "reversal": request, "description": description},
        livemode=transfer.livemode,
        now=now,
    )


def open_account(session: Session, actor: Actor, *, email: str, livemode: bool, now: datetime) -> Intent:
    """Plan a connected account for the actor's organisation, once. *Raises*: NotAllowed."""
    if not (may_administer(actor) or may_handle_finance(actor)):
        raise NotAllowed("Receiving payments is set up by an administrator or by finance.")
    document = Document("organisation", str(actor.organisation_id))
    existing = standing_intent(session, "account", document)
    if existing is not None:
        return existing
    organisation = session.get(Organisation, actor.organisation_id)
    operator_id = session.scalar(select(Organisation.id).where(Organisation.is_operator))
    if organisation is None or operator_id is None:
        raise RuleBroken("The deployment has no operator yet.")
    intent_id = uuid4()
    request = rules.account_request(
        intent_id=str(intent_id), name=organisation.name, email=email, country=organisation.country
    )
    return plan(
        session,
        intent_id,
        kind="account",
        manufacturer_id=operator_id,
        organisation_id=organisation.id,
        document=document,
        currency=organisation.currency,
        amount_minor=0,
        request=request,
        livemode=livemode,
        now=now,
    )


def plan_customer(session: Session, *, manufacturer_id: int, payer_id: int, livemode: bool, now: datetime) -> Intent:
    """The intent that makes a payer known to Stripe for a manufacturer; the same for everybody who asks.

    One that Stripe no longer has is made anew, by another intent.
    """
    number = customers_lost(session, manufacturer_id=manufacturer_id, payer_id=payer_id) + 1
    document = Document("provider_customer", rules.customer_document(manufacturer_id, payer_id, number))
    existing = standing_intent(session, "customer", document)
    if existing is not None:
        return existing
    payer = session.get_one(Organisation, payer_id)
    intent_id = uuid4()
    request = rules.customer_request(intent_id=str(intent_id), name=payer.name, email=payer.accounts_payable_email)
    made = insert_once(
        session,
        Intent(
            id=intent_id,
            kind="customer",
            manufacturer_id=manufacturer_id,
            organisation_id=payer_id,
            document_type=document.type,
            document_id=document.id,
            currency=payer.currency,
            amount_minor=0,
            request=request,
            progress={},
            state=rules.PLANNED,
            livemode=livemode,
            created_at=now,
        ),
    )
    planned = made or standing_intent(session, "customer", document)
    if planned is None:
        raise Conflict("The payer is being registered by somebody else.")
    return planned


def plan_portal_configuration(session: Session, *, livemode: bool, now: datetime) -> Intent | None:
    """Have Stripe keep what payers may do at its customer portal, once per deployment; None without an operator."""
    operator = session.scalars(select(Organisation).where(Organisation.is_operator)).one_or_none()
    document = Document("portal_configuration", PORTAL_CONFIGURATION)
    if operator is None:
        return None
    existing = standing_intent(session, "portal_configuration", document)
    if existing is not None:
        return existing
    intent_id = uuid4()
    return plan(
        session,
        intent_id,
        kind="portal_configuration",
        manufacturer_id=operator.id,
        organisation_id=operator.id,
        document=document,
        currency=operator.currency,
        amount_minor=0,
        request=rules.portal_configuration_request(intent_id=str(intent_id)),
        livemode=livemode,
        now=now,
    )


def plan(
    session: Session,
    intent_id: UUID,
    *,
    kind: str,
    manufacturer_id: int,
    organisation_id: int,
    document: Document,
    currency: str,
    amount_minor: int,
    request: dict[str, Any],
    livemode: bool,
    now: datetime,
) -> Intent:
    """Store an intent and its job; the plan_... functions make the requests.

    *Raises*: RuleBroken for an amount that cannot be asked in its currency.
    """
    intent = _planned(
        intent_id,
        kind=kind,
        manufacturer_id=manufacturer_id,
        organisation_id=organisation_id,
        document=document,
        currency=currency,
        amount_minor=amount_minor,
        request=request,
        livemode=livemode,
        now=now,
    )
    return keep_intent(session, intent)


def _planned(
    intent_id: UUID,
    *,
    kind: str,
    manufacturer_id: int,
    organisation_id: int,
    document: Document,
    currency: str,
    amount_minor: int,
    request: dict[str, Any],
    livemode: bool,
    now: datetime,
) -> Intent:
    if amount_minor:
        check_asked(amount_minor, currency)
    return Intent(
        id=intent_id,
        kind=kind,
        manufacturer_id=manufacturer_id,
        organisation_id=organisation_id,
        document_type=document.type,
        document_id=document.id,
        currency=currency,
        amount_minor=amount_minor,
        request=request,
        progress={},
        state=rules.PLANNED,
        livemode=livemode,
        created_at=now,
    )


def keep_intent(session: Session, intent: Intent) -> Intent:
    """Store an intent and enqueue its calls."""
    session.add(intent)
    session.flush()
    enqueue(session, "perform_intent", intent_id=intent.id)
    return intent


def standing_intent(session: Session, kind: str, document: Document) -> Intent | None:
    """The intent of a kind for a document that has not failed."""
    return session.scalars(
        select(Intent).where(
            Intent.kind == kind,
            Intent.document_type == document.type,
            Intent.document_id == document.id,
            Intent.state.not_in((rules.FAILED, rules.CANCELLED)),
        )
    ).one_or_none()


def retry_intent(session: Session, actor: Actor, intent_id: UUID) -> Intent:
    """Try a failed intent again; what it wanted is looked up at Stripe before anything is sent anew.

    *Raises*: NotAllowed, NotFound, Conflict when the intent has not failed.
    """
    intent = queries.intent_seen(session, actor, intent_id)
    session.refresh(intent, with_for_update=True)
    if intent.state != rules.FAILED:
        raise Conflict("Only what failed can be tried again.")
    intent.state = rules.UNKNOWN
    intent.progress = {**intent.progress, "look_first": True}
    intent.finished_at = None
    enqueue(session, "perform_intent", intent_id=intent.id)
    return intent


def receive(session: Session, raw: bytes, signature: str, secrets: Iterable[str], *, style: str) -> bool:
    """Store a delivered event once and enqueue its handling; whether it was new.

    *Raises*: Invalid for a delivery that Stripe did not sign.
    """
    event = gateway.read_event(raw, signature, secrets, style=style)
    return keep_event(session, event)


def keep_event(session: Session, event: ReceivedEvent) -> bool:
    """Store an event once, however it came; whether it was new."""
    is_new = bool(
        session.scalar(
            text("SELECT record_provider_event(:id, :style, :type, :object, CAST(:payload AS jsonb), :live)"),
            {
                "id": event.id,
                "style": event.style,
                "type": event.type,
                "object": event.object_id,
                "payload": json.dumps(event.payload),
                "live": event.livemode,
            },
        )
    )
    if is_new:
        enqueue(session, "handle_provider_event", event_id=event.id)
    return is_new
