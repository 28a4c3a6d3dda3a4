"""Cells of the fault matrix about money that goes back: refunds, credit notes, chargebacks, evidence, warnings."""

from __future__ import annotations

import hashlib
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from portal.adjustments.models import ChargebackEvidence
from portal.db import transaction
from portal.ledger.rules import Document
from portal.payments import rules
from portal.payments.going_back import plan_credit_note, plan_evidence, plan_refund, refresh_dispute
from portal.payments.handling import refresh_invoice
from portal.payments.models import CashReceipt, Chargeback, Intent
from portal.payments.provider import Busy, Unknown
from tests.payments.fault_events import Family, Subject, add_family, deliver, handle
from tests.payments.fault_world import Between, Scenario, World

REFUNDED = 2_000


def paid(world: World) -> CashReceipt:
    """The cash of an invoice that was paid by card and booked."""
    invoice_id, intent_id = world.invoice()
    world.perform(intent_id)
    at_stripe = world.object_of(intent_id)
    world.standin.control.pay_invoice(at_stripe)
    refresh_invoice(world.engine, world.gateway, at_stripe, world.now)
    with transaction(world.engine) as session:
        return session.scalars(select(CashReceipt).where(CashReceipt.invoice_id == invoice_id)).one()


def _refund(world: World) -> UUID:
    receipt = paid(world)
    about = Document("test_refund", str(receipt.id))
    with transaction(world.engine) as session:
        return plan_refund(
            session, receipt, amount_minor=REFUNDED, document=about, description="Refund", now=world.now
        ).id


def _credit_note(world: World) -> UUID:
    invoice_id, intent_id = world.invoice()
    world.perform(intent_id)
    with transaction(world.engine) as session:
        origin = session.get_one(Intent, intent_id)
        about = Document("test_credit", str(invoice_id))
        return plan_credit_note(
            session, origin, amount_minor=REFUNDED, document=about, memo="Billed twice", now=world.now
        ).id


def disputed(world: World) -> Chargeback:
    """A payment that the payer's bank has taken back, known to us."""
    dispute_id = world.standin.control.dispute(str(paid(world).provider_object_id))
    refresh_dispute(world.engine, world.gateway, dispute_id, world.now)
    with transaction(world.engine) as session:
        return session.scalars(select(Chargeback).where(Chargeback.provider_object_id == dispute_id)).one()


def _evidence(world: World) -> UUID:
    chargeback, content = disputed(world), b"%PDF-1.7 what was done"
    with transaction(world.engine) as session:
        kept = ChargebackEvidence(
            chargeback_id=chargeback.id,
            manufacturer_id=chargeback.manufacturer_id,
            revision=1,
            sha256=hashlib.sha256(content).hexdigest(),
            content=content,
            submitted_by=world.cast.fay.person_id,
            submitted_at=world.now,
        )
        session.add(kept)
        session.flush()
        said = {"uncategorized_text": "The work was done and accepted."}
        return plan_evidence(session, chargeback, evidence_id=kept.id, evidence=said, now=world.now).id


def _is_refunded(world: World, intent_id: UUID) -> None:
    booked = """
        SELECT count(*) FROM journal_transaction journal JOIN intent ON intent.id = :id
        WHERE journal.kind = 'refund_sent' AND journal.document_id = intent.progress ->> 'movement'
    """
    assert world.count(booked, id=intent_id) == 1


def _is_answered(world: World, intent_id: UUID) -> None:
    with transaction(world.engine) as session:
        about = session.get_one(Intent, intent_id).request["dispute"]
    assert world.gateway.retrieve_dispute(about).status == "under_review"


SCENARIOS = {
    "create_refund": Scenario(_refund, "/v1/refunds", {"refund": 1}, _is_refunded),
    "create_credit_note": Scenario(_credit_note, "/v1/credit_notes", {"credit_note": 1}),
    "upload_evidence": Scenario(_evidence, "/v1/files", {}, _is_answered),
    "submit_evidence": Scenario(_evidence, "/v1/disputes/.*", {}, _is_answered),
}


def _lost_refund(world: World) -> Subject:
    intent_id = _refund(world)
    world.standin.control.fault("lose_answer", method="POST", path="/v1/refunds")
    with pytest.raises(Unknown):
        world.perform(intent_id)
    made = _found(world, intent_id)
    return Subject(made, lambda: None, lambda: _refunded_once(world, intent_id))


def _found(world: World, intent_id: UUID) -> str:
    with transaction(world.engine) as session:
        charge = session.get_one(Intent, intent_id).request["refund"]["charge"]
    found = world.gateway.find_refund(charge, str(intent_id))
    assert found is not None
    return found.id


