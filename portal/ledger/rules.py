"""The chart of accounts and what a set of legs must hold: pure.

Debits are positive, credits negative. Invariants: a transaction's legs sum to zero; every debit meets every credit of
it as a pair its caller is allowed; accounts of a party name the party, the others none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from portal.errors import RuleBroken

ASSET, LIABILITY, INCOME, EXPENSE, EQUITY = "asset", "liability", "income", "expense", "equity"


class Purpose(StrEnum):
    """What an account is for; a party's accounts of one purpose differ by the party."""

    STRIPE = "stripe_clearing"
    BANK = "bank"
    UNBILLED = "receivable_unbilled"
    WORK_IN_PROGRESS = "work_in_progress"
    RECEIVABLE = "receivable"
    PARTY_RECEIVABLE = "receivable_party"
    ESTIMATED = "payable_estimated"
    ACCRUED = "payable_accrued"
    PAYABLE = "payable"
    IN_TRANSFER = "payable_in_transfer"
    UNDETERMINED_ACCRUED = "undetermined_accrued"
    UNDETERMINED = "undetermined"
    HELD = "held"
    RETAINED = "retained"
    DEFERRED = "deferred_revenue"
    REFUNDS = "refunds_promised"
    DISPUTED = "disputed"
    PREPAID = "customer_prepaid"
    TAX = "tax"
    INPUT_TAX = "input_tax"
    PAYABLE_TAX = "payable_tax"
    INCOME = "income"
    GROSS = "gross_revenue"
    COST_OF_SHARE = "cost_of_share"
    FEES = "fees"
    EXCHANGE = "exchange"
    EXCHANGE_DIFFERENCE = "exchange_difference"
    WRITE_OFF = "write_off"
    ROUNDED_UP = "rounded_up"
    ROUNDING = "rounding"


@dataclass(frozen=True)
class AccountType:
    """The kind and name of the accounts of a purpose; ``per_party`` ones end with the organisation's code."""

    kind: str
    path: str
    per_party: bool = False


# Names are taken by beancount and hledger as they stand: segments begin with a capital, the first is one of five.
CHART: dict[Purpose, AccountType] = {
    Purpose.STRIPE: AccountType(ASSET, "Assets:Stripe:Clearing"),
    Purpose.BANK: AccountType(ASSET, "Assets:Bank:Operating"),
    Purpose.UNBILLED: AccountType(ASSET, "Assets:Receivable:Unbilled", per_party=True),
    Purpose.WORK_IN_PROGRESS: AccountType(ASSET, "Assets:Receivable:WorkInProgress", per_party=True),
    Purpose.RECEIVABLE: AccountType(ASSET, "Assets:Receivable:Invoiced", per_party=True),
    Purpose.PARTY_RECEIVABLE: AccountType(ASSET, "Assets:Receivable:Party", per_party=True),
    Purpose.ESTIMATED: AccountType(LIABILITY, "Liabilities:Payable:Estimated"),
    Purpose.ACCRUED: AccountType(LIABILITY, "Liabilities:Payable:Accrued", per_party=True),
    Purpose.PAYABLE: AccountType(LIABILITY, "Liabilities:Payable:Due", per_party=True),
    Purpose.IN_TRANSFER: AccountType(LIABILITY, "Liabilities:Payable:InTransfer", per_party=True),
    Purpose.UNDETERMINED_ACCRUED: AccountType(LIABILITY, "Liabilities:Undetermined:Accrued"),
    Purpose.UNDETERMINED: AccountType(LIABILITY, "Liabilities:Undetermined:Due"),
    Purpose.HELD: AccountType(LIABILITY, "Liabilities:Held", per_party=True),
    Purpose.RETAINED: AccountType(INCOME, "Income:Retained", per_party=True),
    Purpose.DEFERRED: AccountType(LIABILITY, "Liabilities:Deferred", per_party=True),
    Purpose.REFUNDS: AccountType(LIABILITY, "Liabilities:Refunds", per_party=True),
    Purpose.DISPUTED: AccountType(ASSET, "Assets:Disputed", per_party=True),
    # Paid ahead of the sale it is for: by checkout, and by subscriptions month by month.
    Purpose.PREPAID: AccountType(LIABILITY, "Liabilities:Prepaid", per_party=True),
    Purpose.TAX: AccountType(LIABILITY, "Liabilities:Tax"),
    # The tax on a party's share: what the payer may deduct, and what the party has coming beside its share.
    Purpose.INPUT_TAX: AccountType(ASSET, "Assets:Tax:Input"),
    Purpose.PAYABLE_TAX: AccountType(LIABILITY, "Liabilities:Payable:Tax", per_party=True),
    Purpose.INCOME: AccountType(INCOME, "Income:Service"),
    # What is sold as principal stands whole as revenue; what the parties have of it is its cost.
    Purpose.GROSS: AccountType(INCOME, "Income:Gross"),
    Purpose.COST_OF_SHARE: AccountType(EXPENSE, "Expenses:Shares"),
    Purpose.FEES: AccountType(EXPENSE, "Expenses:Stripe:Fees"),
    # What was asked for in one currency and lies in another: one account in each, never in one sum.
    Purpose.EXCHANGE: AccountType(EQUITY, "Equity:Exchange"),
    Purpose.EXCHANGE_DIFFERENCE: AccountType(INCOME, "Income:Exchange"),
    Purpose.WRITE_OFF: AccountType(EXPENSE, "Expenses:WriteOff"),
    # What invoices ask more than is owed, where only some amounts can be paid.
    Purpose.ROUNDED_UP: AccountType(INCOME, "Income:Rounding"),
    Purpose.ROUNDING: AccountType(EQUITY, "Equity:Rounding"),
}

