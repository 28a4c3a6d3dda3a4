"""The VINST log on its way from the import to the transfers, each step as people and jobs take it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

from portal.access import Actor, Role, Side
from portal.billing.models import Invoice
from portal.config import Settings
from portal.db import open_session, transaction
from portal.directory.models import Organisation
from portal.identity.importing import member
from portal.importing.report import Figures
from portal.jobs import enqueue
from portal.ledger.models import Period
from portal.payments import actions as payments
from portal.payments.gateway import Gateway
from portal.payments.models import ConnectedAccount, Intent
from portal.settlement import actions as settlement
from portal.settlement import queries as settled
from portal.settlement.models import Statement
from portal.worker.registry import Edges
from portal.worker.running import run_pending
from tests.standin.process import Standin

LOG = Path(os.environ.get("PORTAL_TEST_DATA", "")) / "vinst_incidents.csv.gz"
WITHOUT_LOG = "PORTAL_TEST_DATA names no folder with the log"
AFTER_MAY = datetime(2012, 6, 1, 6, tzinfo=UTC)
PAID_AT = datetime(2012, 6, 11, 9, tzinfo=UTC)
AFTER_JUNE = datetime(2012, 7, 1, 6, tzinfo=UTC)
# After the ten days that the agreement gives.
REVIEWED_AT = datetime(2012, 7, 12, 9, tzinfo=UTC)


@dataclass(frozen=True)
class Vinst:
    """The imported log: its database, the run, and what it did."""

    settings: Settings
    engine: Engine
    run_id: int
    figures: Figures


@dataclass
class Letters:
    """Takes every letter."""

    sent: list[object] = field(default_factory=list)

    def send(self, letter: object) -> None:
        self.sent.append(letter)


@dataclass
class Settling:
    """Two finance people of the factory, the front line's administrator, the worker's jobs, and Stripe's stand-in."""

    vinst: Vinst
    standin: Standin
    gateway: Gateway
    now: datetime = AFTER_MAY
    letters: Letters = field(default_factory=Letters)

    def __post_init__(self) -> None:
        with transaction(self.vinst.engine) as session:
            fay, fin = ("fay@vinst.example", "Fay"), ("fin@vinst.example", "Fin")
            self.preparer, self.approver = (
                _person(session, "VINST", Side.MANUFACTURER, mail, name, Role.FINANCE) for mail, name in (fay, fin)
            )
            mail, name = "frank.olsen@vinst-front-line.example", "Frank Olsen"
            self.administrator = _person(session, "VINSTFL", Side.INTEGRATOR, mail, name, Role.ADMINISTRATOR)

    def run_jobs(self, now: datetime) -> list[str]:
        """Everything that is due then, on both sides' clocks."""
        self.now = now
        self.standin.control.set_clock(int(now.timestamp()))
        edges = Edges(self.vinst.settings, self.vinst.engine, lambda: now, self.gateway, self.letters)
        return run_pending(edges)

    def set_up_payouts(self) -> str:
        """The front line opens its account at Stripe and fills in what Stripe asks; the account there."""
        with transaction(self.vinst.engine) as session:
            payments.open_account(session, self.administrator, email="pay@fl.example", livemode=False, now=self.now)
        self.run_jobs(self.now)
        with transaction(self.vinst.engine) as session:
            account = session.scalars(select(ConnectedAccount)).one()
            enqueue(session, "refresh_account", organisation_id=account.organisation_id)
        self.standin.control.complete_onboarding(account.provider_account_id)
        self.run_jobs(self.now)
        return account.provider_account_id

    def pay_all(self) -> int:
        """Every payer pays what it was sent; the hourly poll brings the cash. How many invoices were paid."""
        self.standin.control.set_clock(int(PAID_AT.timestamp()))
        with transaction(self.vinst.engine) as session:
            issued = session.scalars(select(Intent.provider_object_id).join(Invoice, Invoice.intent_id == Intent.id))
            sent = [str(provider_id) for provider_id in issued]
        for provider_id in sent:
            self.standin.control.pay_invoice(provider_id)
        self.poll(PAID_AT)
        return len(sent)

    def poll(self, now: datetime) -> None:
        """The two hourly looks at Stripe, and what follows from them."""
        for name in ("poll_events", "import_balance_movements"):
            with transaction(self.vinst.engine) as session:
                enqueue(session, name)
            self.run_jobs(now)

    def close(self, label: str, now: datetime) -> None:
        """Finance has a month closed."""
        with transaction(self.vinst.engine) as session:
            settlement.request_close(session, self.preparer, period(session, label).id, now=now)
        self.run_jobs(now)

    def settle(self, label: str, now: datetime) -> None:
        """One of the two prepares every statement of a month, the other approves it; jobs move the money."""
        for act in (self._prepare, self._approve):
            with transaction(self.vinst.engine) as session:
                wanted = select(Statement).where(Statement.period_id == period(session, label).id)
                for statement in session.scalars(wanted.order_by(Statement.id)).all():
                    act(session, statement, now)
        self.run_jobs(now)

    def _prepare(self, session: Session, statement: Statement, now: datetime) -> None:
        shown = statement.content_sha256
        settlement.prepare_statement(session, self.preparer, statement.id, shown_sha256=shown, now=now)

    def _approve(self, session: Session, statement: Statement, now: datetime) -> None:
        prepared = settled.preparation_of(session, statement.id)
        assert prepared is not None
        shown = statement.content_sha256
        settlement.approve_statement(session, self.approver, prepared.id, shown_sha256=shown, now=now)

    def end_for_good(self, label: str, now: datetime) -> None:
        """Finance signs the end of a month."""
        with transaction(self.vinst.engine) as session:
            settlement.request_hard_close(session, self.preparer, period(session, label).id)
        self.run_jobs(now)


def _person(session: Session, code: str, side: Side, mail: str, name: str, role: Role) -> Actor:
    company = session.scalars(select(Organisation.id).where(Organisation.code == code)).one()
    return member(session, organisation_id=company, side=side, name=name, mail=mail, roles=[role], now=AFTER_MAY)


def quiet(what: str, done: int, total: int) -> None:
    """Nobody looks."""


def period(session: Session, label: str) -> Period:
    """The factory's period of a month."""
    return session.scalars(select(Period).where(Period.label == label)).one()


def sizes(engine: Engine) -> dict[str, int]:
    """How many rows each table holds; facts are never changed, so what was not added did not happen."""
    with open_session(engine) as session:
        tables = session.scalars(
            text(
                "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
                " AND table_type = 'BASE TABLE' ORDER BY table_name"
            )
        ).all()
        return {table: session.scalar(text(f'SELECT count(*) FROM "{table}"')) or 0 for table in tables}
