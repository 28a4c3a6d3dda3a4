"""What a statement is invoiced by, the words of an agreement, and how tax moves with money: pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from portal.ledger.rules import Document, Leg, Pairs, Purpose, credit, debit, pairs
from portal.money import allocate, asked_part
from portal.settlement.rules import CARRIED, HELD, INVOICED, TRANSFERRED

SELF_BILLED, OWN_INVOICE = "self_billed", "own_invoice"
INVOICE, CREDIT_NOTE = "invoice", "credit_note"
# How a document is called, and what stands before its number.
TITLES = {INVOICE: "Self-billed invoice", CREDIT_NOTE: "Self-billed credit note"}
SERIES = {INVOICE: "SB", CREDIT_NOTE: "SC"}
# *Source*: Directive 2006/112/EC, article 226 (10a), read 2026-11-22.
SELF_BILLING_WORDS = "Self-billing: issued by the customer in the name and on behalf of the supplier"
OFFERED, WAITING, IN_FORCE, EXPIRED, ENDED = "offered", "waiting", "in_force", "expired", "ended"
# An agreement that ends is shown this long before, and said by mail on these days before.
SHOWN_DAYS = 45
MAILED_DAYS = (30, 7, 1)
LONGEST_REASON = 500
LONGEST_YEARS = 5

TAX_PAIRS: Pairs = pairs(
    (Purpose.INPUT_TAX, Purpose.PAYABLE_TAX),
    (Purpose.PAYABLE_TAX, Purpose.IN_TRANSFER),
    (Purpose.PAYABLE_TAX, Purpose.PARTY_RECEIVABLE),
)
_TAX_GOES = {TRANSFERRED: Purpose.IN_TRANSFER, INVOICED: Purpose.PARTY_RECEIVABLE}

KINDS = {
    "share": "Share",
    "correction": "Correction",
    "plan": "Plans",
    "pack": "Packs",
    "refund": "Refunds",
    "chargeback": "Chargebacks",
    "claw_back": "Claw-backs",
    "adjustment": "Adjustments",
    "carried": "Carried from a statement without an invoice",
    "released": "Released from a statement without an invoice",
    "other": "Other",
}


@dataclass(frozen=True)
class Company:
    """A company as an invoice names it."""

    name: str
    address: str
    number: str


@dataclass(frozen=True)
class Line:
    """What a document bills of one kind; ``count`` statement lines are in it."""

    what: str
    count: int
    amount_minor: int


@dataclass(frozen=True)
class Corrected:
    """An earlier document that a credit note corrects."""

    id: int
    name: str
    issued_on: str


@dataclass(frozen=True)
class Billing:
    """What a statement is invoiced by: all that a document says but its number and day.

    *Shape*: the lines sum to ``net_minor``; ``corrects`` is given exactly for a self-billed credit note; days are ISO
    dates, because the whole is kept as JSON with the plan that two people approve.
    """

    basis: str
    supply_from: str
    supply_to: str
    supplier: Company
    customer: Company
    lines: tuple[Line, ...]
    net_minor: int
    treatment: str
    rate_bp: int
    tax_minor: int
    words: tuple[str, ...]
    reasons: tuple[str, ...]
    agreement_id: int | None = None
    invoice_number: str = ""
    invoice_dated_on: str = ""
    corrects: tuple[Corrected, ...] = ()

    @property
    def gross_minor(self) -> int:
        """What is paid for it in the end, with the tax."""
        return self.net_minor + self.tax_minor

    @property
    def kind(self) -> str:
        """Whether it bills or takes back."""
        return INVOICE if self.net_minor >= 0 else CREDIT_NOTE

    def as_json(self) -> dict[str, Any]:
        """For keeping; what is empty is left out."""
        said = {name: _plain(value) for name, value in asdict(self).items()}
        if not self.corrects:
            said.pop("corrects")
        return said


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def billing_of_plan(plan: Mapping[str, Any]) -> Billing | None:
    """What a prepared statement is invoiced by, as it was kept."""
    kept = plan.get("billing")
    if kept is None:
        return None
    said: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in kept.items()}
    said["supplier"], said["customer"] = Company(**kept["supplier"]), Company(**kept["customer"])
    said["lines"] = tuple(Line(**row) for row in kept["lines"])
    said["corrects"] = tuple(Corrected(**row) for row in kept.get("corrects", ()))
    return Billing(**said)


def kind_words(kind: str, revenue_kind: str) -> str:
    """What a document calls the lines of a kind: the revenue's own name where there is one."""
    if not revenue_kind:
        return KINDS.get(kind, kind.replace("_", " ").capitalize())
    told = revenue_kind.replace("_", " ")
    return f"{KINDS[kind]}: {told}" if kind in KINDS and kind != "share" else told.capitalize()


