"""Where payers are, as a manufacturer's invoices are taxed by it, and the invoices that wait to be told.

Invariants: the latest address of a payer for a manufacturer counts; an invoice that waits is tried again when there is
one that it was not tried with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from portal.access import Actor, Role, Side
from portal.audit import actions as audit
from portal.directory.queries import organisation_names
from portal.errors import Invalid, NotAllowed, NotFound
from portal.jobs import enqueue
from portal.payments import rules
from portal.payments.models import Intent
from portal.payments.taxing.models import PayerAddress
from portal.payments.taxing.rules import Address, address_problems, payer_request

MOST = 200
# What of an intent's progress is from a try with an address that did not help.
TRIED = ("payer", "tax_payer")


def address_of(session: Session, *, manufacturer_id: int, payer_id: int) -> PayerAddress | None:
    """Where a payer is by what was said last."""
    wanted = select(PayerAddress).where(
        PayerAddress.manufacturer_id == manufacturer_id, PayerAddress.payer_id == payer_id
    )
    return session.scalars(wanted.order_by(PayerAddress.id.desc()).limit(1)).one_or_none()


def with_payer(session: Session, intent: Intent) -> dict[str, Any]:
    """An intent's progress with what its payer is set to: fixed before the call, so that a repetition is the same."""
    if "payer" in intent.progress:
        return intent.progress
    row = address_of(session, manufacturer_id=intent.manufacturer_id, payer_id=intent.organisation_id)
    address = Address(row.line1, row.postal_code, row.city, row.state, row.country) if row is not None else None
    wanted = payer_request(intent.request["tax"]["status"], address)
    kept = {name: value for name, value in intent.progress.items() if name != "waiting"}
    return {**kept, "payer": wanted, "tried_address": row.id if row is not None else 0}


def must_wait(session: Session, intent: Intent) -> bool:
    """Whether an invoice waits for its payer's address and nobody has said another since it was tried."""
    if intent.state != rules.PLANNED or intent.progress.get("waiting") != rules.WAITS_FOR_ADDRESS:
        return False
    row = address_of(session, manufacturer_id=intent.manufacturer_id, payer_id=intent.organisation_id)
    return bool((row.id if row is not None else 0) == intent.progress.get("tried_address", 0))


def may_place(actor: Actor) -> bool:
    """Where a payer is says its own buyer or finance, or the manufacturer's finance."""
    own = actor.side is not Side.MANUFACTURER and actor.has(Role.BUYER, Role.FINANCE)
    return own or (actor.side is Side.MANUFACTURER and actor.has(Role.FINANCE))


def keep_address(
    session: Session, actor: Actor, manufacturer_id: int, payer_id: int, address: Address, *, now: datetime
) -> int:
    """Say where a payer is and have what waits for it tried again; how much that is.

    *Raises*: NotAllowed, NotFound where the payer has no invoice of the manufacturer, Invalid at the fields.
    """
    if not may_place(actor):
        raise NotAllowed("A payer's address is kept by its buyer or finance, or by the manufacturer's finance.")
    mine = manufacturer_id if actor.side is Side.MANUFACTURER else payer_id
    if mine != actor.organisation_id or not _is_payer(session, manufacturer_id, payer_id):
        raise NotFound
    tidy = Address(**{name: value.strip() for name, value in vars(address).items()})
    if problems := address_problems(tidy):
        raise Invalid("Stripe would not find the payer by this address.", problems)
    row = PayerAddress(
        manufacturer_id=manufacturer_id,
        payer_id=payer_id,
        **vars(tidy),
        recorded_by=actor.person_id,
        recorded_at=now,
    )
    session.add(row)
    session.flush()
    audit.record(session, actor, "keep_payer_address", "payer_address", row.id, details={"payer": payer_id}, now=now)
    waiting = [each for each in _waiting(session, actor) if each.organisation_id == payer_id]
    for intent in waiting:
        enqueue(session, "perform_intent", intent_id=intent.id)
    return len(waiting)


def _is_payer(session: Session, manufacturer_id: int, payer_id: int) -> bool:
    wanted = text("SELECT EXISTS (SELECT FROM invoice WHERE manufacturer_id = :maker AND payer_id = :payer)")
    return bool(session.scalar(wanted, {"maker": manufacturer_id, "payer": payer_id}))


@dataclass(frozen=True)
class WaitingInvoice:
    """An invoice that is not numbered yet because Stripe cannot place its payer."""

    invoice_id: int
    name: str
    manufacturer_id: int
    payer_id: int
    payer_name: str
    currency: str
    net_minor: int
    since: datetime
    address: PayerAddress | None


def waiting_invoices(session: Session, actor: Actor) -> list[WaitingInvoice]:
    """The invoices of the actor's organisation, issued or to pay, that wait for an address; the oldest first.

    *Raises*: NotAllowed.
    """
    if not may_place(actor):
        raise NotAllowed("Invoices that wait for an address are for those who may say it.")
    intents = _waiting(session, actor)
    named = text("SELECT intent_id, id, name FROM invoice WHERE intent_id = ANY(:ids)")
    rows = {row[0]: (row[1], row[2]) for row in session.execute(named, {"ids": [each.id for each in intents]})}
    names = organisation_names(session, [each.organisation_id for each in intents])
    return [
        WaitingInvoice(
            *rows[each.id],
            each.manufacturer_id,
            each.organisation_id,
            names.get(each.organisation_id, ""),
            each.currency,
            each.amount_minor,
            each.created_at,
            address_of(session, manufacturer_id=each.manufacturer_id, payer_id=each.organisation_id),
        )
        for each in intents
        if each.id in rows
    ]


def _waiting(session: Session, actor: Actor) -> Sequence[Intent]:
    whose = Intent.manufacturer_id if actor.side is Side.MANUFACTURER else Intent.organisation_id
    return session.scalars(
        select(Intent)
        .where(
            whose == actor.organisation_id,
            Intent.kind == "invoice",
            Intent.state.in_(rules.UNFINISHED),
            Intent.progress["waiting"].astext == rules.WAITS_FOR_ADDRESS,
        )
        .order_by(Intent.created_at, Intent.id)
        .limit(MOST)
    ).all()
