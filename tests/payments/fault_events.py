"""The events that are handled, found in the rules, and the ways in which each may arrive."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from portal.access import Side
from portal.db import transaction
from portal.errors import Invalid
from portal.payments import calls, handling, rules
from portal.payments.actions import open_account, receive
from portal.payments.models import ConnectedAccount, Intent, ProviderEvent
from portal.payments.provider import Busy, Unknown
from tests.payments.fault_world import Between, World

ACCOUNT_EVENT = f"{rules.ACCOUNT_EVENT_PREFIX}[configuration.recipient].capability_status_updated"
_numbers = itertools.count(1)


def handled_events() -> list[str]:
    """Every type of event that is acted on."""
    return [*rules.POLLED_EVENTS, ACCOUNT_EVENT]


@dataclass(frozen=True)
class Subject:
    """What an event is about: ready to be told of, what follows from the telling, and whether it happened once."""

    object_id: str
    follow: Callable[[], None]
    check: Callable[[], None]


@dataclass(frozen=True)
class Family:
    """Events about one kind of object; ``early`` is a subject whose event comes before the API's answer."""

    prepare: Callable[[World], Subject]
    early: Callable[[World, str], None]
    sibling: str


# An invoice that was paid at Stripe: its cash is taken once.


def _paid_invoice(world: World) -> Subject:
    invoice_id, intent_id = world.invoice()
    world.perform(intent_id)
    object_id = world.object_of(intent_id)
    world.standin.control.pay_invoice(object_id)
    return Subject(object_id, lambda: None, lambda: _paid_once(world, invoice_id))


def _paid_once(world: World, invoice_id: int) -> None:
    receipts = "SELECT count(*) FROM cash_receipt WHERE invoice_id = :id AND amount_minor = 12550"
    booked = """
        SELECT count(*) FROM journal_transaction journal JOIN cash_receipt receipt
            ON journal.kind = 'cash_received' AND journal.document_id = receipt.id::text
        WHERE receipt.invoice_id = :id
    """
    assert world.count(receipts, id=invoice_id) == world.count(booked, id=invoice_id) == 1


def _early_invoice(world: World, kind: str) -> None:
    invoice_id, intent_id = world.invoice()
    told: list[str] = []

    def tell(made: Any) -> None:
        told.append(deliver(world, kind, made.id))
        with pytest.raises(Busy):
            handle(world, told[0])

    assert world.perform(intent_id, gateway=Between(world.gateway, "create_invoice", after=tell)) == "succeeded"
    world.standin.control.pay_invoice(world.object_of(intent_id))
    handle(world, told[0])
    _paid_once(world, invoice_id)


# A transfer whose answer was lost: it is found and booked once.


def _lost_transfer(world: World) -> Subject:
    intent_id = world.settled(7_000)
    world.standin.control.fault("lose_answer", method="POST", path="/v1/transfers")
    with pytest.raises(Unknown):
        world.perform(intent_id)
    made = world.gateway.find_transfers(_group_of(world, intent_id))
    return Subject(made[0].id, lambda: None, lambda: _sent_once(world, intent_id))


def _group_of(world: World, intent_id: UUID) -> str:
    with transaction(world.engine) as session:
        return str(session.get_one(Intent, intent_id).request["transfer_group"])


def _sent_once(world: World, intent_id: UUID) -> None:
    assert world.perform(intent_id) == "succeeded"
    booked = "SELECT count(*) FROM journal_transaction WHERE kind = 'transfer_sent' AND document_id = :id"
    assert world.count(booked, id=str(intent_id)) == 1
    assert len(world.gateway.find_transfers(_group_of(world, intent_id))) == 1


def _early_transfer(world: World, kind: str) -> None:
    intent_id = world.settled(7_000)

    def tell(made: Any) -> None:
        handle(world, deliver(world, kind, made.id))

    assert world.perform(intent_id, gateway=Between(world.gateway, "create_transfer", after=tell)) == "succeeded"
    _sent_once(world, intent_id)


# Money for a transfer that waits: it goes once.


