"""Credits for broken promises: on the next invoice, borne as the signed document says, taken back where it was kept."""

from __future__ import annotations

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from portal.billing.actions import debtors_to_invoice, gather_invoices
from portal.billing.actions.plans import earn_plans, open_month
from portal.billing.books import billing_problems
from portal.billing.models import CashApplication, InvoiceItem, PlanShare
from portal.billing.supplements.actions import settle_remedy
from portal.billing.supplements.models import Supplement, SupplementShare
from portal.billing.supplements.reading import supplement, supplements_of_case
from portal.cases import actions
from portal.cases.models import PromiseRemedy
from portal.errors import NotFound
from portal.ledger.models import Period
from tests.billing.test_money import paid
from tests.support.billed import BILLED_AT, billed, open_books, paid_case, settled, worked
from tests.support.cases import accepted, scope_of
from tests.support.cast import NOW, everything, hours_later
from tests.support.versions import signed_policy

REMEDIES = (
    "rank = 20\n",
    """rank = 20
remedies = [
  { clock = "response", severities = [2], credit = "25.00" },
  { clock = "response", extra_days = 3 },
]
""",
)
AFTER = ("[authorization]", '[reclassification]\nwhen_disputed = "after"\n\n[authorization]')


@pytest.fixture
def missed(work_session, cast):
    """A case of severity 2 that was answered half an hour too late, and what is owed for it."""
    open_books(work_session, cast)
    signed_policy(work_session, cast, REMEDIES, AFTER)
    case = accepted(work_session, cast, at=hours_later(1.5))
    return case, work_session.scalars(select(PromiseRemedy)).one()


def gained(session):
    rows = session.scalars(select(SupplementShare).order_by(SupplementShare.id))
    return [(row.party_id, row.amount_minor) for row in rows]


def settle(session, remedy, at=BILLED_AT):
    return settle_remedy(session, remedy.id, now=at)


def test_a_credit_is_on_the_next_invoice_and_the_factory_bears_it(work_session, cast, missed):
    case, remedy = missed
    jobs = [row for row in everything(work_session, "procrastinate_jobs") if row["task_name"] == "settle_remedy"]
    assert [job["args"]["remedy_id"] for job in jobs] == [remedy.id]
    one = settle(work_session, remedy)
    assert (one.amount_minor, one.payer_id, one.kind) == (-2_500, cast.customer.id, "remedy")
    assert gained(work_session) == [(cast.factory.id, -2_500)]
    assert settle(work_session, remedy) is None
    assert billing_problems(work_session) == []

    open_month(work_session, now=NOW)
    other = paid_case(work_session, cast)
    worked(work_session, cast, other, minutes=60)
    settled(work_session, cast, other)
    item = billed(work_session, other)
    period = work_session.scalars(select(Period)).first()
    assert debtors_to_invoice(work_session, period.id) == [cast.customer.id]
    (invoice,) = gather_invoices(work_session, period.id, now=BILLED_AT)
    lines = work_session.scalars(select(InvoiceItem).where(InvoiceItem.invoice_id == invoice.id)).all()
    assert invoice.total_minor == 29_000 + item.amount_minor - 2_500
    assert f"Credit: {case.name}, for a missed promise" in [line.description for line in lines]
    assert gather_invoices(work_session, period.id, now=BILLED_AT) == []

    # Paid in full, the work's shares are payable in full: who bears the credit has paid the rest.
    paid(work_session, invoice, invoice.total_minor)
    applied = sum(work_session.scalars(select(CashApplication.amount_minor)))
    assert applied == item.amount_minor
    assert billing_problems(work_session) == []


@pytest.mark.parametrize(("days", "minor"), [(3, -2_806), (31, -29_000), (34, -31_806)])
def test_a_longer_term_is_days_of_the_month_that_cost_nothing(work_session, cast, days, minor):
    """The month of March has 31 days at 290.00 in all."""
    open_books(work_session, cast)
    signed_policy(work_session, cast, (REMEDIES[0], REMEDIES[1].replace("extra_days = 3", f"extra_days = {days}")))
    accepted(work_session, cast, severity=3, at=hours_later(7))
    one = settle(work_session, work_session.scalars(select(PromiseRemedy)).one())
    assert one.amount_minor == minor
    assert f"lasts {days} days longer" in one.explanation["sentences"][0]


