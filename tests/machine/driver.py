"""The portal's side of the machine: each operation by the real actions and jobs, with crashes and Stripe's faults.

A crash is a commit that does not happen: whatever the portal was about to commit is rolled back, and the act or the job
runs again. A job whose end was not written down is put back, as the worker does for one that was killed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from math import ceil
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from sqlalchemy import Engine, event, select, text
from sqlalchemy.orm import Session

from portal.adjustments.actions import asking
from portal.adjustments.actions.asking import Wanted
from portal.billing.actions import PackOrder, PackPrice, bill, cut, gather_invoices, sell_pack
from portal.billing.models import Invoice
from portal.billing.queries import live_items
from portal.cases import actions as cases
from portal.config import Settings
from portal.db import WORK_ROLE, transaction
from portal.entitlement.models import AuthorizationRequest
from portal.jobs import enqueue
from portal.ledger.actions import open_first_period
from portal.ledger.models import Period
from portal.metering.actions import Work, approve_time, correct_entry, enter_time
from portal.payments import cash, handling
from portal.payments.gateway import Gateway, connect
from portal.payments.models import CashReceipt, Chargeback, Intent
from portal.payments.provider import Busy, Unknown
from portal.payments.queries import tie_out, unmatched_movements
from portal.settlement import actions as settlement
from portal.settlement import closing, queries
from portal.settlement.books import all_problems
from portal.settlement.models import Contest, Statement, StatementLine
from portal.worker.registry import Edges
from portal.worker.running import run_pending
from tests.standin.process import Standin
from tests.support.cases import escalated
from tests.support.cast import NOW, Cast, recast
from tests.support.going_back import Kept
from tests.support.payments import connected
from tests.support.shared_connection import SharedConnection

BERLIN = ZoneInfo("Europe/Berlin")
# Days on which the cast's policy has no business hours.
HOLIDAYS = {(1, 1), (5, 1), (10, 3), (12, 25), (12, 26)}
MOVING_HOLIDAYS = {
    date(2026, 4, 3), date(2026, 4, 6), date(2026, 5, 14), date(2026, 5, 25),
    date(2027, 3, 26), date(2027, 3, 29), date(2027, 5, 6), date(2027, 5, 17),
}  # fmt: skip
# Who resolved what: the words, and the integrator's part of that by the agreement.
RESOLUTIONS = {
    2_500: cases.Resolving(cause="configuration", last_action="remote_configuration", summary="Door groups set."),
    8_000: cases.Resolving(cause="network", last_action="part_replaced", summary="The switch was replaced."),
    5_000: cases.Resolving(cause="not_found", last_action="none", summary="It did not come back."),
}
FUNDS = 5_000_000
# Pages and letters are others' tests: their jobs, and those of a case's clocks, are set aside.
_SET_ASIDE = text(
    """
    DELETE FROM procrastinate_jobs WHERE task_name NOT IN (
        'bill_cut', 'bill_cuts', 'rebill', 'time_changed', 'reserve_case_hours', 'apply_cash', 'book_cash',
        'end_grants', 'perform_intent', 'perform_waiting', 'handle_provider_event', 'refresh_account',
        'retry_waiting_transfers',
        'advance_adjustment', 'follow_up_intent', 'advance_chargeback', 'close_period', 'dispose_approval',
        'hard_close_period', 'settle_shares')
    """
)
_PUT_BACK = text("UPDATE procrastinate_jobs SET status = 'todo' WHERE status = 'doing'")
_WAITING = text("SELECT count(*) FROM procrastinate_jobs WHERE status IN ('todo', 'doing')")
_FAILED = text("SELECT task_name FROM procrastinate_jobs WHERE status = 'failed'")
_ACCOUNTS = text(
    """
    SELECT account.purpose, account.party_id, sum(posting.amount_minor)::bigint AS minor
    FROM posting JOIN account ON account.id = posting.account_id
    GROUP BY account.purpose, account.party_id HAVING sum(posting.amount_minor) <> 0
    """
)
_UNBALANCED = text("SELECT transaction_id FROM posting GROUP BY transaction_id, currency HAVING sum(amount_minor) <> 0")
MOST_ROUNDS = 40

Result = TypeVar("Result")


class Crash(Exception):
    """The process ends before a commit."""


@dataclass
class Ground:
    """What one process has once: a database with the cast, and a stand-in."""

    shared: SharedConnection
    cast: Cast
    standin: Standin
    settings: Settings


@dataclass
class Portal:
    """The portal on a fresh ground, at its own time."""

    ground: Ground
    now: datetime = NOW
    crash_in: int = field(default=0, init=False)
    is_set: bool = field(default=False, init=False)
    met: Counter[str] = field(default_factory=Counter)
    sales: int = 0

    def __post_init__(self) -> None:
        self.engine: Engine = self.ground.shared.engine(WORK_ROLE)
        self.standin = self.ground.standin
        self.standin.control.reset()
        self.standin.control.endpoints(webhook_url="", thin_webhook_url="")
        self.gateway: Gateway = connect(self.standin.key, self.standin.base_url)
        self.at(self.now)
        self.standin.control.fund(FUNDS, "eur")
        with self.look() as session:
            cast = recast(session, self.ground.cast)
            open_first_period(session, manufacturer_id=cast.factory.id, zone="Europe/Berlin", now=NOW)
            self.account = connected(session, self.gateway, self.standin, cast.integrator)
            self.parties = {
                None: "", cast.factory.id: "factory", cast.integrator.id: "integrator", cast.customer.id: "customer"
            }  # fmt: skip
            self.ids = {name: number for number, name in self.parties.items()}
            session.expunge_all()
        handling.import_movements(self.engine, self.gateway, self.now)
        event.listen(self.engine, "commit", self._committing)

    def leave(self) -> None:
        """Forget everything."""
        event.remove(self.engine, "commit", self._committing)
        self.ground.shared.undo_everything()

    # Time, crashes and jobs

    def at(self, moment: datetime) -> None:
        """Let time pass, here and at Stripe, whose clock runs on between operations: set back, it would take what has
        arrived for money that is still to come.
        """
        theirs = datetime.fromtimestamp(self.standin.control.advance_clock(0), UTC)
        self.now = max(self.now, moment, theirs if self.is_set else moment)
        self.is_set = True
        self.standin.control.set_clock(ceil(self.now.timestamp()))

    def later(self, **by: float) -> None:
        """Let so much time pass."""
        self.at(self.now + timedelta(**by))

    def _committing(self, _connection: object) -> None:
        if self.crash_in:
            self.crash_in -= 1
            if not self.crash_in:
                self.met["crash"] += 1
                raise Crash

    def disturb(self, commits: int, fault: str) -> None:
        """The next operation meets a crash at its so manieth commit, or a fault of Stripe's at its first call."""
        self.crash_in = commits
        if fault:
            details = {"execute": True} if fault == "error_kept" else {}
            self.standin.control.fault(fault, method="POST", path="/v1/(transfers|refunds|invoices).*", **details)

    def settle_down(self) -> None:
        """What was to disturb and did not find anything is over."""
        self.crash_in = 0
        self.standin.control.clear_faults()

    @contextmanager
    def look(self) -> Iterator[Session]:
        """A transaction of the test's own, which meets no crash."""
        self.crash_in, waits = 0, self.crash_in
        with transaction(self.engine) as session:
            yield session
        self.crash_in = waits

    def do(self, act: Callable[[Session, Cast], Result]) -> Result:
        """An act in one transaction, again when it crashed."""
        try:
            return self._once(act)
        except Crash:
            return self._once(act)

    def _once(self, act: Callable[[Session, Cast], Result]) -> Result:
        with transaction(self.engine) as session:
            session.expire_on_commit = False
            return act(session, recast(session, self.ground.cast))

    def jobs(self) -> None:
        """Every job, again when it crashed or Stripe's answer was missing, until none waits."""
        edges = Edges(self.ground.settings, self.engine, lambda: self.now, gateway=self.gateway, mailer=Kept())
        for _ in range(MOST_ROUNDS):
            with self._may_break():
                with self.look() as session:
                    session.execute(_SET_ASIDE)
                    session.execute(_PUT_BACK)
                run_pending(edges)
                with self.look() as session:
                    session.execute(_SET_ASIDE)
                    if not session.scalar(_WAITING):
                        assert session.scalars(_FAILED).all() == []
                        return
            self.later(minutes=10)
        raise AssertionError("jobs are waiting without end")

    @contextmanager
    def _may_break(self) -> Iterator[None]:
        try:
            yield
        except Crash:
            pass
        except (Unknown, Busy) as trouble:
            self.met[type(trouble).__name__] += 1

    def news(self) -> None:
        """Stripe's events are taken in, and everything they set off is done."""
        for _ in range(MOST_ROUNDS):
            try:
                handling.poll_events(self.engine, self.gateway, self.now)
                break
            except (Crash, Unknown, Busy):
                self.later(minutes=1)
        self.jobs()

    # Operations

    def buy(self, *, pack_code: str, quantity: int, price: int, on_invoice: bool) -> int:
        """A pack is sold; the sale's number."""
        self.sales += 1
        source, now = f"machine:{self.sales}", self.now

        def act(session: Session, cast: Cast) -> int:
            order = PackOrder(
                cast.plain_site.id, cast.integrator.id, cast.policy_version.id, pack_code, quantity, now, source
            )
            paid_by = "invoice" if on_invoice else "bank"
            price_of = PackPrice(price, "EUR", cast.integrator.id, paid_by)
            return sell_pack(session, order, price_of, now=now)[1].id

        sale = self.do(act)
        self.later(minutes=1)
        return sale

    def work(self, *, worker: str, integrator_bp: int, minutes: int) -> tuple[int, int, float]:
        """A case from its first word to its bill on the next day with business hours; case, item, begin of work."""
        self.at(_next_morning(self.now))

        def act(session: Session, cast: Cast) -> tuple[int, int]:
            start = self.now
            case = escalated(session, cast, at=start, system_id=cast.plain_system.id)
            cases.accept_custody(session, cast.ana, case, seq=case.seq, now=start + timedelta(minutes=5))
            for request in session.scalars(
                select(AuthorizationRequest.id).where(AuthorizationRequest.case_id == case.id)
            ):
                cases.authorize(session, cast.bea, request, nte_minor=500_000, now=start + timedelta(minutes=6))
            begin = start + timedelta(minutes=30)
            end = begin + timedelta(minutes=minutes)
            by_factory = worker == "factory"
            who, approver = (cast.ana, cast.leo) if by_factory else (cast.tom, cast.mia)
            entry = enter_time(session, who, case, WORK, started_at=begin, ended_at=end, now=end)
            approve_time(session, approver, [entry.id], end)
            solved = end + timedelta(minutes=1)
            session.refresh(case)
            cases.resolve(session, cast.ana, case, RESOLUTIONS[integrator_bp], seq=case.seq, now=solved)
            cases.confirm(session, cast.mia, case, seq=case.seq, now=solved + timedelta(minutes=1))
            made = cut(session, case, "closing", now=start + timedelta(hours=7))
            item = bill(session, made.id, now=start + timedelta(hours=7))[0]
            return case.id, item.id

        began = self.now + timedelta(minutes=30)
        case_id, item_id = self.do(act)
        self.later(hours=7)
        self.jobs()
        return case_id, item_id, began.timestamp()

    def correct(self, case_id: int, *, worker: str, minutes: int) -> int:
        """The time of a case was wrong; its job bills it again. The item that stands."""
        self.later(minutes=5)

        def act(session: Session, cast: Cast) -> None:
            row = session.execute(_LIVE_ENTRY, {"case_id": case_id}).one()
            approver = cast.leo if worker == "factory" else cast.mia
            end = row.started_at + timedelta(minutes=minutes)
            entry = correct_entry(
                session, approver, row.id, WORK, started_at=row.started_at, ended_at=end, reason="Read wrongly",
                now=self.now,
            )  # fmt: skip
            session.flush()
            approve_time(session, approver, [entry.id], self.now)

        self.do(act)
        self.jobs()
        with self.look() as session:
            return live_items(session, case_id)[0].id

    def invoice(self) -> int | None:
        """What is owed becomes an invoice; its number, or nothing where there is none."""
        self.later(minutes=1)
        made = self.do(
            lambda session, cast: [row.id for row in gather_invoices(session, _open_period(session), now=self.now)]
        )
        self.jobs()
        assert len(made) <= 1
        return made[0] if made else None

    def pay_by_card(self, invoice_id: int) -> int:
        """The payer pays all of it on Stripe's page; the receipt."""
        self.later(minutes=1)
        with self.look() as session:
            intent_id = session.get_one(Invoice, invoice_id).intent_id
            at_stripe = session.get_one(Intent, intent_id).provider_object_id
        self.standin.control.pay_invoice(str(at_stripe))
        self.news()
        return self._latest_receipt(invoice_id)

    def pay_elsewhere(self, invoice_id: int, amount: int) -> int:
        """Two people say that money arrived at the bank; the receipt."""
        self.later(minutes=1)
        reference = f"R{int(self.now.timestamp())}"
        record = self.do(
            lambda session, cast: cash.record_payment(
                session, cast.fay, invoice_id=invoice_id, amount_minor=amount, method="wire", reference=reference,
                received_at=self.now, now=self.now,
            ).id
        )  # fmt: skip
        self.do(lambda session, cast: cash.confirm_payment(session, cast.fin, record, livemode=False, now=self.now).id)
        self.jobs()
        return self._latest_receipt(invoice_id)

    def _latest_receipt(self, invoice_id: int) -> int:
        with self.look() as session:
            wanted = select(CashReceipt.id).where(CashReceipt.invoice_id == invoice_id).order_by(CashReceipt.id.desc())
            return session.scalars(wanted.limit(1)).one()

    def refund(self, invoice_id: int, receipt_id: int, amount: int) -> str | None:
        """Fay asks, Fin agrees; how it ended."""
        self.later(minutes=1)

        def ask(session: Session, cast: Cast) -> tuple[int, bool]:
            wanted = Wanted("refund", amount, "Billed twice", receipt_id=receipt_id)
            made = asking.ask(session, cast.fay, invoice_id, wanted, now=self.now)
            return made.id, made.needs_second

        number, needs_second = self.do(ask)
        if needs_second:
            self.do(
                lambda session, cast: (
                    asking.decide(session, cast.fin, number, outcome="yes", explanation="", now=self.now).id
                )
            )
        self.jobs()
        self.news()
        with self.look() as session:
            return session.scalar(text("SELECT outcome FROM adjustment_end WHERE adjustment_id = :id"), {"id": number})

    def charge_back(self, receipt_id: int) -> str:
        """The payer's bank takes a payment back; the dispute at Stripe."""
        self.later(minutes=1)
        with self.look() as session:
            charge = session.get_one(CashReceipt, receipt_id).provider_object_id
        dispute = self.standin.control.dispute(str(charge))
        self.news()
        return dispute

    def end_dispute(self, receipt_id: int, *, won: bool) -> None:
        """The bank decides."""
        self.later(minutes=1)
        with self.look() as session:
            wanted = select(Chargeback.provider_object_id).where(Chargeback.receipt_id == receipt_id)
            dispute = session.scalars(wanted.order_by(Chargeback.id.desc()).limit(1)).one()
        self.standin.control.decide(dispute, "won" if won else "lost")
        self.news()

    def close(self) -> tuple[list[tuple[int, str, int]], list[int], datetime]:
        """The open period is closed, however often it is interrupted; statements and invoices, and its end."""
        with self.look() as session:
            period = session.get_one(Period, _open_period(session))
            period_id, ends_at = period.id, period.ends_at
            known = set(session.scalars(select(Invoice.id)))
        self.at(ends_at + timedelta(hours=6))
        for _ in range(MOST_ROUNDS):
            with self._may_break():
                closing.close_period(self.engine, self.ids["factory"], period_id, livemode=False, now=self.now)
                break
        self.jobs()
        with self.look() as session:
            rows = session.execute(
                select(Statement.id, Statement.party_id, Statement.net_minor).where(Statement.period_id == period_id)
            ).tuples()
            statements = [(number, self.parties[party], net) for number, party, net in rows]
            made = sorted(set(session.scalars(select(Invoice.id))) - known)
        return statements, made, ends_at

    def lines(self, statement_id: int) -> list[tuple[int, int]]:
        """A statement's lines and their amounts."""
        with self.look() as session:
            wanted = select(StatementLine.id, StatementLine.amount_minor).order_by(StatementLine.position)
            return [
                (row[0], row[1]) for row in session.execute(wanted.where(StatementLine.statement_id == statement_id))
            ]

    def may_contest(self, statement_id: int) -> bool:
        """Whether the review of a statement still runs."""
        with self.look() as session:
            return self.now < session.get_one(Statement, statement_id).review_until

    def contest(self, line_id: int) -> None:
        """The integrator's finance says that a line is wrong."""
        self.do(
            lambda session, cast: (
                settlement.contest_line(session, cast.ivo, line_id, reason="Not ours", now=self.now).id
            )
        )

    def end_contest(self, line_id: int, outcome: str) -> None:
        """The line stands or is to be corrected, or the contest is withdrawn."""

        def act(session: Session, cast: Cast) -> int:
            contest = session.scalars(select(Contest.id).where(Contest.statement_line_id == line_id)).one()
            actor = cast.ivo if outcome == "withdrawn" else cast.fin
            return settlement.decide_contest(
                session, actor, contest, outcome=outcome, explanation="Looked at it", now=self.now
            ).id

        self.do(act)

    def prepare(self, statement_id: int) -> None:
        """Fay fixes what is to become of a net, after the review."""

        def act(session: Session, cast: Cast) -> int:
            row = session.get_one(Statement, statement_id)
            if not queries.is_reviewed(session, row, self.now):
                settlement.accept_statement(session, cast.ivo, row.id, shown_sha256=row.content_sha256, now=self.now)
            return settlement.prepare_statement(
                session, cast.fay, row.id, shown_sha256=row.content_sha256, now=self.now
            ).id

        self.do(act)

    def approve(self, statement_id: int) -> None:
        """Fin approves what was prepared; its job carries it out. *Raises*: Stale when the plan has changed."""

        def act(session: Session, cast: Cast) -> int:
            row = session.get_one(Statement, statement_id)
            prepared = queries.preparation_of(session, row.id)
            assert prepared is not None
            return settlement.approve_statement(
                session, cast.fin, prepared.id, shown_sha256=row.content_sha256, now=self.now
            ).id

        self.do(act)
        self.later(minutes=1)
        self.jobs()

    def restrict(self, *, restricted: bool) -> None:
        """The integrator's account may no longer receive transfers, or may again."""
        self.later(minutes=1)
        self.standin.control.set_capability(self.account, "restricted" if restricted else "active")
        if not restricted:
            self._retry_transfers()

    def _retry_transfers(self) -> None:
        with self.look() as session:
            enqueue(session, "retry_waiting_transfers")
        self.jobs()

    def pay_net(self, amount: int) -> None:
        """The integrator pays the oldest open invoice of a net by card."""
        self.later(minutes=1)
        with self.look() as session:
            at_stripe = session.scalars(_OPEN_NETS, {"party": self.ids["integrator"]}).first()
        self.standin.control.pay_invoice(str(at_stripe))
        self.news()

    def end_packs(self) -> None:
        """More than the year for which every pack holds goes by."""
        self.later(days=400)

    # What is looked at after each operation

    def accounts(self) -> dict[tuple[str, str], int]:
        """What every account holds that holds something."""
        with self.look() as session:
            return {(row.purpose, self.parties[row.party_id]): row.minor for row in session.execute(_ACCOUNTS)}

    def findings(self) -> list[Any]:
        """What is wrong in the books, and where Stripe says something else."""
        handling.import_movements(self.engine, self.gateway, self.now)
        with self.look() as session:
            found: list[Any] = list(session.scalars(_UNBALANCED))
            found += all_problems(session) + list(unmatched_movements(session))
            found += [tie for tie in tie_out(session) if tie.difference_minor]
        return found

    def balance_at_stripe(self) -> int:
        """What Stripe says is there."""
        return self.gateway.available_balance()["EUR"]


WORK = Work("remote", "support", "Looked into the door controller")
_LIVE_ENTRY = text(
    """
    SELECT id, started_at FROM time_entry entry WHERE case_id = :case_id
      AND NOT EXISTS (SELECT FROM time_reversal WHERE entry_id = entry.id)
    """
)
_OPEN_NETS = text(
    """
    SELECT intent.provider_object_id FROM intent JOIN invoice ON invoice.intent_id = intent.id
    WHERE invoice.payer_id = :party AND NOT EXISTS (SELECT FROM cash_receipt WHERE invoice_id = invoice.id)
    ORDER BY invoice.id
    """
)


def _open_period(session: Session) -> int:
    return session.scalars(select(Period.id).where(Period.state == "open")).one()


def _next_morning(now: datetime) -> datetime:
    """Nine o'clock in Berlin on the next day with business hours."""
    day = now.astimezone(BERLIN).date()
    while True:
        day += timedelta(days=1)
        is_holiday = (day.month, day.day) in HOLIDAYS or day in MOVING_HOLIDAYS
        if day.weekday() < 5 and not is_holiday:
            return datetime(day.year, day.month, day.day, 9, tzinfo=BERLIN).astimezone(now.tzinfo)
