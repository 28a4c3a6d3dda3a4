"""Months are closed, statements contested, prepared and approved, transfers made to wait."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from portal.errors import Stale
from tests.machine.doing import settling as doing
from tests.machine.doing import working
from tests.machine.happening.beside import CRASHES, FAULTS, WHICH, Beside, one_of
from tests.machine.happening.working import BETWEEN_EXPIRIES
from tests.machine.reference import paying
from tests.machine.reference import settling as reference
from tests.machine.reference import working as hours
from tests.machine.reference.facts import FACTORY, INTEGRATOR, Statement

PARTIES = (FACTORY, INTEGRATOR)


class Settling(Beside):
    """From a month's end to the money that leaves."""

    def has_news(self) -> bool:
        """Whether a month's end would make a statement or an invoice of something."""
        model = self.model
        unstated = any(model.payable(party) != reference.undisposed(model, party) for party in PARTIES)
        return unstated or bool(paying.to_invoice(model))

    @precondition(has_news)
    @rule(crash=st.integers(0, 25))
    def close(self, crash: int) -> None:
        self.close_period("close a period", crash)

    @precondition(lambda self: self.since_expiry > BETWEEN_EXPIRIES and any(pack.left for pack in self.model.packs))
    @rule(crash=CRASHES)
    def expire(self, crash: int) -> None:
        working.end_packs(self.portal)
        self.since_expiry = 0
        self.close_period("expire", crash)

    def close_period(self, name: str, crash: int = 0) -> None:
        """The open month is closed; hours that have ended are earned after it."""
        with self.step(name, crash):
            statements, invoices, closed_at = doing.close(self.portal)
            reference.close(self.model)
            hours.expire_ended(self.model, closed_at)
            nets = {party: self.model.payable(party) - reference.undisposed(self.model, party) for party in PARTIES}
            shown = {one.party: one.net for one in statements}
            assert {party: shown.get(party, 0) for party in nets} == nets, (shown, nets)
            for one in statements:
                assert sum(one.lines.values()) == one.net
            self.model.statements += statements
            assert len(invoices) == bool(paying.to_invoice(self.model)), (invoices, paying.to_invoice(self.model))
            for number in invoices:
                paying.invoice(self.model, number)

    def contestable(self) -> list[tuple[Statement, list[int]]]:
        """The integrator's statements under review, with the lines nobody has contested."""
        found = [
            (one, [line for line in one.lines if line not in one.contested])
            for one in self.model.statements
            if one.party == INTEGRATOR and not one.disposed and self.now() + 60 < one.review_until
        ]
        return [(one, lines) for one, lines in found if lines]

    @precondition(contestable)
    @rule(which=WHICH, line=WHICH, crash=CRASHES)
    def contest(self, which: int, line: int, crash: int) -> None:
        statement, lines = one_of(self.contestable(), which)
        with self.step("contest", crash):
            number = one_of(lines, line)
            doing.contest(self.portal, number)
            statement.contested[number] = ""

    def contested(self) -> list[tuple[Statement, int]]:
        """Lines whose contest has not ended."""
        return [(one, line) for one in self.model.statements for line, end in one.contested.items() if not end]

    @precondition(contested)
    @rule(which=WHICH, outcome=st.sampled_from(("stands", "corrected", "withdrawn")), crash=CRASHES)
    def end_contest(self, which: int, outcome: str, crash: int) -> None:
        self.decide_contest(*one_of(self.contested(), which), outcome, crash)

    def decide_contest(self, statement: Statement, line: int, outcome: str, crash: int = 0) -> None:
        """A contest ends."""
        with self.step("end a contest", crash):
            doing.end_contest(self.portal, line, outcome)
            statement.contested[line] = outcome

    def undisposed(self) -> list[Statement]:
        """Statements of which nothing has become yet."""
        return [one for one in self.model.statements if not one.disposed]

    def unprepared(self) -> list[Statement]:
        """Those that have no plan, or one that does not hold any more."""
        return [one for one in self.undisposed() if one.prepared != reference.plan(self.model, one)]

    @precondition(unprepared)
    @rule(which=WHICH, crash=CRASHES)
    def prepare(self, which: int, crash: int) -> None:
        self.fix(one_of(self.unprepared(), which), crash)

    def fix(self, statement: Statement, crash: int = 0) -> None:
        """What is to become of a net is fixed."""
        with self.step("prepare", crash):
            doing.prepare(self.portal, statement.id)
            statement.prepared = reference.plan(self.model, statement)

    def prepared(self) -> list[Statement]:
        """Statements with a plan that nobody has approved."""
        return [one for one in self.undisposed() if one.prepared is not None]

    @precondition(prepared)
    @rule(which=WHICH, crash=CRASHES, fault=FAULTS)
    def approve(self, which: int, crash: int, fault: str) -> None:
        self.carry_out(one_of(self.prepared(), which), crash, fault)

    def carry_out(self, statement: Statement, crash: int = 0, fault: str = "") -> None:
        """A plan is approved, which is refused where it does not hold any more."""
        if statement.prepared != reference.plan(self.model, statement):
            with self.step("approve what has changed (refused)"), pytest.raises(Stale):
                doing.approve(self.portal, statement.id)
            statement.prepared = None
            return
        with self.step("approve and transfer", crash, fault):
            doing.approve(self.portal, statement.id)
            reference.dispose(self.model, statement)

    def holdable(self) -> list[int]:
        """Cases that something on an open statement is of and that nobody holds."""
        found = {case for one in self.undisposed() for case in one.cases.values()}
        return sorted(found - self.model.held_cases.keys())

    @precondition(lambda self: self.holdable())
    @rule(which=WHICH, crash=CRASHES)
    def hold_case(self, which: int, crash: int) -> None:
        number = one_of(self.holdable(), which)
        with self.step("hold a case", crash):
            self.model.held_cases[number] = doing.hold_case(self.portal, number)

    @precondition(lambda self: self.may_turn() and self.undisposed() and not self.model.held_parties)
    @rule(crash=CRASHES)
    def hold_party(self, crash: int) -> None:
        self.turned = self.operations
        with self.step("hold a party", crash):
            self.model.held_parties[INTEGRATOR] = doing.hold_party(self.portal)

    def holds(self) -> list[int]:
        """The holds that stand."""
        return [*self.model.held_cases.values(), *self.model.held_parties.values()]

    @precondition(holds)
    @rule(which=WHICH, crash=CRASHES)
    def end_hold(self, which: int, crash: int) -> None:
        self.let_go(one_of(self.holds(), which), crash)

    def let_go(self, hold: int, crash: int = 0) -> None:
        """A hold ends."""
        with self.step("end a hold", crash):
            doing.end_hold(self.portal, hold)
            self.model.held_cases = {case: one for case, one in self.model.held_cases.items() if one != hold}
            self.model.held_parties = {party: one for party, one in self.model.held_parties.items() if one != hold}
            if not self.model.is_known_restricted:
                reference.go_late(self.model)

    @precondition(lambda self: self.may_turn() and (self.model.is_restricted or self.undisposed()))
    @rule(told=st.booleans(), crash=CRASHES)
    def restrict(self, told: bool, crash: int) -> None:
        self.turned = self.operations
        self.set_restricted(restricted=not self.model.is_restricted, told=told, crash=crash)

    def set_restricted(self, *, restricted: bool, told: bool, crash: int = 0) -> None:
        """The integrator's account may no longer receive transfers, or may again."""
        with self.step("restrict the account" if restricted else "send transfers that waited", crash):
            doing.restrict(self.portal, restricted=restricted, told=told)
            self.model.is_restricted = restricted
            reference.send(self.model)
        assert not told or self.model.is_known_restricted == restricted

    def send_what_waited(self) -> None:
        """What waited for the account and can go by now."""
        with self.step("send what waited"):
            doing.send_what_waited(self.portal)
            if not self.model.is_known_restricted:
                reference.go_late(self.model)

    @precondition(lambda self: self.model.party_invoices)
    @rule(crash=CRASHES)
    def pay_net(self, crash: int) -> None:
        with self.step("pay a net that is owed", crash):
            doing.pay_net(self.portal)
            reference.pay_net(self.model)