def _waiting_transfer(world: World) -> Subject:
    lacking = 1_000
    intent_id = world.settled(world.balance() + lacking)
    assert world.perform(intent_id) == "planned"
    world.standin.control.fund(lacking + 20_000_000, "eur")
    return Subject("tu_funded", lambda: _try_waiting(world), lambda: _sent_once(world, intent_id))


def _try_waiting(world: World) -> None:
    calls.perform_waiting(world.engine, world.gateway, world.now)


def _early_balance(world: World, kind: str) -> None:
    intent_id = world.settled(7_000)

    def tell(made: Any) -> None:
        handle(world, deliver(world, kind, "tu_early"))
        _try_waiting(world)

    assert world.perform(intent_id, gateway=Between(world.gateway, "create_transfer", after=tell)) == "succeeded"
    _sent_once(world, intent_id)


# An account whose onboarding is complete: it may receive transfers.


def _planned_account(world: World) -> tuple[int, UUID]:
    company = world.company(Side.INTEGRATOR)
    with transaction(world.engine) as session:
        actor = world.administrator(company)
        planned = open_account(session, actor, email="pay@f.example", livemode=False, now=world.now)
        return company.id, planned.id


def _active_account(world: World) -> Subject:
    company_id, intent_id = _planned_account(world)
    world.perform(intent_id)
    object_id = world.object_of(intent_id)
    world.standin.control.complete_onboarding(object_id)
    return Subject(object_id, lambda: None, lambda: _is_active(world, company_id))


def _is_active(world: World, company_id: int) -> None:
    with transaction(world.engine) as session:
        wanted = select(ConnectedAccount.transfers_state).where(ConnectedAccount.organisation_id == company_id)
        assert session.scalars(wanted).all() == ["active"]


def _early_account(world: World, kind: str) -> None:
    company_id, intent_id = _planned_account(world)

    def tell(made: Any) -> None:
        handle(world, deliver(world, kind, made.id))

    assert world.perform(intent_id, gateway=Between(world.gateway, "create_account", after=tell)) == "succeeded"
    world.standin.control.complete_onboarding(world.object_of(intent_id))
    handle(world, deliver(world, kind, world.object_of(intent_id)))
    _is_active(world, company_id)


INVOICES = Family(_paid_invoice, _early_invoice, "invoice.paid")
TRANSFERS = Family(_lost_transfer, _early_transfer, "transfer.updated")
BALANCE = Family(_waiting_transfer, _early_balance, "balance.available")
ACCOUNTS = Family(_active_account, _early_account, ACCOUNT_EVENT)
FAMILIES: dict[str, Family] = {
    **dict.fromkeys(rules.INVOICE_EVENTS, INVOICES),
    **dict.fromkeys(rules.TRANSFER_EVENTS, TRANSFERS),
    **dict.fromkeys(rules.BALANCE_EVENTS, BALANCE),
    ACCOUNT_EVENT: ACCOUNTS,
}


def add_family(kinds: Iterable[str], family: Family) -> None:
    """The events of a family that has a module of its own."""
    FAMILIES.update(dict.fromkeys(kinds, family))


# Deliveries as Stripe signs them.


@dataclass(frozen=True)
class Delivery:
    """A signed body and the address it is sent to."""

    id: str
    body: bytes
    style: str

    def take(self, world: World, *, secret: str | None = None, age_seconds: int = 0) -> bool:
        """Take it in as the web does; whether it was new. *Raises*: Invalid."""
        secrets = {"snapshot": world.standin.webhook_secret, "thin": world.standin.thin_webhook_secret}
        at = int(time.time()) - age_seconds
        signed = hmac.new((secret or secrets[self.style]).encode(), f"{at}.".encode() + self.body, hashlib.sha256)
        header = f"t={at},v1={signed.hexdigest()}"
        with transaction(world.engine) as session:
            return receive(session, self.body, header, (secrets[self.style],), style=self.style)


