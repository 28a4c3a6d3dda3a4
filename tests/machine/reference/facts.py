"""What the reference remembers: hours, cases, invoices, payments, statements and transfers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

FACTORY, INTEGRATOR, CUSTOMER, NOBODY = "factory", "integrator", "customer", ""
# Whom the shares of a bill go to, in the order of the agreement: integrator, manufacturer, operator.
PARTIES = (INTEGRATOR, FACTORY, FACTORY)
HOUR = 3600
PER_HOUR = 15_000
OPERATOR_CAP = 2_500
MINIMUM_PAYOUT = 5_000
DISPUTE_FEE = 1_500
# For so long after a payment a party's share of it may be taken back; later the factory bears it.
CLAW_BACK_SECONDS = 180 * 24 * 3600
# A contest holds its line while it runs, and when the line is to be corrected.
HOLDS = ("", "corrected")
# What expires of a pack: 3 % operator, 15 % seller, 40 % manufacturer, 42 % by 40 to 60.
BREAKAGE = (3_180, 6_520, 300)


@dataclass
class Pack:
    """Hours that were bought."""

    id: int
    price: int
    seconds: int
    on_invoice: bool
    # Work before it was bought does not use it, nor does work after its end.
    since: float
    ends: float
    drawn: int = 0
    used: int = 0
    expired: bool = False

    @property
    def left(self) -> int:
        """Seconds that may still be used."""
        return 0 if self.expired else self.seconds - self.drawn


@dataclass
class Use:
    """What a case earned of a pack."""

    pack: Pack
    seconds: int
    minor: int
    parts: list[int]


@dataclass
class Case:
    """Work of one person: what it costs, who has what of it, and what cash has made payable of that."""

    id: int
    worker: str
    integrator_bp: int
    seconds: int
    started: float
    item: int = 0
    amount: int = 0
    shares: list[int] = field(default_factory=lambda: [0, 0, 0])
    applied: list[int] = field(default_factory=lambda: [0, 0, 0])
    taken: list[int] = field(default_factory=lambda: [0, 0, 0])
    uses: list[Use] = field(default_factory=list)
    # What stands on an invoice of it, and what of that is to be credited.
    charged: int = 0
    to_credit: int = 0
    to_charge: int = 0


@dataclass
class Receipt:
    """A payment of an invoice."""

    id: int
    amount: int
    by_card: bool
    paid_at: float = 0
    refunded: int = 0
    dispute: str = ""


@dataclass
class Invoice:
    """Lines as (kind, row, amount): "case" or "pack"; what was taken off each and paid, and what need not be paid."""

    id: int
    lines: list[tuple[str, Case | Pack, int]]
    reduced: list[int]
    lowered: list[int]
    receipts: list[Receipt] = field(default_factory=list)

    @property
    def total(self) -> int:
        """What is owed at first."""
        return sum(amount for _, _, amount in self.lines)

    @property
    def open(self) -> int:
        """What is not paid yet."""
        return self.total - sum(self.lowered) - sum(receipt.amount for receipt in self.receipts)

    @property
    def charged(self) -> list[int]:
        """The lines that cost something, by their place."""
        return [at for at, (_, _, amount) in enumerate(self.lines) if amount > 0]

    @property
    def rest(self) -> int:
        """What can still be taken off."""
        return sum(self.lines[at][2] - self.reduced[at] for at in self.charged)


@dataclass(frozen=True)
class Plan:
    """What is to become of a net: lines that are held and why, then the rest by kind."""

    held: dict[int, str]
    parts: list[tuple[str, int]]


@dataclass
class Statement:
    """A party's statement, its lines and their amounts; ``contested`` gives the end of each contested line."""

    id: int
    party: str
    net: int
    lines: dict[int, int]
    # The case that a line is of, where it is of one.
    cases: dict[int, int]
    review_until: float
    contested: dict[int, str] = field(default_factory=dict)
    prepared: Plan | None = None
    disposed: bool = False
    # What was held of it and is not back yet: lines with the reason, and what could not be paid.
    held: dict[int, str] = field(default_factory=dict)
    kept_back: int = 0
    # What waits for the account, or is left of it; whether part of it went.
    waits: int = 0
    went_late: bool = False
    # The lines that were held by themselves, back or not.
    named: set[int] = field(default_factory=set)


@dataclass
class Transfer:
    """Money that went to the integrator, and what of it came back."""

    amount: int
    back: int = 0


@dataclass
class Debt:
    """What the integrator could not give back at once."""

    rest: int


@dataclass
class Loss:
    """What a refund or chargeback took: per line, per share of a case or whole; and per party."""

    invoice: Invoice
    by_line: dict[int, int]
    by_share: dict[int, list[int]]
    by_party: Counter[str]
