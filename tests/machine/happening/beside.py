"""The portal and the reference side by side, and the comparison after each operation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine

from tests.machine.doing import looking
from tests.machine.process import Ground, Portal
from tests.machine.reference import settling
from tests.machine.reference.model import Model

WHICH = st.integers(0, 9)
THOUSANDTHS = st.integers(1, 1_000)
# Mostly nothing disturbs.
CRASHES = st.sampled_from((0, 0, 0, 1, 2, 3, 5, 8, 13))
# An error that Stripe keeps under its key leaves an effect or not; nobody can tell from the answer.
FAULTS = st.sampled_from(
    ("", "", "", "lose_answer", "break_body", "error_before", "error_kept", "error_kept with effect", "rate_limit")
)
# How many operations there are to each that brings work.
EVERY = 4
BETWEEN_TURNS = 4
# The whole books are looked through after so many operations and at the end: that costs as much as an operation.
WHOLE_EVERY = 10
CLEARING = ("stripe_clearing", "")

Thing = TypeVar("Thing")


class Beside(RuleBasedStateMachine):
    """``ground`` and what all runs come to belong to the process; ``on_whole`` is told of each that ended well."""

    ground: Ground
    accepted: Counter[str] = Counter()
    met: Counter[str] = Counter()
    runs = 0
    on_whole: Callable[[Beside], None] | None = None

    def __init__(self) -> None:
        super().__init__()
        self.portal = Portal(self.ground)
        self.model = Model()
        self.done: Counter[str] = Counter()
        # What chance chose: the operations of the beginning are one step, those of the end none.
        self.steps = 0
        self.begun = 0
        self.is_whole = False
        self.since_expiry = 0
        self.operations = 0
        self.dear = 0
        self.turned = 0
        self.cleared: int | None = None

    @contextmanager
    def step(self, name: str, crash: int = 0, fault: str = "") -> Iterator[None]:
        """An operation, disturbed or not; afterwards the books are the model's."""
        self.is_whole = False
        self.portal.disturb(crash, fault)
        yield
        self.portal.settle_down()
        self.done[name] += 1
        self.since_expiry += 1
        self.operations += 1
        self.compare()
        self.is_whole = True

    def may_cost(self) -> bool:
        """Whether work may come next: a case from its first word to its bill costs as much as ten other operations."""
        waits = any(invoice.open > 0 for invoice in self.model.invoices) or any(
            not statement.disposed for statement in self.model.statements
        )
        return not waits or self.dear < 3 + self.operations // EVERY

    def may_turn(self) -> bool:
        """Whether a switch may be turned again: on and off is no story."""
        return self.operations - self.turned >= BETWEEN_TURNS

    def now(self) -> float:
        """The portal's time."""
        return self.portal.now.timestamp()

    def compare(self) -> None:
        """Equal to the cent; Stripe is asked when money should have moved there, and with the whole books."""
        seen = looking.look(self.portal)
        if seen.may_receive and self.model.is_known_restricted:
            settling.go_late(self.model)
        expected = self.model.standing()
        assert seen.accounts == expected, {
            account: (seen.accounts.get(account, 0), expected.get(account, 0))
            for account in seen.accounts | expected
            if seen.accounts.get(account) != expected.get(account)
        }
        # When the portal looked at the account is a matter of time; what it does then is the reference's.
        self.model.is_known_restricted = not seen.may_receive
        if self.operations % WHOLE_EVERY == 0:
            self.compare_whole()
        elif self.model.accounts[CLEARING] != self.cleared:
            self.compare_with_stripe()

    def compare_whole(self) -> None:
        """Nothing is found in the books, from the journal to the statements, nor between them and Stripe's."""
        self.compare_with_stripe()
        found = looking.findings(self.portal)
        assert not found, [str(each) for each in found]

    def compare_with_stripe(self) -> None:
        """What is at Stripe is what should be there."""
        self.cleared = self.model.accounts[CLEARING]
        found = looking.at_stripe(self.portal)
        assert found == self.cleared, (found, self.cleared)


def one_of(things: Sequence[Thing], which: int) -> Thing:
    """The one that was chosen."""
    return things[which % len(things)]
