"""Packs are sold and end, cases are worked on and corrected."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tests.machine.doing import working as doing
from tests.machine.happening.beside import CRASHES, WHICH, Beside, one_of
from tests.machine.reference import working as reference
from tests.machine.reference.facts import FACTORY, HOUR, INTEGRATOR, Case, Pack

WORKERS = st.sampled_from((FACTORY, INTEGRATOR))
ALL_MINUTES = (30, 45, 60, 90, 165, 240, 300)
MINUTES = st.sampled_from(ALL_MINUTES)
PARTS = st.sampled_from((2_500, 8_000, 5_000))
PRICES = st.integers(1_000, 270_000)
MOST_PACKS = 3
# An end of all packs takes 400 days with it: not every other moment.
BETWEEN_EXPIRIES = 12


class Working(Beside):
    """Sales and work."""

    @precondition(lambda self: len(reference.usable(self.model, self.now())) < MOST_PACKS)
    @rule(quantity=st.integers(1, 2), price=PRICES, on_invoice=st.booleans(), crash=CRASHES)
    def buy(self, quantity: int, price: int, on_invoice: bool, crash: int) -> None:
        with self.step("buy a pack", crash):
            since = self.now()
            number, ends = doing.buy(
                self.portal, pack_code="hours_10", quantity=quantity, price=price, on_invoice=on_invoice
            )
            reference.buy(self.model, Pack(number, price, quantity * 10 * HOUR, on_invoice, since, ends))

    @precondition(Beside.may_cost)
    @rule(worker=WORKERS, part=PARTS, minutes=MINUTES, crash=CRASHES)
    def work(self, worker: str, part: int, minutes: int, crash: int) -> None:
        self.dear += 1
        with self.step("use a pack" if reference.usable(self.model, self.now()) else "bill time and materials", crash):
            number, item, started = doing.work(self.portal, worker=worker, integrator_bp=part, minutes=minutes)
            case = Case(number, worker, part, minutes * 60, started, item)
            self.model.cases.append(case)
            reference.bill(self.model, case)

    @precondition(lambda self: self.may_cost() and reference.correctable(self.model))
    @rule(which=WHICH, minutes=MINUTES, crash=CRASHES)
    def correct(self, which: int, minutes: int, crash: int) -> None:
        self.dear += 1
        case = one_of(reference.correctable(self.model), which)
        if case.seconds == minutes * 60:
            minutes = ALL_MINUTES[ALL_MINUTES.index(minutes) - 1]
        with self.step("correct", crash):
            case.item = doing.correct(self.portal, case.id, worker=case.worker, minutes=minutes)
            reference.correct(self.model, case, minutes * 60)
