"""Credits and gifts on invoices that are not paid yet: who loses what, whose yes it takes."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from portal.adjustments import queries
from portal.adjustments.actions import asking
from portal.adjustments.actions.asking import Wanted
from portal.adjustments.actions.taking import Cause, give_back, take
from portal.adjustments.dividing import Taking
from portal.adjustments.rules.saga import Step
from portal.billing.actions import earn_plans, gather_invoices, open_month
from portal.billing.actions.giving_up import months_given_up
from portal.billing.models import InvoiceItem
from portal.billing.reading import invoice as invoice_row
from portal.errors import Conflict, Invalid, NotAllowed
from portal.ledger.models import Period
from portal.ledger.rules import Purpose
from portal.payments.models import Intent
from tests.support.billed import BILLED_AT, open_books
from tests.support.cast import NOW
from tests.support.going_back import Desk, paid_invoice, pay_invoice
from tests.support.versions import signed_policy


@pytest.fixture
def desk(work_session, work_engine, cast, gateway, standin, run_jobs) -> Desk:
    return Desk(work_session, work_engine, cast, gateway, standin, run_jobs)


@pytest.fixture
def invoice(desk):
    return paid_invoice(desk, pay=False)


def ask(desk: Desk, invoice, kind: str, minor: int, *, actor=None, **details):
    wanted = Wanted(kind, minor, "The doors were ours", **details)
    return asking.ask(desk.session, actor or desk.cast.fay, invoice.id, wanted, now=desk.now)


def both(desk: Desk) -> dict[int, int]:
    return {party: desk.payable(party) for party in (desk.cast.integrator.id, desk.cast.factory.id)}


def test_a_credit_lowers_what_is_owed_and_every_partys_share(desk, invoice) -> None:
    desk.allow()
    line = desk.session.scalars(select(InvoiceItem.id).where(InvoiceItem.invoice_id == invoice.id)).one()
    asked = ask(desk, invoice, "credit", 10_001, invoice_item_id=line)
    desk.jobs()
    assert desk.outcome(asked) == "done"
    desk.check()
    row, _ = invoice_row(desk.session, desk.cast.fay, invoice.id)
    assert (row.credited_minor, row.open_minor) == (10_001, invoice.total_minor - 10_001)
    pay_invoice(desk, invoice)
    assert desk.receipt(invoice).amount_minor == invoice.total_minor - 10_001
    assert (sum(both(desk).values()), desk.held("payable_accrued"), desk.held("receivable")) == (row.open_minor, 0, 0)
    desk.check()


def test_goodwill_is_the_manufacturers_and_leaves_the_integrators_share(desk, invoice, standin) -> None:
    desk.allow()
    asked = ask(desk, invoice, "goodwill", 10_000, bearer="manufacturer")
    desk.jobs()
    assert desk.outcome(asked) == "done"
    desk.check()
    pay_invoice(desk, invoice)
    other = {share.party_role: share for share in desk.shares(invoice)}
    assert desk.payable(desk.cast.integrator.id) == other["integrator"].amount_minor
    row, _ = invoice_row(desk.session, desk.cast.flo, invoice.id)
    assert (row.paid_minor, row.credited_minor, row.open_minor) == (invoice.total_minor - 10_000, 10_000, 0)
    desk.check()


def test_a_gift_by_the_shares_waits_for_the_integrators_yes(desk, invoice) -> None:
    desk.allow()
    asked = ask(desk, invoice, "goodwill", 10_000)
    desk.jobs()
    assert desk.step(asked) is Step.WAIT_FOR_CONSENT
    for wrong in (desk.cast.fay, desk.cast.tom, desk.cast.sam):
        with pytest.raises((NotAllowed, queries.NotFound)):
            asking.answer(desk.session, wrong, asked.id, outcome="yes", explanation="", now=desk.now)
    asking.answer(desk.session, desk.cast.ivo, asked.id, outcome="no", explanation="Not ours.", now=desk.now)
    with pytest.raises(Conflict):
        asking.answer(desk.session, desk.cast.mia, asked.id, outcome="yes", explanation="", now=desk.now)
    desk.jobs()
    assert (desk.outcome(asked), queries.end_of(desk.session, asked.id).explanation) == ("declined", "Not ours.")
    again = ask(desk, invoice, "goodwill", 10_000)
    asking.answer(desk.session, desk.cast.mia, again.id, outcome="yes", explanation="", now=desk.now)
    desk.jobs()
    assert desk.outcome(again) == "done"
    desk.check()


def test_a_credit_of_an_invoice_that_was_paid_meanwhile_takes_nothing(desk, invoice) -> None:
    asked = ask(desk, invoice, "credit", 1_000)
    desk.session.commit()
    desk.standin.control.pay_invoice(desk.session.get_one(Intent, invoice.intent_id).provider_object_id)
    asking.decide(desk.session, desk.cast.fin, asked.id, outcome="yes", explanation="", now=desk.now)
    desk.jobs()
    desk.news()
    assert (desk.outcome(asked), sum(both(desk).values())) == ("failed", invoice.total_minor)
    desk.check()


def test_everything_credited_leaves_nothing_owed_to_anybody(desk, invoice) -> None:
    desk.allow()
    first, second = ask(desk, invoice, "credit", 777), ask(desk, invoice, "write_down", invoice.total_minor - 777)
    desk.jobs()
    desk.news()
    assert (desk.outcome(first), desk.outcome(second)) == ("done", "done")
    assert (desk.held("payable_accrued"), desk.held("receivable"), set(both(desk).values())) == (0, 0, {0})
    desk.check()


@pytest.mark.parametrize(
    ("kind", "details", "field"),
    [
        ("credit", {"minor": 10**9}, "amount"),
        ("credit", {"minor": 0}, "amount"),
        ("goodwill", {"minor": 1, "bearer": "payer"}, "bearer"),
        ("credit", {"minor": 1, "invoice_item_id": 0}, "line"),
        ("refund", {"minor": 1}, "receipt"),
    ],
)
def test_what_cannot_be_asked_for_says_so_at_its_field(desk, invoice, kind, details, field) -> None:
    with pytest.raises(Invalid) as caught:
        ask(desk, invoice, kind, **details)
    assert field in caught.value.fields


def test_each_kind_is_refused_to_those_who_may_not_ask_for_it(desk, invoice) -> None:
    for kind, actor in (("credit", desk.cast.leo), ("goodwill", desk.cast.ana), ("goodwill", desk.cast.ivo)):
        with pytest.raises(NotAllowed):
            ask(desk, invoice, kind, 100, actor=actor)
    assert ask(desk, invoice, "goodwill", 100, actor=desk.cast.leo, bearer="manufacturer").needs_second


def test_a_credit_of_an_unpaid_month_takes_what_its_use_has_earned_already(desk) -> None:
    desk.allow()
    open_books(desk.session, desk.cast)
    open_month(desk.session, now=NOW)
    period_id = desk.session.scalars(select(Period.id).where(Period.manufacturer_id == desk.cast.factory.id)).one()
    (invoice,) = gather_invoices(desk.session, period_id, now=BILLED_AT)
    desk.now = BILLED_AT + timedelta(days=31)
    assert earn_plans(desk.session, desk.cast.factory.id, now=desk.now) == 1
    desk.jobs()
    before = both(desk)
    line = desk.session.scalars(select(InvoiceItem.id).where(InvoiceItem.invoice_id == invoice.id)).one()
    asked = ask(desk, invoice, "credit", 10_000, invoice_item_id=line)
    desk.jobs()
    assert desk.outcome(asked) == "done"
    assert (sum(before.values()) - sum(both(desk).values()), desk.held("payable_accrued")) == (10_000, 0)
    pay_invoice(desk, invoice)
    assert (desk.receipt(invoice).amount_minor, desk.held("receivable")) == (invoice.total_minor - 10_000, 0)
    desk.check()


def test_what_is_credited_of_a_month_is_not_given_up_and_is_earned_when_it_comes_back(desk) -> None:
    session, factory_id = desk.session, desk.cast.factory.id
    signed_policy(session, desk.cast, ("rank = 20\n", "rank = 20\ngiven_up_by_days = true\n"))
    open_books(session, desk.cast)
    open_month(session, now=NOW)
    period_id = session.scalars(select(Period.id).where(Period.manufacturer_id == factory_id)).one()
    (invoice,) = gather_invoices(session, period_id, now=BILLED_AT)
    taking = Taking(factory_id, invoice.id, None, 25_000)
    words = {"description": "Credit", "reason": "Agreed", "livemode": False}
    cause = Cause("adjustment", 1, taking, invoice.payer_id, "EUR", Purpose.RECEIVABLE, **words)
    take(session, cause, now=BILLED_AT)
    given_up = {"site_id": desk.cast.site.id, "manufacturer_id": factory_id, "at": NOW + timedelta(days=2)}
    (ended,) = months_given_up(session, **given_up)
    assert (ended.sale.amount_minor, ended.back.amount_minor) == (29_000, 4_000)
    over = BILLED_AT + timedelta(days=40)
    assert (earn_plans(session, factory_id, now=over), desk.held("deferred_revenue")) == (1, 0)
    give_back(session, cause, now=over + timedelta(days=1))
    assert desk.held("deferred_revenue") == 25_000
    later = over + timedelta(days=2)
    assert [earn_plans(session, factory_id, now=later) for _ in range(2)] == [1, 0]
    assert desk.held("deferred_revenue") == 0
