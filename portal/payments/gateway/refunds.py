"""Money that goes back to payers at Stripe: refunds, credit notes, disputes with their evidence, fraud warnings."""

from __future__ import annotations

import io
from typing import Any, cast

from portal.payments.gateway.books import exchanged_of, movement_of
from portal.payments.gateway.connection import PAGE_SIZE, Connection, Request, answers, instant, keyed, meta, plain
from portal.payments.provider import CreditNoteState, DisputeState, RefundState, WarningState

EVIDENCE_PURPOSE = "dispute_evidence"
# What a refund moved, told along with it: it may be in another currency.
_MOVED = ["balance_transaction", "failure_balance_transaction"]


class Refunds(Connection):
    """Calls about refunds, credit notes and disputes."""

    def create_refund(self, request: Request, key: str) -> RefundState:
        """Part or all of a charge back to the payer. *Raises*: Refused beyond what is left, or during a dispute."""
        with answers():
            return _refund(self.client.v1.refunds.create(cast(Any, {**request, "expand": _MOVED}), keyed(key)))

    def retrieve_refund(self, refund_id: str) -> RefundState:
        """The refund as it is now."""
        with answers():
            return _refund(self.client.v1.refunds.retrieve(refund_id, cast(Any, {"expand": _MOVED})))

    def find_refund(self, charge_id: str, intent_id: str) -> RefundState | None:
        """The refund made for an intent."""
        with answers():
            told = [f"data.{name}" for name in _MOVED]
            wanted = cast(Any, {"charge": charge_id, "limit": PAGE_SIZE, "expand": told})
            listed = self.client.v1.refunds.list(wanted)
            for found in listed.auto_paging_iter():
                if meta(plain(found), "intent_id") == intent_id:
                    return _refund(found)
        return None

    def create_credit_note(self, request: Request, key: str) -> str:
        """An invoice costs less; the note's id."""
        with answers():
            return str(self.client.v1.credit_notes.create(cast(Any, request), keyed(key)).id)

    def find_credit_note(self, invoice_id: str, intent_id: str) -> str | None:
        """The credit note made for an intent."""
        with answers():
            listed = self.client.v1.credit_notes.list(cast(Any, {"invoice": invoice_id, "limit": PAGE_SIZE}))
            for found in listed.auto_paging_iter():
                if meta(plain(found), "intent_id") == intent_id:
                    return str(found.id)
        return None

    def retrieve_credit_note(self, note_id: str) -> CreditNoteState:
        """The credit note as it is now."""
        with answers():
            return _credit_note(plain(self.client.v1.credit_notes.retrieve(note_id)))

    def retrieve_dispute(self, dispute_id: str) -> DisputeState:
        """The dispute as it is now."""
        with answers():
            return _dispute(plain(self.client.v1.disputes.retrieve(dispute_id)))

    def upload_evidence(self, name: str, content: bytes, key: str) -> str:
        """A file for the payer's bank; its id."""
        sent = io.BytesIO(content)
        # The package takes the file's name from here.
        sent.name = name
        with answers():
            wanted = cast(Any, {"purpose": EVIDENCE_PURPOSE, "file": sent})
            return str(self.client.v1.files.create(wanted, keyed(key)).id)

    def submit_evidence(self, dispute_id: str, request: Request, key: str) -> str:
        """Hand evidence to the payer's bank, once and for all; the dispute's id."""
        with answers():
            return str(self.client.v1.disputes.update(dispute_id, cast(Any, request), keyed(key)).id)

    def retrieve_warning(self, warning_id: str) -> WarningState:
        """The early fraud warning as it is now."""
        with answers():
            return _warning(plain(self.client.v1.radar.early_fraud_warnings.retrieve(warning_id)))


def _refund(found: Any) -> RefundState:
    body = plain(found)
    amount, currency = int(body["amount"]), str(body["currency"]).upper()
    moved, returned = (body.get(name) or {} for name in _MOVED)
    return RefundState(
        id=str(body["id"]),
        charge_id=str(body["charge"]),
        amount_minor=amount,
        currency=currency,
        status=str(body["status"]),
        failure=str(body.get("failure_reason") or ""),
        movement_id=str(moved.get("id") or ""),
        returned_movement_id=str(returned.get("id") or ""),
        intent_id=meta(body, "intent_id"),
        made_at=instant(body["created"]),
        livemode=bool(body.get("livemode")),
        exchanged=exchanged_of(amount, currency, moved) if moved else None,
        returned_exchanged=exchanged_of(amount, currency, returned) if returned else None,
    )


def _credit_note(body: dict[str, Any]) -> CreditNoteState:
    return CreditNoteState(
        id=str(body["id"]),
        invoice_id=str(body["invoice"]),
        before_payment_minor=int(body["pre_payment_amount"]),
        currency=str(body["currency"]).upper(),
        memo=str(body.get("memo") or ""),
        intent_id=meta(body, "intent_id"),
        made_at=instant(body["created"]),
        livemode=bool(body.get("livemode")),
    )


def _dispute(body: dict[str, Any]) -> DisputeState:
    due = (body.get("evidence_details") or {}).get("due_by")
    return DisputeState(
        id=str(body["id"]),
        charge_id=str(body["charge"]),
        amount_minor=int(body["amount"]),
        currency=str(body["currency"]).upper(),
        status=str(body["status"]),
        reason=str(body["reason"]),
        opened_at=instant(body["created"]),
        answer_by=instant(due) if due else None,
        movements=tuple(movement_of(moved) for moved in body["balance_transactions"]),
        livemode=bool(body["livemode"]),
    )


def _warning(body: dict[str, Any]) -> WarningState:
    return WarningState(
        id=str(body["id"]),
        charge_id=str(body["charge"]),
        kind=str(body["fraud_type"]),
        warned_at=instant(body["created"]),
        is_open=bool(body["actionable"]),
        livemode=bool(body["livemode"]),
    )
