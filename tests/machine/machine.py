"""What may happen to money, in any order chance comes up with; the books are compared after each of it."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import initialize

from tests.machine.doing import working as doing
from tests.machine.happening.beside import CRASHES
from tests.machine.happening.paying import Paying
from tests.machine.happening.settling import Settling
from tests.machine.happening.working import PARTS, PRICES, WORKERS, Working
from tests.machine.process import FUNDS
from tests.machine.reference import working as reference
from tests.machine.reference.facts import FACTORY, INTEGRATOR, MINIMUM_PAYOUT

# What is nobody's any more at the end.
DRAINED = {"deferred_revenue", "receivable", "payable_in_transfer", "held", "disputed", "refunds_promised"}
# Runs whose undone rows may lie about.
TIDIED_EVERY = 10


class MoneyMachine(Working, Paying, Settling):
    """Runs the portal and the reference side by side."""

    @initialize(worker=WORKERS, part=PARTS, price=PRICES, on_invoice=st.booleans(), crash=CRASHES)
    def begin(self, worker: str, part: int, price: int, on_invoice: bool, crash: int) -> None:
        """Money is at Stripe; some work was billed, a pack is sold, and the first invoice is paid."""
        reference.fund(self.model, FUNDS)
        self.work(worker, part, 165, crash)
        self.buy(1, price, on_invoice, crash)
        self.invoice(crash, "")
        self.pay_by_card(0, crash)
        self.begun = self.operations

    def drain(self) -> None:
        """Everything that is under way is brought to its end; nothing is left but what is too small to be paid."""
        for number in sorted(self.model.disputes):
            self.decide_dispute(number, won=True)
        if self.model.is_restricted or self.model.is_known_restricted:
            self.set_restricted(restricted=False, told=True)
        for statement, line in self.contested():
            self.decide_contest(statement, line, "stands")
        for hold in self.holds():
            self.let_go(hold)
        doing.end_packs(self.portal)
        self.send_what_waited()
        self.close_period("close the last period")
        for invoice in self.unpaid():
            self.pay_at_bank(invoice, invoice.open)
        self.settle_everything()
        self.close_period("close the last period")
        self.settle_everything()
        while self.model.party_invoices:
            self.pay_net(0)
        left = self.model.standing()
        assert not [account for account in left if account[0] in DRAINED], left
        assert abs(self.model.payable(INTEGRATOR)) < MINIMUM_PAYOUT
        assert self.model.payable(FACTORY) == 0
        self.compare_whole()

    def settle_everything(self) -> None:
        """Every statement is prepared and approved."""
        for statement in self.undisposed():
            self.fix(statement)
            self.carry_out(statement)

    def teardown(self) -> None:
        try:
            # What failed is not carried on.
            if self.is_whole:
                self.steps = 1 + self.operations - self.begun
                self.drain()
                if MoneyMachine.on_whole is not None:
                    MoneyMachine.on_whole(self)
        finally:
            MoneyMachine.runs += 1
            MoneyMachine.accepted.update(self.done)
            MoneyMachine.met.update(self.portal.met)
            self.portal.leave()
            if MoneyMachine.runs % TIDIED_EVERY == 0:
                self.ground.shared.tidy_up()
