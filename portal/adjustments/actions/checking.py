"""What may be asked for: whose money it is, which payment goes back, how much of it, and why. Read only."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.orm import Session

from portal.access import Actor, Side
from portal.adjustments import queries
from portal.adjustments.ahead import unused_minor
from portal.adjustments.rules.asking import BEARERS, REFUND, SIGNED, may_ask
from portal.adjustments.taxed import charged_lines
from portal.billing.models import Invoice
from portal.errors import Invalid, NotAllowed, NotFound, RuleBroken
from portal.money import Money, asked_part
from portal.payments.cash import BORNE, OUT_OF_BAND
from portal.payments.models import CashReceipt

LONGEST_REASON = 500
LONGEST_EXPLANATION = 2_000
LONGEST_REFERENCE = 100
YES, NO = "yes", "no"


@dataclass(frozen=True)
class Wanted:
    """What somebody asks for. ``invoice_item_id`` None means the whole invoice, ``receipt_id`` names what was paid.

    ``beyond`` is why more goes back of a payment ahead than nobody has used; ``form_key`` is the form's own, so that it
    counts once.
    """

    kind: str
    amount_minor: int
    reason: str
    bearer: str = SIGNED
    invoice_item_id: int | None = None
    receipt_id: int | None = None
    reference: str = ""
    beyond: str = ""
    form_key: UUID | None = None


@dataclass(frozen=True)
class About:
    """Whose money it is: of an invoice, or of a payment ahead, which has none."""

    manufacturer_id: int
    payer_id: int
    currency: str
    invoice: Invoice | None

    @property
    def invoice_id(self) -> int | None:
        """The invoice, where there is one."""
        return self.invoice.id if self.invoice is not None else None


def about_of(session: Session, actor: Actor, invoice_id: int | None, wanted: Wanted) -> About:
    """Whose money it is. *Raises*: NotAllowed for who may not ask, NotFound."""
    if actor.side is not Side.MANUFACTURER or not may_ask(wanted.kind, actor.roles) or actor.act is not None:
        raise NotAllowed("This is asked for by the manufacturer's finance, some of it by the support lead.")
    found: Invoice | CashReceipt | None
    if invoice_id is not None:
        found = session.get(Invoice, invoice_id)
    else:
        found = session.get(CashReceipt, wanted.receipt_id) if wanted.receipt_id is not None else None
    if found is None or found.manufacturer_id != actor.organisation_id:
        raise NotFound
    if isinstance(found, Invoice):
        return About(found.manufacturer_id, found.payer_id, found.currency, found)
    if found.intent_id is None or wanted.kind != REFUND:
        raise NotFound
    return About(found.manufacturer_id, found.payer_id, found.currency, None)


def receipt_of(session: Session, about: About, wanted: Wanted) -> CashReceipt | None:
    """The payment that goes back; none where less is owed. *Raises*: Invalid."""
    if wanted.kind != REFUND:
        return None
    found = session.get(CashReceipt, wanted.receipt_id) if wanted.receipt_id is not None else None
    if found is None or found.invoice_id != about.invoice_id or found.source == BORNE:
        raise Invalid("Choose the payment that goes back.", {"receipt": "Choose the payment that goes back."})
    return found


def check(session: Session, about: About, receipt: CashReceipt | None, wanted: Wanted) -> None:
    """*Raises*: Invalid at the fields, RuleBroken during a chargeback."""
    problems = {}
    left = _left_minor(session, about, receipt)
    if not 0 < wanted.amount_minor <= left:
        what = "of this payment can still go back" if receipt else "is still open and can be credited"
        problems["amount"] = f"More than zero, and at most what {what}."
    elif (receipt is None or receipt.source != OUT_OF_BAND) and asked_part(
        wanted.amount_minor, about.currency
    ) != wanted.amount_minor:
        problems["amount"] = f"An amount in {about.currency} that moves at Stripe ends in a zero."
    if not 1 <= len(wanted.reason.strip()) <= LONGEST_REASON:
        problems["reason"] = f"Say why, in 1 to {LONGEST_REASON} characters: the payer reads it."
    if wanted.bearer not in BEARERS:
        problems["bearer"] = "Choose who bears it."
    if receipt is not None and receipt.source == OUT_OF_BAND and not _is_reference(wanted.reference):
        problems["reference"] = f"The bank's reference of what goes back, 1 to {LONGEST_REFERENCE} characters."
    if len(wanted.beyond.strip()) > LONGEST_REASON:
        problems["beyond"] = f"At most {LONGEST_REASON} characters."
    lines = {line.item.id for line in charged_lines(session, about.invoice.id)} if about.invoice is not None else set()
    if about.invoice is not None and not lines:
        raise RuleBroken("The net of a statement is settled by statements, not by refunds or credits.")
    if wanted.invoice_item_id is not None and wanted.invoice_item_id not in lines:
        problems["line"] = "Choose a line of this invoice."
    if about.invoice is None and receipt is not None and not problems and not wanted.beyond.strip():
        problems = _beyond_problems(session, receipt, wanted.amount_minor)
    if problems:
        raise Invalid("It cannot be asked for like this.", problems)
    if receipt is not None:
        check_free(session, receipt.id)


def _left_minor(session: Session, about: About, receipt: CashReceipt | None) -> int:
    if receipt is not None:
        return queries.refundable_minor(session, receipt)
    return queries.creditable_minor(session, about.invoice) if about.invoice is not None else 0


def _beyond_problems(session: Session, receipt: CashReceipt, amount_minor: int) -> dict[str, str]:
    """What was used stays used, unless finance says why not."""
    rest = unused_minor(session, receipt)
    if amount_minor <= rest:
        return {}
    return {
        "amount": f"Only {Money(rest, receipt.currency)} of it is unused. What was used stays used.",
        "beyond": "Say why more than the unused rest goes back, or ask for less.",
    }


def _is_reference(reference: str) -> bool:
    return 1 <= len(reference.strip()) <= LONGEST_REFERENCE


def check_free(session: Session, receipt_id: int) -> None:
    """*Raises*: RuleBroken while the payer's bank has the payment."""
    if queries.open_chargeback(session, receipt_id) is not None:
        raise RuleBroken("The payer's bank has taken this payment back; it cannot be refunded until that is decided.")


def check_answer(outcome: str, explanation: str) -> None:
    """*Raises*: Invalid for what is neither yes nor no, and for a no without a reason."""
    if outcome not in (YES, NO):
        raise Invalid("Say yes or no.", {"outcome": "Yes or no."})
    if len(explanation.strip()) > LONGEST_EXPLANATION or (outcome == NO and not explanation.strip()):
        raise Invalid("Say why not.", {"explanation": f"1 to {LONGEST_EXPLANATION} characters."})
