"""All accounts of the reference and what they are made of; its parts change them, one module per part of the work."""

from __future__ import annotations

from collections import Counter

from tests.machine.reference.facts import (
    NOBODY,
    Case,
    Debt,
    Invoice,
    Loss,
    Pack,
    Statement,
    Transfer,
)


class Model:
    """All accounts and what they are made of."""

    def __init__(self) -> None:
        self.accounts: Counter[tuple[str, str]] = Counter()
        self.packs: list[Pack] = []
        self.cases: list[Case] = []
        self.invoices: list[Invoice] = []
        self.statements: list[Statement] = []
        self.transfers: list[Transfer] = []
        self.debts: list[Debt] = []
        self.disputes: dict[int, Loss] = {}
        self.queue: list[int] = []
        self.party_invoices: list[int] = []
        # Holds that stand, by the case or the party that they are on.
        self.held_cases: dict[int, int] = {}
        self.held_parties: dict[str, int] = {}
        # Statements in the order in which something became of them.
        self.disposed: list[Statement] = []
        # Whether the account may receive transfers, and whether the portal has been told.
        self.is_restricted = False
        self.is_known_restricted = False

    def move(self, amount: int, debit: str, credit: str, to: str = NOBODY, out_of: str = NOBODY) -> None:
        """Debit one account and credit another."""
        self.accounts[debit, to] += amount
        self.accounts[credit, out_of] -= amount

    def standing(self) -> dict[tuple[str, str], int]:
        """The accounts that hold something."""
        return {account: minor for account, minor in self.accounts.items() if minor}

    def payable(self, party: str) -> int:
        """What a party has coming."""
        return -self.accounts["payable", party]


def bills(invoice: Invoice, case: Case) -> bool:
    """Whether a case has a line on an invoice."""
    return any(row is case for _, row, _ in invoice.lines)
