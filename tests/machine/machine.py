"""What may happen to money, in any order chance comes up with; the books are compared after each of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from portal.errors import Stale
from tests.machine.driver import FUNDS, Ground, Portal
from tests.machine.model import FACTORY, HOUR, INTEGRATOR, Case, Invoice, Model, Pack, Receipt, Statement

WORKERS = st.sampled_from((FACTORY, INTEGRATOR))
MINUTES = st.sampled_from((30, 45, 60, 90, 165, 240, 300))
PARTS = st.sampled_from((2_500, 8_000, 5_000))
WHICH = st.integers(0, 9)
THOUSANDTHS = st.integers(1, 1_000)
# What is nobody's any more at the end.
DRAINED = {"deferred_revenue", "receivable", "payable_in_transfer", "held", "disputed", "refunds_promised"}
# Mostly nothing disturbs.
CRASHES = st.sampled_from((0, 0, 0, 1, 2, 3, 5, 8, 13))
FAULTS = st.sampled_from(("", "", "", "lose_answer", "break_body", "error_before", "error_kept", "rate_limit"))


class MoneyMachine(RuleBasedStateMachine):
    """Runs the portal and the model side by side; ``ground`` and ``accepted`` belong to the process."""

    ground: Ground
    accepted: Counter[str] = Counter()
    met: Counter[str] = Counter()
    runs = 0

    def __init__(self) -> None:
        super().__init__()
        self.portal = Portal(self.ground)
        self.model = Model()
        self.is_whole = False

    @initialize(worker=WORKERS, part=PARTS, price=st.integers(1_000, 270_000), on_invoice=st.booleans(), crash=CRASHES)
    def begin(self, worker: str, part: int, price: int, on_invoice: bool, crash: int) -> None:
        """Money is at Stripe; some work was billed, a pack is sold, and the first invoice is paid."""
        self.model.fund(FUNDS)
        self.work(worker, part, 165, crash)
        self.buy(1, price, on_invoice, crash)
        self.invoice(crash, "")
        self.pay_by_card(0, crash)

    @contextmanager
    def step(self, name: str, crash: int = 0, fault: str = "") -> Iterator[None]:
        """An operation, disturbed or not; afterwards the books are the model's."""
        self.is_whole = False
        self.portal.disturb(crash, fault)
        yield
        self.portal.settle_down()
        self.accepted[name] += 1
        self.compare()
        self.is_whole = True

    def now(self) -> float:
        """The portal's time."""
        return self.portal.now.timestamp()

    def compare(self) -> None:
        """Balanced, equal to the cent, nothing found, and Stripe says the same."""
        shown, expected = self.portal.accounts(), self.model.standing()
        assert shown == expected, {
            account: (shown.get(account, 0), expected.get(account, 0))
            for account in shown | expected
            if shown.get(account) != expected.get(account)
        }
        assert self.portal.findings() == []
        assert self.portal.balance_at_stripe() == self.model.accounts["stripe_clearing", ""]

    # Sales and work

    @rule(quantity=st.integers(1, 2), price=st.integers(1_000, 270_000), on_invoice=st.booleans(), crash=CRASHES)
    def buy(self, quantity: int, price: int, on_invoice: bool, crash: int) -> None:
        if len([pack for pack in self.model.packs if pack.left]) >= 3:
            return
        with self.step("buy a pack", crash):
            since = self.portal.now.timestamp()
            number = self.portal.buy(pack_code="hours_10", quantity=quantity, price=price, on_invoice=on_invoice)
            self.model.buy(Pack(number, price, quantity * 10 * HOUR, on_invoice, since))

    @rule(worker=WORKERS, part=PARTS, minutes=MINUTES, crash=CRASHES)
    def work(self, worker: str, part: int, minutes: int, crash: int) -> None:
        with self.step("use a pack" if self.model.hours_left() else "bill time and materials", crash):
            number, item, started = self.portal.work(worker=worker, integrator_bp=part, minutes=minutes)
            case = Case(number, worker, part, minutes * 60, started, item)
            self.model.cases.append(case)
            self.model.bill(case)

    def correctable(self) -> list[Case]:
        """Cases whose packs have not expired and whose invoices nobody got anything back of."""
        return [
            case
            for case in self.model.cases
            if not any(use.pack.expired for use in case.uses) and not self.model.is_adjusted(case)
        ]

    @precondition(lambda self: self.correctable())
    @rule(which=WHICH, minutes=MINUTES, crash=CRASHES)
    def correct(self, which: int, minutes: int, crash: int) -> None:
        case = _one_of(self.correctable(), which)
        if case.seconds == minutes * 60:
            return
        with self.step("correct", crash):
            case.item = self.portal.correct(case.id, worker=case.worker, minutes=minutes)
            self.model.correct(case, minutes * 60)

    @precondition(lambda self: any(pack.left for pack in self.model.packs))
    @rule(crash=CRASHES, gate=st.integers(0, 3))
    def expire(self, crash: int, gate: int) -> None:
        if gate:
            return
        self.portal.end_packs()
        self._close("expire", crash, ends_packs=True)

    # Invoices and cash

    @precondition(lambda self: self.model.to_invoice())
    @rule(crash=CRASHES, fault=FAULTS)
    def invoice(self, crash: int, fault: str) -> None:
        with self.step("invoice", crash, fault):
            self.model.invoice(self.portal.invoice() or 0)

    def unpaid(self) -> list[Invoice]:
        """Invoices with something open."""
        return [invoice for invoice in self.model.invoices if invoice.open > 0]

    @precondition(lambda self: any(not invoice.receipts for invoice in self.unpaid()))
    @rule(which=WHICH, crash=CRASHES)
    def pay_by_card(self, which: int, crash: int) -> None:
        invoice = _one_of([each for each in self.unpaid() if not each.receipts], which)
        with self.step("pay by card", crash):
            number = self.portal.pay_by_card(invoice.id)
            self.model.pay(invoice, Receipt(number, invoice.open, by_card=True, paid_at=self.now()))

    @precondition(lambda self: self.unpaid())
    @rule(which=WHICH, part=THOUSANDTHS, crash=CRASHES)
    def pay_elsewhere(self, which: int, part: int, crash: int) -> None:
        invoice = _one_of(self.unpaid(), which)
        amount = max(invoice.open * part // 1_000, 1)
        with self.step("pay at the bank", crash):
            number = self.portal.pay_elsewhere(invoice.id, amount)
            self.model.pay(invoice, Receipt(number, amount, by_card=False, paid_at=self.now()))

    # Money that goes back

    def refundable(self) -> list[tuple[Invoice, Receipt]]:
        """Card payments of which something is left, on invoices of which no payment is disputed."""
        return [
            (invoice, receipt)
            for invoice in self.model.invoices
            if self.model.may_go_back(invoice) and not any(each.dispute == "open" for each in invoice.receipts)
            for receipt in invoice.receipts
            if receipt.by_card
            and receipt.dispute != "lost"
            and min(receipt.amount - receipt.refunded, invoice.rest) > 0
        ]

    @precondition(lambda self: self.refundable())
    @rule(which=WHICH, part=THOUSANDTHS, crash=CRASHES, fault=FAULTS)
    def refund(self, which: int, part: int, crash: int, fault: str) -> None:
        invoice, receipt = _one_of(self.refundable(), which)
        amount = max(min(receipt.amount - receipt.refunded, invoice.rest) * part // 1_000, 1)
        # The stand-in refuses a charge whose dispute was won.
        expected = "failed" if receipt.dispute else "done"
        with self.step(f"refund ({expected})", crash, fault):
            ended = self.portal.refund(invoice.id, receipt.id, amount)
            assert ended == expected, ended
            self.model.refund(invoice, receipt, amount, self.now(), is_refused=bool(receipt.dispute))

    @precondition(lambda self: any(not receipt.dispute for _, receipt in self.refundable()))
    @rule(which=WHICH, crash=CRASHES)
    def charge_back(self, which: int, crash: int) -> None:
        invoice, receipt = _one_of([pair for pair in self.refundable() if not pair[1].dispute], which)
        with self.step("charge back", crash):
            self.portal.charge_back(receipt.id)
            self.model.charge_back(invoice, receipt, self.now())

    @precondition(lambda self: self.model.disputes)
    @rule(which=WHICH, won=st.booleans(), crash=CRASHES)
    def end_dispute(self, which: int, won: bool, crash: int) -> None:
        self._end_dispute(_one_of(sorted(self.model.disputes), which), won=won, crash=crash)

    def _end_dispute(self, number: int, *, won: bool, crash: int = 0) -> None:
        receipts = [receipt for invoice in self.model.invoices for receipt in invoice.receipts]
        receipt = next(each for each in receipts if each.id == number)
        with self.step("win a chargeback" if won else "lose a chargeback", crash):
            self.portal.end_dispute(number, won=won)
            self.model.end_dispute(receipt, won=won)

    # Settlement

    def has_news(self) -> bool:
        """Whether a month's end would make a statement or an invoice of something."""
        unstated = any(self.model.payable(party) != self.model.undisposed(party) for party in (FACTORY, INTEGRATOR))
        return unstated or bool(self.model.to_invoice())

    @precondition(lambda self: self.has_news())
    @rule(crash=st.integers(0, 25))
    def close(self, crash: int) -> None:
        self._close("close a period", crash)

    def _close(self, name: str, crash: int = 0, *, ends_packs: bool = False) -> None:
        with self.step(name, crash):
            statements, invoices, _ = self.portal.close()
            nets = self.model.close()
            if ends_packs:
                for pack in self.model.packs:
                    if not pack.expired:
                        self.model.expire(pack)
                nets = {p: self.model.payable(p) - self.model.undisposed(p) for p in nets}
            shown = {party: net for _, party, net in statements}
            assert {party: shown.get(party, 0) for party in nets} == nets, (shown, nets)
            self.model.statements += [Statement(*row) for row in statements]
            assert len(invoices) == (1 if self.model.to_invoice() else 0)
            for number in invoices:
                self.model.invoice(number)

    def in_review(self) -> list[Statement]:
        """The integrator's statements of which nothing has become yet."""
        return [one for one in self.model.statements if one.party == INTEGRATOR and not one.disposed]

    @precondition(lambda self: self.in_review())
    @rule(which=WHICH, line=WHICH, crash=CRASHES)
    def contest(self, which: int, line: int, crash: int) -> None:
        statement = _one_of(self.in_review(), which)
        lines = [row for row in self.portal.lines(statement.id) if row[0] not in statement.contested]
        if not lines or not self.portal.may_contest(statement.id):
            return
        with self.step("contest", crash):
            number, minor = _one_of(lines, line)
            self.portal.contest(number)
            statement.contested[number] = (minor, "")

    def contested(self) -> list[tuple[Statement, int]]:
        """Lines whose contest has not ended."""
        return [(one, line) for one in self.model.statements for line, (_, end) in one.contested.items() if not end]

    @precondition(lambda self: self.contested())
    @rule(which=WHICH, outcome=st.sampled_from(("stands", "corrected", "withdrawn")), crash=CRASHES)
    def end_contest(self, which: int, outcome: str, crash: int) -> None:
        self._end_contest(*_one_of(self.contested(), which), outcome, crash)

    def _end_contest(self, statement: Statement, line: int, outcome: str, crash: int = 0) -> None:
        with self.step("end a contest", crash):
            self.portal.end_contest(line, outcome)
            statement.contested[line] = (statement.contested[line][0], outcome)

    def undisposed(self, *, prepared: bool = False) -> list[Statement]:
        """Statements of which nothing has become yet."""
        return [one for one in self.model.statements if not one.disposed and (one.prepared is not None or not prepared)]

    @precondition(lambda self: self.undisposed())
    @rule(which=WHICH, crash=CRASHES)
    def prepare(self, which: int, crash: int) -> None:
        self._prepare(_one_of(self.undisposed(), which), crash)

    def _prepare(self, statement: Statement, crash: int = 0) -> None:
        with self.step("prepare", crash):
            self.portal.prepare(statement.id)
            statement.prepared = self.model.plan(statement)

    @precondition(lambda self: self.undisposed(prepared=True))
    @rule(which=WHICH, crash=CRASHES, fault=FAULTS)
    def approve(self, which: int, crash: int, fault: str) -> None:
        self._approve(_one_of(self.undisposed(prepared=True), which), crash, fault)

    def _approve(self, statement: Statement, crash: int = 0, fault: str = "") -> None:
        if statement.prepared != self.model.plan(statement):
            with self.step("approve what has changed (refused)"), pytest.raises(Stale):
                self.portal.approve(statement.id)
            statement.prepared = None
            return
        with self.step("approve and transfer", crash, fault):
            self.portal.approve(statement.id)
            self.model.dispose(statement)

    @rule(crash=CRASHES)
    def restrict(self, crash: int) -> None:
        restricted = not self.model.is_restricted
        if not restricted and not self.model.queue:
            return
        self._restrict(restricted=restricted, crash=crash)

    def _restrict(self, *, restricted: bool, crash: int = 0) -> None:
        with self.step("restrict the account" if restricted else "send transfers that waited", crash):
            self.portal.restrict(restricted=restricted)
            self.model.is_restricted = restricted
            self.model.send()

    @precondition(lambda self: self.model.party_invoices)
    @rule(crash=CRASHES)
    def pay_net(self, crash: int) -> None:
        with self.step("pay a net that is owed", crash):
            self.portal.pay_net(self.model.pay_net())

    # The end

    def drain(self) -> None:
        """Everything that is under way is brought to its end; nothing is left but what is too small to be paid."""
        for number in sorted(self.model.disputes):
            self._end_dispute(number, won=True)
        if self.model.is_restricted:
            self._restrict(restricted=False)
        for statement, line in self.contested():
            self._end_contest(statement, line, "stands")
        self.portal.end_packs()
        self._close("close the last period", ends_packs=True)
        self._pay_everything()
        self._settle_everything()
        self._close("close the last period")
        self._settle_everything()
        while self.model.party_invoices:
            self.pay_net(0)
        left = self.model.standing()
        for purpose in (
            "deferred_revenue",
            "receivable",
            "payable_in_transfer",
            "held",
            "disputed",
            "refunds_promised",
        ):
            assert not [account for account in left if account[0] == purpose], left
        assert abs(self.model.payable(INTEGRATOR)) < 5_000
        assert self.model.payable(FACTORY) == 0

    def _pay_everything(self) -> None:
        for invoice in self.unpaid():
            with self.step("pay at the bank"):
                amount = invoice.open
                self.model.pay(invoice, Receipt(self.portal.pay_elsewhere(invoice.id, amount), amount, by_card=False))

    def _settle_everything(self) -> None:
        for statement in self.undisposed():
            self._prepare(statement)
            self._approve(statement)

    def teardown(self) -> None:
        try:
            # What failed is not carried on.
            if self.is_whole:
                self.drain()
        finally:
            type(self).runs += 1
            self.met.update(self.portal.met)
            self.portal.leave()


def _one_of(things: list, which: int):
    return things[which % len(things)]
