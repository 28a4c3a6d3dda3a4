"""Payments as tests start them: open books, accounts at the stand-in, planned invoices and transfers."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from portal.billing.models import Invoice
from portal.db import transaction
from portal.directory.models import Organisation
from portal.ledger.actions import open_first_period, post
from portal.ledger.rules import Document, Purpose, credit, debit, pairs
from portal.payments.actions import invoice_intent, keep_intent, plan_transfer
from portal.payments.gateway import Gateway
from portal.payments.models import ConnectedAccount, Intent
from portal.payments.rules import InvoiceLine, account_request
from tests.standin.process import Standin
from tests.support.cast import NOW, Cast

WORK_DONE = pairs(
    (Purpose.UNBILLED, Purpose.ACCRUED),
    (Purpose.ACCRUED, Purpose.PAYABLE),
    (Purpose.UNBILLED, Purpose.RECEIVABLE),
    (Purpose.PAYABLE, Purpose.IN_TRANSFER),
)


def open_books(session: Session, cast: Cast) -> int:
    """The factory's first period, the month of NOW."""
    return open_first_period(session, manufacturer_id=cast.factory.id, zone="Europe/Berlin", now=NOW).id


def earn(
    session: Session, cast: Cast, amount_minor: int, number: int, *, party_id: int | None = None, now: datetime = NOW
) -> None:
    """Work that was done, paid, and is payable to a party: the integrator where nobody else is named."""
    party = party_id or cast.integrator.id
    steps = (
        (debit(Purpose.UNBILLED, amount_minor, cast.customer.id), credit(Purpose.ACCRUED, amount_minor, party)),
        (debit(Purpose.ACCRUED, amount_minor, party), credit(Purpose.PAYABLE, amount_minor, party)),
    )
    for position, legs in enumerate(steps):
        post_one(session, cast, legs, f"earned-{party}-{number}-{position}", now)


def post_one(session: Session, cast: Cast, legs: tuple, key: str, now: datetime = NOW) -> int:
    return post(
        session,
        manufacturer_id=cast.factory.id,
        currency="EUR",
        kind="test",
        document=Document("test", key),
        legs=legs,
        allowed_pairs=WORK_DONE,
        occurred_at=now,
        now=now,
    )


def connected(session: Session, gateway: Gateway, standin: Standin, organisation: Organisation) -> str:
    """An account at the stand-in that may receive transfers; its id there."""
    request = account_request(intent_id="test", name=organisation.name, email="pay@kes.example", country="DE")
    account = gateway.create_account(request, f"account-{organisation.id}")
    standin.control.complete_onboarding(account.id)
    session.add(
        ConnectedAccount(
            organisation_id=organisation.id,
            provider_account_id=account.id,
            transfers_state="active",
            requirements={"open": []},
            livemode=False,
            created_at=NOW,
            checked_at=NOW,
        )
    )
    session.flush()
    return account.id


def planned_transfer(session: Session, cast: Cast, amount_minor: int, number: int = 1, now: datetime = NOW) -> Intent:
    """A transfer to the integrator whose money has left the payables already."""
    earn(session, cast, amount_minor, number)
    integrator = cast.integrator.id
    legs = (debit(Purpose.PAYABLE, amount_minor, integrator), credit(Purpose.IN_TRANSFER, amount_minor, integrator))
    post_one(session, cast, legs, f"approved-{number}")
    return plan_transfer(
        session,
        manufacturer_id=cast.factory.id,
        party_id=integrator,
        currency="EUR",
        amount_minor=amount_minor,
        document=Document("test", str(number)),
        group=f"test-{number}",
        description=f"Settlement {number}",
        livemode=False,
        now=now,
    )


def planned_invoice(
    session: Session,
    cast: Cast,
    period_id: int,
    amounts: tuple[int, ...] = (10_000, 2_550),
    number: int = 1,
    tax_status: str | None = None,
) -> Invoice:
    """An invoice to the customer, its receivable posted."""
    total = sum(amounts)
    legs = (debit(Purpose.RECEIVABLE, total, cast.customer.id), credit(Purpose.UNBILLED, total, cast.customer.id))
    post_one(session, cast, legs, f"invoiced-{number}")
    intent = keep_intent(
        session,
        invoice_intent(
            manufacturer_id=cast.factory.id,
            payer_id=cast.customer.id,
            currency="EUR",
            lines=[InvoiceLine(f"Work {position}", amount) for position, amount in enumerate(amounts)],
            days_until_due=30,
            document=Document("test_invoice", str(number)),
            name=f"NOR-I{number}",
            purchase_order="PO 4711",
            livemode=False,
            now=NOW,
            tax_status=tax_status,
        ),
    )
    invoice = Invoice(
        manufacturer_id=cast.factory.id,
        payer_id=cast.customer.id,
        collector_id=cast.factory.id,
        seller_of_record_id=cast.factory.id,
        period_id=period_id,
        part=number,
        number=number,
        name=f"NOR-I{number}",
        currency="EUR",
        total_minor=total,
        due_on=date(2026, 4, 30),
        intent_id=intent.id,
        issued_at=NOW,
    )
    session.add(invoice)
    session.flush()
    return invoice


def state_of(engine: Engine, intent_id: UUID) -> tuple[str, str]:
    """State and reason of an intent."""
    with transaction(engine) as session:
        intent = session.get_one(Intent, intent_id)
        return intent.state, intent.failure


def balance_of(session: Session, purpose: Purpose) -> int:
    """What all accounts of a purpose hold together, debit positive."""
    return session.scalar(
        text(
            "SELECT coalesce(sum(amount_minor), 0)::bigint FROM posting JOIN account ON account.id = account_id"
            " WHERE purpose = :purpose"
        ),
        {"purpose": str(purpose)},
    )
