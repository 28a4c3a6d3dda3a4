"""Purchase orders from entry to invoice: reserved by a case's yes, drawn by its bill, never below zero."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from portal.billing.actions import rebill
from portal.billing.actions.batch import bill_closed
from portal.billing.actions.invoices import gather_invoices
from portal.billing.books import check_books
from portal.billing.models import InvoiceItem
from portal.cases.actions import authorizing
from portal.cases.actions.closing import close_case
from portal.db import open_session
from portal.entitlement.models import Authorization, AuthorizationRequest
from portal.entitlement.orders import queries
from portal.entitlement.orders.actions import NewOrder, OrderDocument, enter_order, withdraw_order
from portal.entitlement.orders.models import PurchaseOrderBalance, PurchaseOrderMovement
from portal.entitlement.orders.rules import OrderState
from portal.errors import Conflict, Invalid, NotAllowed, NotFound
from portal.ledger.models import Period
from portal.metering.actions import start_timer
from tests.support.billed import BILLED_AT, billed, open_books, settled, worked
from tests.support.cases import accepted, scope_of
from tests.support.cast import NOW, build_cast, hours_later
from tests.support.racing import second_of
from tests.support.versions import signed_policy

BEFORE = '[[rates]]\nmodes = ["travel"]'
PAPER = OrderDocument("key", "0" * 64, "order.pdf")
ON = NOW.date()


def order(session, cast, *, by=None, amount=60_000, **changes):
    said = {"number": "4711", "currency": "EUR", "amount_minor": amount} | changes
    new = NewOrder(cast.factory.id, said.pop("payer_id", cast.customer.id), **said)
    return enter_order(session, by or cast.bea, new, now=NOW)


def waiting_case(session, cast, **said):
    """A case whose payer has been asked."""
    case = accepted(session, cast, system_id=cast.plain_system.id, **said)
    request_id = session.scalars(
        select(AuthorizationRequest.id)
        .where(AuthorizationRequest.case_id == case.id)
        .order_by(AuthorizationRequest.id.desc())
        .limit(1)
    ).one()
    return case, request_id


def balance(session, row):
    kept = session.get_one(PurchaseOrderBalance, row.id, populate_existing=True)
    moved = session.execute(
        select(
            func.coalesce(func.sum(PurchaseOrderMovement.reserved_minor), 0),
            func.coalesce(func.sum(PurchaseOrderMovement.drawn_minor), 0),
        ).where(PurchaseOrderMovement.purchase_order_id == row.id)
    ).one()
    assert tuple(moved) == (kept.reserved_minor, kept.drawn_minor)
    return kept.free_minor, kept.reserved_minor, kept.drawn_minor


def take(session, request_id, at=NOW + timedelta(minutes=36)):
    return authorizing.by_purchase_order(session, request_id, now=at)


def test_yes_is_reserved_drawn_by_the_bill_and_given_back_at_the_end(work_session, cast):
    open_books(work_session, cast)
    paper = order(work_session, cast, terms_days=45)
    case, request_id = waiting_case(work_session, cast)
    given = take(work_session, request_id)
    assert (given.basis, given.person_name, given.nte_minor) == ("purchase_order", "Purchase order 4711", 45_000)
    assert balance(work_session, paper) == (15_000, 45_000, 0)
    assert take(work_session, request_id) is None

    worked(work_session, cast, case, minutes=60)
    settled(work_session, cast, case)
    item = billed(work_session, case)
    assert item.amount_minor == 15_000
    held = balance(work_session, paper)
    assert held in ((45_000, 0, 15_000), (15_000, 30_000, 15_000))
    work_session.refresh(case)
    assert held[1] == (0 if case.state == "closed" else 30_000)

    period = work_session.scalars(select(Period).order_by(Period.id)).first()
    (invoice,) = gather_invoices(work_session, period.id, now=BILLED_AT)
    line = work_session.scalars(select(InvoiceItem.description).where(InvoiceItem.invoice_id == invoice.id)).one()
    assert line.endswith(", order 4711")
    assert invoice.due_on == (BILLED_AT + timedelta(days=45)).date()
    assert rebill(work_session, item.cut_id, reason="again", now=BILLED_AT)
    assert balance(work_session, paper) == held


def test_a_case_billed_with_others_draws_on_its_order(work_session, cast):
    open_books(work_session, cast)
    paper = order(work_session, cast)
    case, request_id = waiting_case(work_session, cast)
    take(work_session, request_id)
    worked(work_session, cast, case, minutes=60)
    settled(work_session, cast, case)
    assert close_case(work_session, case.id, now=BILLED_AT) is not None
    assert bill_closed(work_session, [case.id], now=BILLED_AT) == 1
    assert balance(work_session, paper) == (45_000, 0, 15_000)
    assert check_books(work_session) == []
    work_session.execute(text("UPDATE authorization_balance SET left_minor = left_minor + 100"))
    assert "a purchase order is drawn by what is billed" in {each.check for each in check_books(work_session)}


def test_payer_is_asked_where_no_order_has_enough(work_session, cast):
    _, request_id = waiting_case(work_session, cast)
    assert take(work_session, request_id) is None
    paper = order(work_session, cast, amount=1_000)
    assert take(work_session, request_id) is None
    order(work_session, cast, number="4712", currency="USD")
    assert take(work_session, request_id) is None
    withdraw_order(work_session, cast.bea, order(work_session, cast, number="4713"), reason="Twice.", now=NOW)
    assert take(work_session, request_id) is None
    assert balance(work_session, paper) == (1_000, 0, 0)
    order(work_session, cast, number="4714", expires_on=ON)
    assert take(work_session, request_id, NOW + timedelta(days=2)) is None
    assert take(work_session, request_id).person_name == "Purchase order 4714"


def test_paper_ratifies_no_work_at_factory_risk(work_session, cast):
    _, request_id = waiting_case(work_session, cast, severity=1)
    assert authorizing.begin_emergency(work_session, request_id, now=hours_later(1)) is not None
    order(work_session, cast)
    assert take(work_session, request_id, hours_later(2)) is None


def test_work_that_waits_for_an_order_begins_with_it(work_session, cast):
    entry = '[[entry]]\ndecision = "accept"\nrequires = ["purchase_order"]\n\n'
    signed_policy(work_session, cast, (BEFORE, entry + BEFORE))
    case, request_id = waiting_case(work_session, cast)
    order(work_session, cast)
    take(work_session, request_id)
    start_timer(work_session, cast.ana, case, mode="remote", task_class="support", now=hours_later(1))


def test_two_cases_never_take_the_same_money(committed_database):
    """Each in a transaction of its own: the second waits for the first and finds what is left."""
    with open_session(committed_database.work_engine) as session:
        cast = build_cast(session)
        paper = order(session, cast, amount=50_000)
        requests = [waiting_case(session, cast)[1] for _ in range(2)]
        session.commit()
    acts = [lambda session, each=each: take(session, each) for each in requests]
    assert second_of(committed_database.work_engine, *acts) is None
    with open_session(committed_database.work_engine) as session:
        assert balance(session, paper) == (5_000, 45_000, 0)
        assert session.scalar(select(func.count(Authorization.id))) == 1


def test_orders_are_the_payers_and_the_makers(work_session, web_session, cast):
    own = order(work_session, cast)
    for_integrator = order(work_session, cast, by=cast.fay, payer_id=cast.integrator.id, number="K1", document=PAPER)
    work_session.commit()
    for who, numbers in (("bea", ["4711"]), ("fay", ["K1", "4711"]), ("ivo", ["K1"]), ("bob", []), ("eve", [])):
        actor = getattr(cast, who)
        session = web_session(scope_of(actor))
        assert [row.order.number for row in queries.orders(session, actor, now=NOW)] == numbers
    with pytest.raises(NotFound):
        queries.order(web_session(scope_of(cast.ivo)), cast.ivo, own.id, now=NOW)
    row = queries.order(web_session(scope_of(cast.ivo)), cast.ivo, for_integrator.id, now=NOW + timedelta(days=1))
    assert (row.state, row.payer_name) == (OrderState.OPEN, cast.integrator.name)


def test_web_enters_orders_and_moves_no_balance(work_session, web_session, cast):
    session = web_session(scope_of(cast.bea))
    paper = order(session, cast)
    session.commit()
    with pytest.raises(DBAPIError, match="permission denied"), session.begin_nested():
        session.execute(text("UPDATE purchase_order_balance SET free_minor = 0"))
    assert balance(work_session, paper)[0] == 60_000


@pytest.mark.parametrize(
    ("who", "payer", "refusal"),
    [("bea", "integrator", NotAllowed), ("cal", "customer", NotAllowed), ("ana", "customer", NotAllowed),
     ("fay", "customer", Invalid)],
)  # fmt: skip
def test_nobody_enters_anothers_order_without_its_paper(work_session, cast, who, payer, refusal):
    with pytest.raises(refusal):
        order(work_session, cast, by=getattr(cast, who), payer_id=getattr(cast, payer).id)


def test_one_number_is_entered_once_and_withdrawn_once_by_its_payer(work_session, cast):
    paper = order(work_session, cast)
    with pytest.raises(Invalid):
        order(work_session, cast)
    with pytest.raises(NotAllowed):
        withdraw_order(work_session, cast.fay, paper, reason="Ours.", now=NOW)
    with pytest.raises(Invalid):
        withdraw_order(work_session, cast.bea, paper, reason=" ", now=NOW)
    withdraw_order(work_session, cast.bea, paper, reason="Twice.", now=NOW)
    with pytest.raises(Conflict):
        withdraw_order(work_session, cast.bea, paper, reason="Twice.", now=NOW)


@pytest.mark.parametrize(
    "change",
    [
        "purchase_order_balance SET free_minor = -1, drawn_minor = amount_minor + 1",
        "purchase_order_balance SET free_minor = free_minor - 1",
        "purchase_order_balance SET reserved_minor = -1, free_minor = amount_minor + 1",
    ],
)
def test_database_keeps_every_balance_whole(work_session, cast, change):
    order(work_session, cast)
    with pytest.raises(IntegrityError), work_session.begin_nested():
        work_session.execute(text(f"UPDATE {change}"))


@pytest.mark.parametrize(
    "changes", [{"amount": 0}, {"terms_days": 181}, {"expires_on": date(2026, 1, 1)}, {"number": ""}]
)
def test_what_cannot_be_used_is_refused(work_session, cast, changes):
    with pytest.raises(Invalid):
        order(work_session, cast, **changes)


def test_as_many_cases_as_a_month_has_are_asked_about_at_once(work_session, cast):
    many = ((case_id, cast.customer.id) for case_id in range(1, 150_001))
    assert queries.orders_behind(work_session, many) == {}
