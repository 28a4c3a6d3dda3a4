"""Invoices, cash, refunds and chargebacks."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tests.machine.doing import paying as doing
from tests.machine.happening.beside import CRASHES, FAULTS, THOUSANDTHS, WHICH, Beside, one_of
from tests.machine.reference import going_back
from tests.machine.reference import paying as reference
from tests.machine.reference.facts import Invoice, Receipt


class Paying(Beside):
    """Cash in, and money that goes back."""

    @precondition(lambda self: reference.to_invoice(self.model))
    @rule(crash=CRASHES, fault=FAULTS)
    def invoice(self, crash: int, fault: str) -> None:
        with self.step("invoice", crash, fault):
            reference.invoice(self.model, doing.invoice(self.portal) or 0)

    def unpaid(self) -> list[Invoice]:
        """Invoices with something open."""
        return [invoice for invoice in self.model.invoices if invoice.open > 0]

    @precondition(lambda self: any(not invoice.receipts for invoice in self.unpaid()))
    @rule(which=WHICH, crash=CRASHES)
    def pay_by_card(self, which: int, crash: int) -> None:
        invoice = one_of([each for each in self.unpaid() if not each.receipts], which)
        with self.step("pay by card", crash):
            number = doing.pay_by_card(self.portal, invoice.id)
            reference.pay(self.model, invoice, Receipt(number, invoice.open, by_card=True, paid_at=self.now()))

    @precondition(lambda self: self.unpaid())
    @rule(which=WHICH, part=THOUSANDTHS, crash=CRASHES)
    def pay_elsewhere(self, which: int, part: int, crash: int) -> None:
        invoice = one_of(self.unpaid(), which)
        self.pay_at_bank(invoice, max(invoice.open * part // 1_000, 1), crash)

    def pay_at_bank(self, invoice: Invoice, amount: int, crash: int = 0) -> None:
        """So much of an invoice arrives at the bank."""
        with self.step("pay at the bank", crash):
            number = doing.pay_elsewhere(self.portal, invoice.id, amount)
            reference.pay(self.model, invoice, Receipt(number, amount, by_card=False, paid_at=self.now()))

    # Money that goes back

    @precondition(lambda self: going_back.refundable(self.model))
    @rule(which=WHICH, part=THOUSANDTHS, crash=CRASHES, fault=FAULTS)
    def refund(self, which: int, part: int, crash: int, fault: str) -> None:
        invoice, receipt = one_of(going_back.refundable(self.model), which)
        amount = max(min(receipt.amount - receipt.refunded, invoice.rest) * part // 1_000, 1)
        # The stand-in refuses a charge whose dispute was won.
        expected = "failed" if receipt.dispute else "done"
        now = self.now()
        with self.step(f"refund ({expected})", crash, fault):
            ended = doing.refund(self.portal, invoice.id, receipt.id, amount)
            assert ended == expected, ended
            going_back.refund(self.model, invoice, receipt, amount, now, is_refused=bool(receipt.dispute))

    @precondition(lambda self: going_back.creditable(self.model))
    @rule(which=WHICH, part=THOUSANDTHS, crash=CRASHES, fault=FAULTS)
    def credit(self, which: int, part: int, crash: int, fault: str) -> None:
        invoice = one_of(going_back.creditable(self.model), which)
        amount = max((invoice.open - 1) * part // 1_000, 1)
        with self.step("credit", crash, fault):
            ended = doing.credit(self.portal, invoice.id, amount)
            assert ended == "done", ended
            going_back.credit(self.model, invoice, amount)

    @precondition(lambda self: any(not receipt.dispute for _, receipt in going_back.refundable(self.model)))
    @rule(which=WHICH, crash=CRASHES)
    def charge_back(self, which: int, crash: int) -> None:
        pairs = [pair for pair in going_back.refundable(self.model) if not pair[1].dispute]
        invoice, receipt = one_of(pairs, which)
        now = self.now()
        with self.step("charge back", crash):
            doing.charge_back(self.portal, receipt.id)
            going_back.charge_back(self.model, invoice, receipt, now)

    @precondition(lambda self: self.model.disputes)
    @rule(which=WHICH, won=st.booleans(), crash=CRASHES)
    def end_dispute(self, which: int, won: bool, crash: int) -> None:
        self.decide_dispute(one_of(sorted(self.model.disputes), which), won=won, crash=crash)

    def decide_dispute(self, number: int, *, won: bool, crash: int = 0) -> None:
        """The bank decides about a payment."""
        receipts = [receipt for invoice in self.model.invoices for receipt in invoice.receipts]
        receipt = next(each for each in receipts if each.id == number)
        with self.step("win a chargeback" if won else "lose a chargeback", crash):
            doing.end_dispute(self.portal, number, won=won)
            going_back.end_dispute(self.model, receipt, won=won)