def test_free_days_are_worth_what_their_month_was_sold_at_and_leave_what_it_earns(work_session, cast):
    """The month was sold at 290.00; the document of the case, in force since, asks 310.00."""
    open_books(work_session, cast)
    open_month(work_session, now=NOW)
    signed_policy(work_session, cast, REMEDIES, ('price_per_month = "290.00"', 'price_per_month = "310.00"'))
    accepted(work_session, cast, severity=3, at=hours_later(7))
    one = settle(work_session, work_session.scalars(select(PromiseRemedy)).one())
    assert (one.amount_minor, gained(work_session)) == (-2_806, [(cast.factory.id, -2_806)])
    # The days cost nothing by the credit; the month is earned in its own days, and whoever shares it loses nothing.
    earn_plans(work_session, cast.factory.id, now=hours_later(24 * 30))
    shares = work_session.scalars(select(PlanShare)).all()
    assert sum(share.amount_minor for share in shares) == 29_000
    period = work_session.scalars(select(Period)).first()
    (invoice,) = gather_invoices(work_session, period.id, now=hours_later(24 * 30))
    assert invoice.total_minor == 29_000 - 2_806
    assert billing_problems(work_session) == []


def test_a_credit_is_taken_back_when_the_promise_is_found_kept(work_session, cast, missed):
    case, remedy = missed
    settle(work_session, remedy)
    said = {"reason": "One door only.", "now": hours_later(2)}
    actions.change_severity(work_session, cast.ana, case, severity=4, seq=case.seq, **said)
    raised = actions.challenge_severity(work_session, cast.tom, case, reason="No.", seq=case.seq, now=hours_later(3))
    actions.answer_severity(
        work_session, cast.leo, case, raised.id, gives_in=False, reason="It is.", seq=case.seq, now=hours_later(4)
    )
    back = settle(work_session, remedy)
    assert (back.amount_minor, back.seq) == (2_500, 2)
    assert "Taken back: severity 4 was decided" in back.explanation["sentences"]
    assert sum(minor for _, minor in gained(work_session)) == 0
    assert settle(work_session, remedy) is None
    assert billing_problems(work_session) == []


def test_a_credit_stands_when_the_promise_was_broken_either_way(work_session, cast, missed):
    case, remedy = missed
    said = {"reason": "Two doors.", "now": hours_later(2)}
    actions.change_severity(work_session, cast.ana, case, severity=1, seq=case.seq, **said)
    raised = actions.challenge_severity(work_session, cast.tom, case, reason="No.", seq=case.seq, now=hours_later(3))
    actions.decide_severity(work_session, raised.id, now=raised.answer_by)
    assert everything(work_session, "remedy_reversal") == []
    assert settle(work_session, remedy).amount_minor == -2_500


def test_shares_are_for_the_companies_and_the_credit_for_the_customer_too(work_session, web_session, cast, missed):
    case, remedy = missed
    one = settle(work_session, remedy)
    work_session.commit()
    for who, shares in (("bea", None), ("fin", 1), ("ivo", 1)):
        actor = getattr(cast, who)
        (view,) = supplements_of_case(web_session(scope_of(actor)), actor, case.id)
        assert view.shares is None if shares is None else len(view.shares) == shares
    for who in ("bob", "eve"):
        with pytest.raises(NotFound):
            supplement(web_session(scope_of(getattr(cast, who))), getattr(cast, who), one.id)


def test_database_refuses_a_cause_twice_and_any_change(work_session, cast, missed):
    _, remedy = missed
    settle(work_session, remedy)
    columns = [c.name for c in Supplement.__table__.c if c.name != "id"]
    names = ", ".join(columns)
    with pytest.raises(IntegrityError), work_session.begin_nested():
        work_session.execute(text(f"INSERT INTO supplement ({names}) SELECT {names} FROM supplement"))
    with pytest.raises(DBAPIError), work_session.begin_nested():
        work_session.execute(text("UPDATE supplement SET amount_minor = 0"))