def document_name(code: str, kind: str, number: int) -> str:
    """A document's name within its issuer's series, such as NOR-SB12."""
    return f"{code}-{SERIES[kind]}{number}"


def agreement_text(customer: str, supplier: str, starts_on: date, expires_on: date) -> str:
    """What both companies agree to.

    *Source*: Directive 2006/112/EC, article 224: a prior agreement, and a procedure for accepting each invoice.
    """
    return "\n\n".join(
        (
            f"Self-billing agreement between {customer} (the customer) and {supplier} (the supplier)",
            "1. The customer issues the invoices for the supplier's share of revenue, in the supplier's name and on its"
            f" behalf, for every statement approved from {starts_on.isoformat()} up to, not including,"
            f" {expires_on.isoformat()}.",
            "2. The supplier issues no invoices of its own for these shares while the agreement holds.",
            "3. Each invoice follows a statement that the supplier could look at and contest; it counts as accepted"
            " unless the supplier objects before the statement's review ends.",
            "4. The supplier tells the customer at once when its name, address or registration for tax changes, or when"
            " it ceases to be registered, by its finance details.",
            "5. Either may end this agreement at any time; statements approved later are paid against the supplier's"
            " own invoice.",
        )
    )


def state_of(starts_on: date, expires_on: date, *, is_accepted: bool, ended_on: date | None, day: date) -> str:
    """Where an agreement stands on a day; the day of its end and of its expiry are without it."""
    if ended_on is not None and day >= ended_on:
        return ENDED
    if day >= expires_on:
        return EXPIRED
    if not is_accepted:
        return OFFERED
    return IN_FORCE if day >= starts_on else WAITING


def days_to_mail(expires_on: date, day: date) -> int | None:
    """Which of the reminders is due: the one whose day has come last, none before the first."""
    left = (expires_on - day).days
    due = [days for days in MAILED_DAYS if 0 < left <= days]
    return min(due) if due else None


def tax_to_move(kind: str, amount_minor: int, owed_minor: int, stays_minor: int, currency: str) -> int:
    """The tax that goes with a part of a net, as far as the two can be paid in their currency; the rest goes later.

    ``owed_minor`` is the tax that the party has coming, negative where it owes some back; ``stays_minor`` is how much
    of its shares is not paid now. Tax goes with a transfer in proportion, so that all of it has gone with the last.
    """
    if kind == TRANSFERRED and amount_minor > 0:
        if owed_minor < 0:
            return asked_part(owed_minor, currency) if amount_minor + owed_minor > 0 else 0
        return asked_part(allocate(owed_minor, (amount_minor, max(stays_minor, 0)))[0], currency)
    return asked_part(min(owed_minor, 0), currency) if kind == INVOICED else 0


def stays_unpaid(amounts: Mapping[str, int], held_minor: int) -> int:
    """How much of a party's shares is not paid now: what was held before, and what is held or carried of this net."""
    return held_minor + amounts.get(HELD, 0) + max(amounts.get(CARRIED, 0), 0)


def tax_legs(amount_minor: int, party_id: int) -> list[Leg]:
    """The tax on a share: the payer may deduct it, the party has it coming; a credit note takes it back."""
    return [debit(Purpose.INPUT_TAX, amount_minor), credit(Purpose.PAYABLE_TAX, amount_minor, party_id)]


def tax_moved_legs(kind: str, amount_minor: int, party_id: int, document: Document) -> list[Leg]:
    """Tax leaves what the party has coming, the way its share does."""
    return [
        debit(Purpose.PAYABLE_TAX, amount_minor, party_id),
        credit(_TAX_GOES[kind], amount_minor, party_id, document),
    ]