def delivery(world: World, kind: str, object_id: str, **said: Any) -> Delivery:
    """An event of a type about an object, as Stripe words it."""
    number = f"evt_faults_{next(_numbers)}"
    if kind.startswith("v2."):
        body = {
            "id": number, "object": "v2.core.event", "type": kind, "livemode": False,
            "created": world.now.isoformat(), "related_object": {"id": object_id, "type": "v2.core.account"}, **said,
        }  # fmt: skip
        return Delivery(number, json.dumps(body).encode(), "thin")
    body = {
        "id": number, "object": "event", "type": kind, "livemode": False, "created": int(world.now.timestamp()),
        "api_version": "2026-10-28.endive", "data": {"object": {"id": object_id}}, **said,
    }  # fmt: skip
    return Delivery(number, json.dumps(body).encode(), "snapshot")


def deliver(world: World, kind: str, object_id: str) -> str:
    """Take in an event once; its id."""
    made = delivery(world, kind, object_id)
    assert made.take(world)
    return made.id


def handle(world: World, event_id: str) -> str:
    return handling.handle_event(world.engine, world.gateway, event_id, world.now)


def _tell(world: World, subject: Subject, event_id: str) -> None:
    handle(world, event_id)
    subject.follow()


def _repeated(times: int) -> Callable[[World, str], None]:
    def try_it(world: World, kind: str) -> None:
        subject = FAMILIES[kind].prepare(world)
        same = delivery(world, kind, subject.object_id)
        assert [same.take(world) for _ in range(times)] == [True] + [False] * (times - 1)
        for _ in range(times):
            _tell(world, subject, same.id)
        subject.check()

    return try_it


def _reordered(world: World, kind: str) -> None:
    subject = FAMILIES[kind].prepare(world)
    older, newer = (delivery(world, each, subject.object_id) for each in (kind, FAMILIES[kind].sibling))
    for each in (newer, older):
        assert each.take(world)
        _tell(world, subject, each.id)
    subject.check()


def _early(world: World, kind: str) -> None:
    FAMILIES[kind].early(world, kind)


def _not_taken(**how: Any) -> Callable[[World, str], None]:
    """A delivery that is refused leaves nothing; the true one then does all."""

    def try_it(world: World, kind: str) -> None:
        subject = FAMILIES[kind].prepare(world)
        made = delivery(world, kind, subject.object_id)
        with pytest.raises(Invalid):
            made.take(world, **how)
        with transaction(world.engine) as session:
            assert session.get(ProviderEvent, made.id) is None
        assert made.take(world)
        _tell(world, subject, made.id)
        subject.check()

    return try_it


def _unknown_object(world: World, kind: str) -> None:
    """Nothing of ours: it is not come back to."""
    subject = FAMILIES[kind].prepare(world)
    outcome = handle(world, deliver(world, kind, f"{subject.object_id}x"))
    assert outcome.startswith("ignored") or FAMILIES[kind] is BALANCE
    _tell(world, subject, deliver(world, kind, subject.object_id))
    subject.check()


def _other_account(world: World, kind: str) -> None:
    """What happens within a connected account says nothing about ours."""
    subject = FAMILIES[kind].prepare(world)
    if kind.startswith("v2."):
        foreign = delivery(world, kind, "acct_of_somebody_else")
    else:
        foreign = delivery(world, kind, subject.object_id, account="acct_of_somebody_else")
    assert foreign.take(world)
    assert handle(world, foreign.id).startswith("ignored")
    _tell(world, subject, deliver(world, kind, subject.object_id))
    subject.check()


def _other_version(world: World, kind: str) -> None:
    """Only the object's id counts: it is fetched by the version that was written for."""
    subject = FAMILIES[kind].prepare(world)
    made = delivery(world, kind, subject.object_id, api_version="2020-08-27")
    assert made.take(world)
    _tell(world, subject, made.id)
    subject.check()


ARRIVALS: dict[str, Callable[[World, str], None]] = {
    "twice": _repeated(2),
    "three times": _repeated(3),
    "reordered": _reordered,
    "before the answer": _early,
    "forged": _not_taken(secret="whsec_forged"),
    "stale": _not_taken(age_seconds=3_600),
    "unknown object": _unknown_object,
    "other account": _other_account,
    "other version": _other_version,
}


def try_event(world: World, kind: str, arrival: str) -> None:
    """One cell: however the event comes, what it says happens once, and the books are Stripe's."""
    ARRIVALS[arrival](world, kind)
    world.assert_books()
