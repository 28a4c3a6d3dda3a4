"""The minimum term: what leaving it early owes, found when Stripe ends what only the portal may."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from portal.adjustments.actions.taking import Cause, take
from portal.adjustments.dividing import Taking
from portal.billing.actions import apply_cash, earn_plans, gather_invoices
from portal.billing.books import check_books
from portal.billing.models import Invoice, InvoiceItem, PlanShare
from portal.contracts.rules import months_after
from portal.errors import Conflict, Invalid, NotAllowed, NotFound, RuleBroken
from portal.ledger.queries import balances
from portal.ledger.rules import Purpose
from portal.selling.actions import cancel, charge_early_ends, charged_sale
from portal.selling.leaving import close_early_end, early_ends
from portal.selling.rules.terms import ends_early, minimum_ends, owed_minor
from portal.zones import local_day
from tests.billing.test_money import paid as cash_in
from tests.support.buying import MONTH_MINOR, plan_order
from tests.support.cast import NOW
from tests.support.going_back import Kept
from tests.support.versions import signed_policy

UNTIL = date(2027, 3, 10)


@pytest.mark.parametrize(
    ("ends", "covers_until", "minimum_until", "early"),
    [
        (True, date(2026, 4, 10), UNTIL, True),
        (True, UNTIL - timedelta(days=28), UNTIL, True),
        # Months of different length, and a clock that was set, are no reason to owe a period.
        (True, UNTIL - timedelta(days=4), UNTIL, False),
        (True, UNTIL, UNTIL, False),
        (True, date(2026, 4, 10), None, False),
        (False, date(2026, 4, 10), UNTIL, False),
    ],
)
def test_a_plan_ends_early_when_what_is_paid_does_not_reach_its_term(ends, covers_until, minimum_until, early):
    assert ends_early(ends=ends, covers_until=covers_until, minimum_until=minimum_until) is early


@pytest.mark.parametrize(
    ("interval", "covers_until", "periods"),
    [
        ("month", date(2026, 4, 10), 11),
        ("month", date(2027, 2, 10), 1),
        ("month", date(2027, 2, 11), 1),
        ("month", UNTIL, 0),
        ("year", date(2026, 4, 10), 1),
    ],
)
def test_whole_periods_are_owed_until_the_term_is_reached(interval, covers_until, periods):
    assert owed_minor(100, interval, covers_until=covers_until, minimum_until=UNTIL) == periods * 100


@pytest.mark.parametrize(
    ("zone", "begins", "months", "until"),
    [
        ("UTC", "2026-03-10T23:30", 12, date(2027, 3, 10)),
        ("Pacific/Auckland", "2026-03-10T11:30", 12, date(2027, 3, 11)),
        ("Pacific/Auckland", "2026-03-10T10:30", 12, date(2027, 3, 10)),
        ("America/Los_Angeles", "2026-03-10T06:30", 12, date(2027, 3, 9)),
        ("America/Los_Angeles", "2026-03-10T07:30", 12, date(2027, 3, 10)),
        # The clock is set between its begin and its end, at either side of midnight.
        ("Pacific/Auckland", "2026-03-10T11:30", 3, date(2026, 6, 11)),
        ("America/Los_Angeles", "2026-11-20T08:30", 5, date(2027, 4, 20)),
        # Stripe ends what began on a 31st on the 30th, and on the last of February.
        ("America/Los_Angeles", "2026-01-01T07:30", 2, date(2026, 2, 28)),
        ("Pacific/Auckland", "2026-01-31T11:00", 3, date(2026, 5, 1)),
    ],
)
def test_a_term_that_was_paid_in_whole_periods_is_reached_in_every_zone(zone, begins, months, until):
    """Days are the policy's, whole periods Stripe's: whatever the clock does, nothing more is owed."""
    first = datetime.fromisoformat(begins).replace(tzinfo=UTC)
    assert minimum_ends(zone, first, months) == until
    for paid in range(months + 1):
        ends_on = local_day(zone, datetime.combine(months_after(first.date(), paid), first.time(), UTC))
        assert ends_early(ends=True, covers_until=ends_on, minimum_until=until) is (paid < months)
        assert owed_minor(1, "month", covers_until=ends_on, minimum_until=until) == months - paid


def bought_for_a_year(shop):
    """The plan by the month, taken for twelve of them."""
    version = signed_policy(shop.session, shop.cast, ("rank = 20\n", "rank = 20\nminimum_months = 12\n"))
    return shop.buy(plan_order(shop.cast, shown_sha256=version.sha256))


def at_stripe(shop, purchase, change):
    subscription = shop.seen(purchase).subscription.provider_subscription_id
    change(shop.standin.client().v1.subscriptions, subscription)
    shop.hear()


def test_an_end_at_stripe_within_the_term_is_a_finding_until_it_is_taken_back(shop, work_session):
    purchase = bought_for_a_year(shop)
    with pytest.raises(RuleBroken, match="taken until 2027-03-10"):
        cancel(work_session, shop.cast.bea, shop.seen(purchase), wanted=True, now=NOW)
    at_stripe(shop, purchase, lambda at, one: at.update(one, {"cancel_at_period_end": True}))
    (row,) = early_ends(work_session, shop.cast.fay)
    assert (row.minimum_until, row.owed_minor, row.each_minor) == (UNTIL, 11 * MONTH_MINOR, MONTH_MINOR)
    at_stripe(shop, purchase, lambda at, one: at.update(one, {"cancel_at_period_end": False}))
    assert early_ends(work_session, shop.cast.fay) == []


def test_a_buyer_leaves_early_with_a_yes_to_what_is_owed_which_is_charged_once_when_the_plan_has_ended(
    shop, work_session
):
    purchase, bea, owed = bought_for_a_year(shop), shop.cast.bea, 11 * MONTH_MINOR
    for accepted, error in ((None, RuleBroken), (owed - 1, Conflict)):
        with pytest.raises(error):
            cancel(work_session, bea, shop.seen(purchase), wanted=True, accepted_minor=accepted, now=NOW)
    cancel(work_session, bea, shop.seen(purchase), wanted=True, accepted_minor=owed, now=NOW)
    work_session.commit()
    shop.run_jobs(NOW, gateway=shop.gateway)
    shop.hear()
    ends = shop.seen(purchase).seen.covers_until
    assert [charge_early_ends(work_session, now=at) for at in (NOW, ends + timedelta(hours=1))] == [0, 0]
    assert [row.owed_minor for row in early_ends(work_session, shop.cast.fay)] == [owed]
    shop.standin.control.advance_clock(32 * 86_400)
    later = NOW + timedelta(days=32)
    shop.hear(now=later)
    assert [charge_early_ends(work_session, now=later) for _ in range(2)] == [1, 0]
    sale = charged_sale(work_session, shop.seen(purchase))
    assert (sale.amount_minor, sale.paid_by, sale.payer_id) == (owed, "invoice", shop.cast.customer.id)
    assert "11 × 290.00 EUR are owed for the rest of the term, 3190.00 EUR." in sale.explanation["sentences"][0]
    earn_plans(work_session, shop.cast.factory.id, now=later)
    shares = work_session.scalars(select(PlanShare).where(PlanShare.plan_sale_id == sale.id)).all()
    assert sum(share.amount_minor for share in shares) == owed
    assert len({share.party_role for share in shares}) > 1
    assert check_books(work_session) == []
    assert early_ends(work_session, shop.cast.fay) == []
    with pytest.raises(Conflict):
        close_early_end(work_session, shop.cast.fay, purchase.id, explanation="Too late", now=later)
    for _ in range(2):
        gather_invoices(work_session, sale.period_id, now=later)
    lines = work_session.scalars(select(InvoiceItem).where(InvoiceItem.plan_sale_id == sale.id)).all()
    assert [(line.amount_minor, "left before 2027-03-10" in line.description) for line in lines] == [(owed, True)]
    shares_follow_the_cash(work_session, lines[0], [(share.party_id, share.amount_minor) for share in shares])
    assert check_books(work_session) == []
    with pytest.raises(IntegrityError, match="pays no more of a share"), work_session.begin_nested():
        work_session.execute(
            text(
                "INSERT INTO plan_cash (manufacturer_id, integrator_id, party_id, receipt_id, plan_share_id, currency,"
                " amount_minor, applied_at) SELECT manufacturer_id, integrator_id, party_id, receipt_id, plan_share_id,"
                " currency, 1, applied_at FROM plan_cash LIMIT 1"
            )
        )


def shares_follow_the_cash(session, line, shares):
    """Nothing is payable before the invoice is paid; a part of each with a part; what goes back is taken back."""
    invoice = session.get_one(Invoice, line.invoice_id)

    def stage(purpose):
        found = {party: 0 for party, _ in shares}
        held = balances(session, manufacturer_id=line.manufacturer_id, currency="EUR")
        return found | {party: -minor for (name, party), minor in held.items() if name == purpose and party in found}

    begun = stage("payable")
    whole = {each: sum(minor for party, minor in shares if party == each) for each in begun}
    assert stage("payable_accrued") == whole
    cash_in(session, invoice, 100_000)
    first = {party: minor - begun[party] for party, minor in stage("payable").items()}
    assert sum(first.values()) == 100_000
    assert all(abs(minor - whole[party] * 100_000 / line.amount_minor) < 1 for party, minor in first.items())
    assert {party: minor + first[party] for party, minor in stage("payable_accrued").items()} == whole
    last = cash_in(session, invoice, line.amount_minor - 100_000)
    assert apply_cash(session, last.id, now=last.received_at) == 0
    assert stage("payable") == {party: minor + begun[party] for party, minor in whole.items()}
    taking = Taking(line.manufacturer_id, invoice.id, None, 50_000, paid_at=last.received_at)
    words = {"description": "Refund", "reason": "Agreed", "livemode": False}
    cause = Cause("adjustment", 1, taking, line.payer_id, "EUR", Purpose.REFUNDS, **words)
    lost = take(session, cause, now=last.received_at)
    assert sum(lost.values()) == 50_000
    assert {party: begun[party] + whole[party] - minor for party, minor in stage("payable").items()} == lost


def test_what_finance_let_go_is_not_charged_even_before_its_job_ran(shop, work_session):
    purchase = bought_for_a_year(shop)
    at_stripe(shop, purchase, lambda at, one: at.cancel(one))
    later = shop.seen(purchase).seen.covers_until
    close_early_end(work_session, shop.cast.fay, purchase.id, explanation="Let go", now=NOW)
    assert charge_early_ends(work_session, now=later) == 0
    assert charged_sale(work_session, shop.seen(purchase)) is None


def test_finance_closes_a_finding_with_what_was_agreed(shop, work_session):
    purchase = bought_for_a_year(shop)
    at_stripe(shop, purchase, lambda at, one: at.cancel(one))
    shop.hear(copies=2)
    fay = shop.cast.fay
    assert [row.purchase.id for row in early_ends(work_session, fay)] == [purchase.id]
    for who, words, error in (
        (shop.cast.bea, "Let go", NotAllowed),
        (shop.cast.eve, "Let go", NotAllowed),
        (fay, " ", Invalid),
    ):
        with pytest.raises(error):
            close_early_end(work_session, who, purchase.id, explanation=words, now=NOW)
    with pytest.raises(NotFound):
        close_early_end(work_session, fay, 10**9, explanation="Let go", now=NOW)
    close_early_end(work_session, fay, purchase.id, explanation="Let go: the line was sold", now=NOW)
    work_session.commit()
    shop.run_jobs(NOW, gateway=shop.gateway, mailer=Kept())
    work_session.expire_all()
    assert early_ends(work_session, fay) == []
    assert shop.seen(purchase).steps["let_go"].details["explanation"] == "Let go: the line was sold"
    with pytest.raises(Conflict):
        close_early_end(work_session, fay, purchase.id, explanation="Again", now=NOW)
