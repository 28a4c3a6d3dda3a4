"""Invoices at Stripe and what was paid for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from portal.payments.gateway.books import exchanged_of
from portal.payments.gateway.connection import PAGE_SIZE, Connection, Request, answers, instant, keyed, meta, plain
from portal.payments.provider import ChangePreview, InvoiceState, PaymentOfInvoice, TaxOfLine, Unknown


class Invoices(Connection):
    """Calls about invoices."""

    def create_invoice(self, request: Request, key: str) -> InvoiceState:
        """An empty draft."""
        with answers():
            return _invoice(self.client.v1.invoices.create(cast(Any, request), keyed(key)))

    def find_invoice(self, customer_id: str, intent_id: str) -> InvoiceState | None:
        """The invoice made for an intent."""
        with answers():
            listed = self.client.v1.invoices.list(cast(Any, {"customer": customer_id, "limit": PAGE_SIZE}))
            for found in listed.auto_paging_iter():
                if meta(plain(found), "intent_id") == intent_id:
                    return _invoice(found)
        return None

    def retrieve_invoice(self, invoice_id: str) -> InvoiceState:
        """The invoice as it is now."""
        with answers():
            return _invoice(self.client.v1.invoices.retrieve(invoice_id))

    def add_invoice_lines(self, invoice_id: str, lines: Sequence[Mapping[str, Any]], key: str) -> str:
        """Lines of a draft invoice, all of them or none; the invoice's id."""
        with answers():
            wanted = cast(Any, {"lines": list(lines)})
            return str(self.client.v1.invoices.add_lines(invoice_id, wanted, keyed(key)).id)

    def invoice_line_positions(self, invoice_id: str) -> set[str]:
        """Which of our positions an invoice has already."""
        with answers():
            listed = self.client.v1.invoices.line_items.list(invoice_id, cast(Any, {"limit": PAGE_SIZE}))
            bodies = [plain(line) for line in listed.auto_paging_iter()]
        return {position for body in bodies if (position := meta(body, "position"))}

    def taxes_of_lines(self, invoice_id: str) -> list[TaxOfLine]:
        """What each line is taxed."""
        with answers():
            listed = self.client.v1.invoices.line_items.list(invoice_id, cast(Any, {"limit": PAGE_SIZE}))
            return [_tax_of_line(plain(line)) for line in listed.auto_paging_iter()]

    def place_payer(self, customer_id: str, wanted: Request, key: str) -> str:
        """What a payer is for tax, and where."""
        with answers():
            return str(self.client.v1.customers.update(customer_id, cast(Any, wanted), keyed(key)).id)

    def finalize_invoice(self, invoice_id: str, key: str) -> InvoiceState:
        """Numbered and payable; afterwards its lines cannot change."""
        with answers():
            return _invoice(self.client.v1.invoices.finalize_invoice(invoice_id, options=keyed(key)))

    def send_invoice(self, invoice_id: str, key: str) -> InvoiceState:
        """Mailed by Stripe to the payer."""
        with answers():
            return _invoice(self.client.v1.invoices.send_invoice(invoice_id, options=keyed(key)))

    def mark_paid_out_of_band(self, invoice_id: str, key: str) -> InvoiceState:
        """Paid, but not through Stripe."""
        with answers():
            wanted = cast(Any, {"paid_out_of_band": True})
            return _invoice(self.client.v1.invoices.pay(invoice_id, wanted, keyed(key)))

    def payments_of_invoice(self, invoice_id: str) -> list[PaymentOfInvoice]:
        """What was paid through Stripe for an invoice, each with its fee; nothing that was paid elsewhere."""
        with answers():
            wanted = cast(Any, {"invoice": invoice_id, "status": "paid", "limit": PAGE_SIZE})
            bodies = [plain(found) for found in self.client.v1.invoice_payments.list(wanted).auto_paging_iter()]
            intents = [body["payment"].get("payment_intent") for body in bodies]
            return [self._payment(str(intent)) for intent in intents if intent]

    def _payment(self, payment_intent_id: str) -> PaymentOfInvoice:
        wanted = cast(Any, {"expand": ["latest_charge.balance_transaction"]})
        charge = plain(self.client.v1.payment_intents.retrieve(payment_intent_id, wanted))["latest_charge"]
        moved = charge["balance_transaction"]
        if moved is None:
            raise Unknown("Stripe has not booked this payment yet.")
        return PaymentOfInvoice(
            charge_id=str(charge["id"]),
            amount_minor=int(charge["amount"]),
            fee_minor=int(moved["fee"]),
            currency=str(charge["currency"]).upper(),
            paid_at=instant(moved["created"]),
            exchanged=exchanged_of(int(charge["amount"]), str(charge["currency"]).upper(), moved),
        )


def _invoice(found: Any) -> InvoiceState:
    body = plain(found)
    details = (body.get("parent") or {}).get("subscription_details") or {}
    about = _asked(body) if details else None
    starts_at, ends_at = _time_of(about) if about is not None else (None, None)
    return InvoiceState(
        id=str(body["id"]),
        customer_id=str(body["customer"]),
        status=str(body["status"]),
        total_minor=int(body["total"]),
        currency=str(body["currency"]).upper(),
        hosted_url=str(body.get("hosted_invoice_url") or ""),
        intent_id=meta(body, "intent_id"),
        attempted=bool(body.get("attempted")),
        livemode=bool(body["livemode"]),
        subscription_id=str(details.get("subscription") or ""),
        covers_from=starts_at,
        covers_until=ends_at,
        tax_minor=_tax(body),
        reason=str(body.get("billing_reason") or ""),
        product_id=_product(about) if about is not None else "",
        credit_minor=_credited(body) if details else 0,
        tax_status=str((body.get("automatic_tax") or {}).get("status") or ""),
        tax_disabled=str((body.get("automatic_tax") or {}).get("disabled_reason") or ""),
    )


def preview_of(found: Any) -> ChangePreview:
    """What an invoice would come to that is not made yet."""
    body = plain(found)
    starts_at, ends_at = _time_of(_asked(body))
    credit, tax, total = _credited(body), _tax(body), int(body["total"])
    return ChangePreview(
        charge_minor=total - tax + credit,
        credit_minor=credit,
        tax_minor=tax,
        total_minor=total,
        covers_from=starts_at,
        covers_until=ends_at,
    )


def _asked(body: dict[str, Any]) -> dict[str, Any]:
    """The line that says what a subscription's invoice is for: that which ends last, the others being corrections.

    Of lines that end together what is charged says it, and of these the last; what is paid once is for the moment.
    """
    lines: list[dict[str, Any]] = body["lines"]["data"]
    return max(reversed(lines), key=lambda line: (int(line["period"]["end"]), int(line["amount"]) >= 0))


def _time_of(line: dict[str, Any]) -> tuple[datetime, datetime]:
    return instant(line["period"]["start"]), instant(line["period"]["end"])


def _product(line: dict[str, Any]) -> str:
    details = (line.get("pricing") or {}).get("price_details") or {}
    return str(details.get("product") or "")


def _credited(body: dict[str, Any]) -> int:
    return -sum(min(int(line["amount"]), 0) for line in body["lines"]["data"])


def _tax_of_line(body: dict[str, Any]) -> TaxOfLine:
    rows = body.get("taxes") or ()
    reasons = tuple(str(row.get("taxability_reason") or "") for row in rows)
    return TaxOfLine(meta(body, "position"), sum(int(row["amount"]) for row in rows), reasons)


def _tax(body: dict[str, Any]) -> int:
    return sum(int(tax["amount"]) for tax in body.get("total_taxes") or ())
