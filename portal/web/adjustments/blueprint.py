"""The blueprint of money that goes back, who reaches which of its pages, and the words for its states."""

from __future__ import annotations

from flask import Blueprint, url_for

from portal.access import Actor, Role, Side, may_handle_finance
from portal.adjustments.actions.asking import kinds_for
from portal.adjustments.rules.saga import Step
from portal.web.billing.blueprint import tabs_of_the_viewer as tabs_of_bills

blueprint = Blueprint("adjustments", __name__)

STATES = {
    Step.WAIT_FOR_DECISION: ("Waits for a second person", "warn"),
    Step.WAIT_FOR_CONSENT: ("Waits for the integrator", "warn"),
    Step.WAIT_FOR_REVERSALS: ("Shares come back", "accent"),
    Step.WAIT_FOR_STRIPE: ("At Stripe", "accent"),
}
ENDS = {"done": ("Done", "good"), "failed": ("Could not be done", "bad"), "declined": ("Declined", "plain")}
STAGE_TONES = {
    "done": ("Done", "good"),
    "waits": ("Waits", "warn"),
    "to_come": ("To come", "plain"),
    "ended": ("Ended", "bad"),
}
# What is nobody's loss, by the account it left.
NOBODYS = {
    "deferred": "Not earned yet",
    "prepaid": "Paid ahead and not sold",
    "tax": "Sales tax",
    "rounding": "What the invoice was rounded up by",
}
CHARGEBACK_STATES = {
    "inquiry": ("The bank asks", "warn"),
    "opened": ("Answer the bank", "bad"),
    "submitted": ("The bank decides", "accent"),
    "won": ("Won", "good"),
    "lost": ("Lost", "bad"),
    "closed": ("Closed", "plain"),
}
BEARERS = {
    "signed": "As the agreements say",
    "manufacturer": "The manufacturer alone",
    "integrator": "The integrator alone",
}


def may_adjust(actor: Actor) -> bool:
    """Refunds and credits are asked for by the manufacturer's finance, some by its support lead."""
    return bool(kinds_for(actor))


def may_read(actor: Actor) -> bool:
    """Those who ask, those who lose a share, those who pay."""
    return actor.has(Role.FINANCE, Role.BUYER, Role.ADMINISTRATOR, Role.SERVICE_MANAGER, Role.SUPPORT_LEAD)


def may_decide_any(actor: Actor) -> bool:
    """The second person is of the manufacturer's finance."""
    return actor.side is Side.MANUFACTURER and may_handle_finance(actor)


def page_of_subject(invoice_id: int | None, receipt_id: int | None) -> str:
    """Where an invoice, or a payment ahead, is shown."""
    if invoice_id is not None:
        return url_for("billing.invoice", invoice_id=invoice_id)
    return url_for("adjustments.payment", receipt_id=receipt_id)


def refund_page(invoice_id: int | None, receipt_id: int) -> str:
    """Where a refund of a payment is asked for."""
    if invoice_id is not None:
        return url_for("adjustments.new", invoice_id=invoice_id)
    return url_for("adjustments.refund", receipt_id=receipt_id)


@blueprint.context_processor
def tabs_of_the_viewer() -> dict[str, object]:
    return tabs_of_bills()
