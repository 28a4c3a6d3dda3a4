"""One world for all cells of the fault matrix: real books, the real stand-in, and what each cell must leave right.

Every cell commits: what one leaves, the next starts from, so that an effect lost or doubled anywhere shows everywhere.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

from portal.access import Actor, Role, Side
from portal.db import engine_for, transaction
from portal.directory.actions import NewOrganisation, add_organisation
from portal.directory.models import Organisation
from portal.ledger.models import Period
from portal.ledger.queries import ledger_problems
from portal.ledger.rules import Purpose
from portal.payments import calls, handling
from portal.payments.gateway import Gateway, connect
from portal.payments.models import Intent
from portal.payments.taxing.models import PayerAddress
from portal.settlement import closing, differences, disposing, tie_out
from portal.settlement.models import Disposition, Statement
from portal.settlement.reconciling import find_differences
from tests.conftest import settings_for
from tests.standin.process import Standin
from tests.support.cast import NOW, Cast, build_cast
from tests.support.database import PREFIX, Cluster
from tests.support.payments import balance_of, connected, earn, open_books, planned_invoice
from tests.support.settling import approve

# Enough for every transfer of the matrix, and one transfer that reversals are taken from.
FUNDS, FIRST_TRANSFER = 100_000_000, 10_000_000


class Crash(BaseException):
    """The process ends here: nothing after this line happens."""


@dataclass
class World:
    """The books, the stand-in, and the clock of both."""

    engine: Engine
    standin: Standin
    gateway: Gateway
    cast: Cast
    now: datetime
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def at(self, now: datetime) -> None:
        """Move both clocks."""
        self.now = now
        self.standin.control.set_clock(int(now.timestamp()))

    def perform(self, intent_id: UUID, *, after: timedelta = timedelta(), gateway: Any = None) -> str:
        return calls.perform(self.engine, gateway or self.gateway, intent_id, self.now + after)

    def state(self, intent_id: UUID) -> str:
        with transaction(self.engine) as session:
            return session.get_one(Intent, intent_id).state

    def object_of(self, intent_id: UUID) -> str:
        with transaction(self.engine) as session:
            return str(session.get_one(Intent, intent_id).provider_object_id)

    def count(self, query: str, **values: Any) -> int:
        with transaction(self.engine) as session:
            return int(session.scalars(text(query), values).one())

    # What a cell begins with.

    def company(self, side: Side) -> Organisation:
        """A company that nothing is known of yet."""
        code = f"F{next(self.numbers):03}"
        new = NewOrganisation(side, code, f"Company {code}", "Europe/Berlin", "DE", "EUR")
        with transaction(self.engine) as session:
            return add_organisation(session, self.cast.adam, new, self.now)

    def administrator(self, company: Organisation) -> Actor:
        return Actor(
            self.cast.ian.person_id, company.id, Side(company.side), frozenset({Role.ADMINISTRATOR, Role.FINANCE})
        )

    def invoice(self, *, tax_status: str | None = None) -> tuple[int, UUID]:
        """A planned invoice of the customer: its id and its intent's."""
        number = next(self.numbers)
        with transaction(self.engine) as session:
            period_id = self._open_period(session).id
            made = planned_invoice(session, self.cast, period_id, number=number, tax_status=tax_status)
            if tax_status is not None:
                session.add(
                    PayerAddress(
                        manufacturer_id=made.manufacturer_id, payer_id=made.payer_id, line1="", postal_code="10115",
                        city="", state="", country="DE", recorded_by=self.cast.fay.person_id, recorded_at=self.now,
                    )
                )  # fmt: skip
            return made.id, made.intent_id

    def settled(self, net_minor: int) -> UUID:
        """The intent of a statement with this net, approved by two people: a transfer, or one taken back."""
        number = next(self.numbers)
        with transaction(self.engine) as session:
            period = self._open_period(session)
            earn(session, self.cast, net_minor, number, now=max(self.now, period.starts_at))
        self.at(max(self.now, period.ends_at + timedelta(hours=6)))
        closing.close_period(self.engine, self.cast.factory.id, period.id, livemode=False, now=self.now)
        self.at(self.now + timedelta(days=11))
        wanted = select(Statement).where(
            Statement.period_id == period.id, Statement.party_id == self.cast.integrator.id
        )
        with transaction(self.engine) as session:
            statement = session.scalars(wanted).one()
            approval_id = approve(session, self.cast, statement, self.now).id
        with transaction(self.engine) as session:
            disposing.dispose(session, approval_id, livemode=False, now=self.now)
            found = session.scalars(select(Disposition).where(Disposition.approval_id == approval_id)).one()
            assert found.intent_id is not None
            return found.intent_id

    def _open_period(self, session: Session) -> Period:
        return session.scalars(
            select(Period).where(Period.manufacturer_id == self.cast.factory.id, Period.state == "open")
        ).one()

    # What every cell ends with.

    def assert_books(self) -> None:
        """The ledger is the stand-in's balance to the cent, and nothing is found between the four books."""
        handling.import_movements(self.engine, self.gateway, self.now)
        with transaction(self.engine) as session:
            self._see_bank(session)
        with transaction(self.engine) as session:
            assert balance_of(session, Purpose.STRIPE) == self.balance()
            # A day later nothing may still be on its way.
            assert find_differences(session, now=self.now + timedelta(days=2)) == 0
            assert ledger_problems(session) == []

    def balance(self) -> int:
        found = self.standin.client().v1.balance.retrieve()
        rows = [*found.available, *found.pending]
        return sum(row.amount for row in rows if row.currency == "eur")

    def _see_bank(self, session: Session) -> None:
        """The bank's statement shows what was booked."""
        for row in tie_out.waiting_for_bank(session, self.cast.fay):
            differences.record_bank_line(
                session,
                self.cast.fay,
                row.id,
                amount_minor=row.amount_minor,
                booked_on=self.now.date(),
                reference="seen",
                now=self.now,
            )


