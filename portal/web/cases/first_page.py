"""What Today says of cases: to the engineer what is next, to the lead what breaks first, to everybody their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from portal.access import Actor, Role, Side
from portal.cases import queries
from portal.cases.queries import CaseRow, ListFilter
from portal.web.cases.words import queue_lines
from portal.web.today import section

SHOWN = 5
SOON = timedelta(hours=4)
TEMPLATE = "cases/_today.html"
FACTORY = frozenset({Side.MANUFACTURER})
INTEGRATOR = frozenset({Side.INTEGRATOR})
CUSTOMER = frozenset({Side.CUSTOMER})
CONTACTS = {Role.CONTACT, Role.BUYER}
LEAD, ENGINEER = {Role.SUPPORT_LEAD}, {Role.ENGINEER, Role.SUPPORT_LEAD}
MANAGER, FIELD = {Role.SERVICE_MANAGER}, {Role.TECHNICIAN, Role.SERVICE_MANAGER}

Facts = Mapping[str, Any]


@section("down", title="System down", template=TEMPLATE, roles=LEAD, order=10, sides=FACTORY)
def system_down(session: Session, actor: Actor, now: datetime) -> Facts:
    rows = queries.factory_queue(session, actor, ListFilter(severity=1), limit=SHOWN + 1)
    return _facts(actor, rows, "No system is down.", "cases.queue", severity=1)


@section("next", title="Next to accept", template=TEMPLATE, roles=ENGINEER, order=20, sides=FACTORY)
def next_to_accept(session: Session, actor: Actor, now: datetime) -> Facts:
    rows = queries.factory_queue(session, actor, ListFilter(state="to_us"), limit=SHOWN + 1)
    return _facts(actor, rows, "Nothing is offered: every offer is taken.", "cases.queue", state="to_us")


@section("soon", title="Due within four hours", template=TEMPLATE, roles=LEAD, order=30, sides=FACTORY)
def due_soon(session: Session, actor: Actor, now: datetime) -> Facts:
    rows = queries.factory_queue(session, actor, ListFilter(due_before=now + SOON), limit=SHOWN + 1)
    return _facts(actor, rows, "Nothing is due within four hours.", "cases.queue")


@section("mine", title="With me", template=TEMPLATE, roles=ENGINEER, order=40, sides=FACTORY)
def engineers_cases(session: Session, actor: Actor, now: datetime) -> Facts:
    rows = queries.my_cases(session, actor, limit=SHOWN + 1)
    return _facts(actor, rows, "No case is with you.", "cases.mine", view="mine")


@section("away", title="Waiting on the integrator", template=TEMPLATE, roles=LEAD, order=50, sides=FACTORY)
def waiting_on_integrator(session: Session, actor: Actor, now: datetime) -> Facts:
    rows = queries.longest_unchanged(session, actor, ListFilter(state="with_them"), limit=SHOWN + 1)
    return _facts(actor, rows, "Nothing waits on an integrator.", "cases.queue")


@section("offered", title="Offered to you", template=TEMPLATE, roles=FIELD, order=20, sides=INTEGRATOR)
def handed_back(session: Session, actor: Actor, now: datetime) -> Facts:
    rows = queries.integrator_cases(session, actor, ListFilter(state="to_us"), limit=SHOWN + 1)
    return _facts(actor, rows, "The factory hands nothing back.", "cases.mine", view="to_us")


@section("my-cases", title="With me", template=TEMPLATE, roles={Role.TECHNICIAN}, order=30, sides=INTEGRATOR)
def technicians_cases(session: Session, actor: Actor, now: datetime) -> Facts:
    rows = queries.my_cases(session, actor, limit=SHOWN + 1)
    return _facts(actor, rows, "No case is with you.", "cases.mine", view="mine")


@section("with-us", title="With us, by due time", template=TEMPLATE, roles=MANAGER, order=40, sides=INTEGRATOR)
def with_us(session: Session, actor: Actor, now: datetime) -> Facts:
    rows = queries.integrator_cases(session, actor, ListFilter(state="with_us"), limit=SHOWN + 1)
    return _facts(actor, rows, "No case is with your company.", "cases.mine", view="with_us")


@section("with-factory", title="With the factory", template=TEMPLATE, roles=FIELD, order=50, sides=INTEGRATOR)
def with_the_factory(session: Session, actor: Actor, now: datetime) -> Facts:
    rows = queries.integrator_cases(session, actor, ListFilter(state="with_them"), limit=SHOWN + 1)
    return _facts(actor, rows, "No case is with the factory.", "cases.mine", view="with_them")


@section("to-confirm", title="Resolutions to answer", template=TEMPLATE, roles=LEAD | MANAGER, order=60)
def to_confirm(session: Session, actor: Actor, now: datetime) -> Facts:
    rows = queries.unanswered_resolutions(session, actor, limit=SHOWN + 1)
    return _facts(actor, rows, "Every resolution is answered.", "cases.mine", view="to_confirm")


@section("your-cases", title="Your cases", template=TEMPLATE, roles=CONTACTS, order=40, sides=CUSTOMER)
def customers_cases(session: Session, actor: Actor, now: datetime) -> Facts:
    rows = queries.customer_cases(session, actor, limit=SHOWN + 1)
    return _facts(actor, rows, "There is no case.", "cases.mine", view="all")


def _facts(actor: Actor, rows: Sequence[CaseRow], none: str, endpoint: str, **arguments: object) -> Facts:
    """The first rows, what to say when there are none, and where all of them are."""
    return {
        "lines": queue_lines(rows[:SHOWN], actor),
        "more": len(rows) > SHOWN,
        "none": none,
        "endpoint": endpoint,
        "arguments": arguments,
    }