# What a party has coming, in the order in which it comes closer.
PAYABLE_STAGES = (Purpose.ACCRUED, Purpose.PAYABLE, Purpose.IN_TRANSFER)

Pairs = frozenset[tuple[Purpose, Purpose]]


@dataclass(frozen=True)
class Document:
    """What a transaction or leg comes from: a table's name and the row's id as text."""

    type: str
    id: str


@dataclass(frozen=True)
class Leg:
    """One side of a transaction: debit positive, credit negative; ``document`` where it differs from the whole's."""

    purpose: Purpose
    amount_minor: int
    party_id: int | None = None
    document: Document | None = None


def debit(purpose: Purpose, amount_minor: int, party_id: int | None = None, document: Document | None = None) -> Leg:
    """A leg on the debit side; with a negative amount one on the credit side."""
    return Leg(purpose, amount_minor, party_id, document)


def credit(purpose: Purpose, amount_minor: int, party_id: int | None = None, document: Document | None = None) -> Leg:
    """A leg on the credit side; with a negative amount one on the debit side."""
    return Leg(purpose, -amount_minor, party_id, document)


def pairs(*rows: tuple[Purpose, Purpose]) -> Pairs:
    """The allowed (debit, credit) pairs of a caller, and their reverse, which its corrections need."""
    return frozenset(rows) | frozenset((there, here) for here, there in rows)


def check_legs(legs: Sequence[Leg], allowed_pairs: Pairs) -> None:
    """Refuse legs that do not make a transaction.

    *Raises*: RuleBroken when they do not sum to zero, one is zero, a party is missing or too many, or a pair of a debit
    and a credit is not allowed to the caller.
    """
    if len(legs) < 2:
        raise RuleBroken("A journal transaction has at least two legs.")
    if sum(leg.amount_minor for leg in legs) != 0:
        raise RuleBroken("The legs of a journal transaction sum to zero.")
    for leg in legs:
        if leg.amount_minor == 0:
            raise RuleBroken("A leg of a journal transaction is not zero.")
        if CHART[leg.purpose].per_party != (leg.party_id is not None):
            raise RuleBroken(f"The account {leg.purpose} names a party exactly when it belongs to one.")
    debits = {leg.purpose for leg in legs if leg.amount_minor > 0}
    credits_ = {leg.purpose for leg in legs if leg.amount_minor < 0}
    for pair in ((left, right) for left in debits for right in credits_):
        if pair not in allowed_pairs:
            raise RuleBroken(f"{pair[0]} against {pair[1]} is not posted here.")


def without_zeros(legs: Iterable[Leg]) -> list[Leg]:
    """The legs that say something."""
    return [leg for leg in legs if leg.amount_minor]


def account_code(purpose: Purpose, party_code: str | None) -> str:
    """The account's name in the ledger and in exports."""
    path = CHART[purpose].path
    return f"{path}:{party_code}" if party_code else path


@dataclass(frozen=True)
class Month:
    """A calendar month of a zone as instants, half open."""

    label: str
    starts_at: datetime
    ends_at: datetime


def month_at(zone: str, at: datetime) -> Month:
    """The month that ``at`` falls into, by the clock of ``zone``."""
    local = at.astimezone(ZoneInfo(zone))
    return _month(zone, local.year, local.month)


def month_after(zone: str, ends_at: datetime) -> Month:
    """The month that begins where another ended."""
    return month_at(zone, ends_at)


def _month(zone: str, year: int, month: int) -> Month:
    start = datetime(year, month, 1, tzinfo=ZoneInfo(zone))
    end = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=ZoneInfo(zone))
    return Month(f"{year}-{month:02d}", start.astimezone(UTC), end.astimezone(UTC))