@contextmanager
def running_world(cluster: Cluster, standin: Standin, folder: Path) -> Iterator[World]:
    """A world on a database of its own, with money at Stripe and an integrator that may receive it."""
    name = f"{PREFIX}_faults_{os.getpid()}"
    settings = settings_for(cluster.clone(name), folder)
    engine = engine_for(str(settings.work_database_url))
    gateway = connect(standin.key, standin.base_url)
    try:
        with transaction(engine) as session:
            cast = build_cast(session)
            open_books(session, cast)
        world = World(engine, standin, gateway, cast, NOW)
        world.at(NOW)
        standin.control.available_after(0)
        standin.control.fund(FUNDS, "eur")
        with transaction(engine) as session:
            connected(session, gateway, standin, cast.integrator)
        assert world.perform(world.settled(FIRST_TRANSFER)) == "succeeded"
        world.assert_books()
        yield world
    finally:
        engine.dispose()
        cluster.drop(name)


@dataclass(frozen=True)
class Scenario:
    """How a call comes about: the intent that makes it, its address, what it makes, and what must be so afterwards.

    ``too_late`` is of a call that is made in time or not at all: what must be so where it was not.
    """

    plan: Callable[[World], UUID]
    path: str
    makes: Mapping[str, int]
    check: Callable[[World, UUID], None] = lambda world, intent_id: None
    method: str = "POST"
    too_late: Callable[[World, UUID], None] | None = None


class Between:
    """A gateway at whose call something happens: before it is made, or between it and its answer's arrival."""

    def __init__(self, gateway: Gateway, name: str, *, before: Callable[[], Any] | None = None,
                 after: Callable[[Any], Any] | None = None) -> None:  # fmt: skip
        self._gateway, self._name, self._before, self._after = gateway, name, before, after

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._gateway, name)
        if name != self._name:
            return real

        def call(*arguments: Any) -> Any:
            if self._before is not None:
                self._before()
            answer = real(*arguments)
            if self._after is not None:
                self._after(answer)
            return answer

        return call


def crash(*_: Any) -> None:
    raise Crash


def utc(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