def _refunded_once(world: World, intent_id: UUID) -> None:
    assert world.perform(intent_id) == "succeeded"
    _is_refunded(world, intent_id)


def _early_refund(world: World, kind: str) -> None:
    intent_id = _refund(world)

    def tell(made: Any) -> None:
        handle(world, deliver(world, kind, made.id))

    assert world.perform(intent_id, gateway=Between(world.gateway, "create_refund", after=tell)) == "succeeded"
    _refunded_once(world, intent_id)


def _dispute(world: World) -> Subject:
    dispute_id = world.standin.control.dispute(str(paid(world).provider_object_id))
    return Subject(dispute_id, lambda: None, lambda: _taken_once(world, dispute_id))


def _taken_once(world: World, dispute_id: str) -> None:
    kept = "SELECT count(*) FROM chargeback WHERE provider_object_id = :id"
    posted = """
        SELECT count(DISTINCT journal.id) FROM journal_transaction journal
        JOIN posting ON posting.transaction_id = journal.id AND posting.document_type = 'chargeback'
        JOIN chargeback ON chargeback.id::text = posting.document_id AND journal.kind = 'chargeback_moved'
        WHERE chargeback.provider_object_id = :id
    """
    assert world.count(kept, id=dispute_id) == world.count(posted, id=dispute_id) == 1


def _early_dispute(world: World, kind: str) -> None:
    """The payment was disputed before its own event has told us of it."""
    _, intent_id = world.invoice()
    world.perform(intent_id)
    at_stripe = world.object_of(intent_id)
    world.standin.control.pay_invoice(at_stripe)
    charge = world.gateway.payments_of_invoice(at_stripe)[0].charge_id
    dispute_id = world.standin.control.dispute(charge)
    told = deliver(world, kind, dispute_id)
    with pytest.raises(Busy):
        handle(world, told)
    handle(world, deliver(world, "invoice.paid", at_stripe))
    handle(world, told)
    _taken_once(world, dispute_id)


def _warning(world: World) -> Subject:
    warning_id = world.standin.control.warn_of_fraud(str(paid(world).provider_object_id))
    return Subject(warning_id, lambda: None, lambda: _warned_once(world, warning_id))


def _warned_once(world: World, warning_id: str) -> None:
    assert world.count("SELECT count(*) FROM fraud_warning WHERE provider_object_id = :id", id=warning_id) == 1


def _early_warning(world: World, kind: str) -> None:
    _, intent_id = world.invoice()
    world.perform(intent_id)
    at_stripe = world.object_of(intent_id)
    world.standin.control.pay_invoice(at_stripe)
    warning_id = world.standin.control.warn_of_fraud(world.gateway.payments_of_invoice(at_stripe)[0].charge_id)
    told = deliver(world, kind, warning_id)
    with pytest.raises(Busy):
        handle(world, told)
    handle(world, deliver(world, "invoice.paid", at_stripe))
    handle(world, told)
    _warned_once(world, warning_id)


def _credited(world: World) -> tuple[str, int]:
    """A credit note that somebody made at Stripe itself, on an open invoice of ours."""
    invoice_id, intent_id = world.invoice()
    world.perform(intent_id)
    wanted = {"invoice": world.object_of(intent_id), "amount": REFUNDED, "memo": "By hand"}
    return str(world.standin.client().v1.credit_notes.create(wanted).id), invoice_id


def _outside_note(world: World) -> Subject:
    note_id, _ = _credited(world)
    return Subject(note_id, lambda: None, lambda: _kept_once(world, note_id))


def _kept_once(world: World, note_id: str) -> None:
    assert world.count("SELECT count(*) FROM outside_change WHERE provider_object_id = :id", id=note_id) == 1


def _early_note(world: World, kind: str) -> None:
    """A note that was asked for here is told of before its answer is written down: it is not somebody's work."""
    intent_id = _credit_note(world)

    def tell(made: Any) -> None:
        handle(world, deliver(world, kind, made))

    assert world.perform(intent_id, gateway=Between(world.gateway, "create_credit_note", after=tell)) == "succeeded"
    kept = "SELECT count(*) FROM outside_change WHERE provider_object_id = :id"
    assert world.count(kept, id=world.object_of(intent_id)) == 0


add_family(rules.CREDIT_NOTE_EVENTS, Family(_outside_note, _early_note, "credit_note.created"))
add_family(rules.REFUND_EVENTS, Family(_lost_refund, _early_refund, "refund.updated"))
add_family(rules.DISPUTE_EVENTS, Family(_dispute, _early_dispute, "charge.dispute.updated"))
add_family(rules.WARNING_EVENTS, Family(_warning, _early_warning, "radar.early_fraud_warning.updated"))
