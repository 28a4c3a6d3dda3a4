"""Another plan for a subscription: from the unpaid period on, at its price, chosen once and never twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from types import SimpleNamespace

import pytest
from sqlalchemy import select

from portal.billing.books import check_books
from portal.billing.models import PlanSale
from portal.contracts.policy import parse_policy
from portal.contracts.queries import plan_choice_at
from portal.errors import Conflict, NotAllowed, RuleBroken
from portal.payments.actions import retry_intent
from portal.selling.actions import change_plan, changes_possible, order
from portal.selling.actions.ending import end_returned
from portal.selling.rules import Kind, catalogue, plan_changes
from portal.selling.rules.changing import Held, is_stale
from tests.support.buying import DAY_SECONDS, MONTH_MINOR, OTHER_PLANS, PLACE, POLICY_TEXT, lapsed, plan_order
from tests.support.cast import NOW
from tests.support.versions import signed_policy

ITEMS = [item for item in catalogue(parse_policy(POLICY_TEXT.replace(*OTHER_PLANS))) if item.kind is Kind.PLAN]
UNTIL = date(2027, 3, 10)
HELD = Held("assured", "month", MONTH_MINOR, NOW + timedelta(days=31), "Europe/Berlin")


@pytest.mark.parametrize(
    ("changed", "refused"),
    [
        ({}, ["", ""]),
        ({"minimum_until": UNTIL}, ["", "taken until 2027-03-10"]),
        ({"minimum_until": date(2026, 4, 10)}, ["", ""]),
        ({"ends": True}, ["Keep it", "Keep it"]),
        ({"changes_to": "light"}, ["on its way", "on its way"]),
    ],
)
def test_a_plan_changes_where_its_paid_period_ends(changed, refused):
    found = plan_changes(ITEMS, replace(HELD, **changed))
    assert {each.from_at for each in found} == {HELD.covers_until}
    found = [each for each in found if each.item.interval == "month"]
    assert [each.item.code for each in found] == ["premium", "light"]
    for each, words in zip(found, refused, strict=True):
        assert words in each.refusal
        assert bool(words) == bool(each.refusal)


@pytest.mark.parametrize(
    ("changed", "now"),
    [
        ({}, {"premium month", "premium year", "assured year"}),
        ({"interval": "year", "price_minor": 12 * MONTH_MINOR}, {"premium year"}),
        ({"code": "premium", "price_minor": 49_000}, {"premium year"}),
        ({"ends": True}, set()),
        ({"changes_to": "light"}, set()),
        ({"is_longer": True}, set()),
    ],
)
def test_at_once_only_what_is_worth_more_takes_its_place(changed, now):
    found = plan_changes(ITEMS, replace(HELD, **changed))
    assert {f"{each.item.code} {each.item.interval}" for each in found if not each.not_now} == now


@pytest.mark.parametrize(
    ("shown", "stale"),
    [(-1, True), (0, True), (1, False), (600, False), (601, True), (-3600, True)],
)
def test_figures_hold_for_minutes_and_for_their_period(shown, stale):
    """In seconds since the period began; the yes comes ten minutes after it did, or as soon as it can."""
    at = NOW + timedelta(seconds=shown)
    assert is_stale(at, NOW, max(at, NOW + timedelta(seconds=600)) if shown < 601 else NOW) is stale


def test_what_an_integrator_collects_is_changed_by_the_integrator():
    collected = SimpleNamespace(purchase=SimpleNamespace(collector="integrator"))
    with pytest.raises(Conflict, match="ask it to change the plan"):
        changes_possible(None, collected, now=NOW)


def test_a_subscription_goes_on_as_another_plan_at_its_price(shop, work_session):
    version = signed_policy(work_session, shop.cast, OTHER_PLANS)
    purchase = shop.buy(plan_order(shop.cast, shown_sha256=version.sha256))
    until = shop.seen(purchase).seen.covers_until
    said = {"sha256": version.sha256, "shown_minor": 49_000, "now": NOW}
    for who, code, changed, error in (
        (shop.cast.cal, "premium", {}, NotAllowed),
        (shop.cast.bea, "complimentary", {}, RuleBroken),
        (shop.cast.bea, "premium", {"shown_minor": 1}, Conflict),
        (shop.cast.bea, "premium", {"sha256": "0" * 64}, Conflict),
    ):
        with pytest.raises(error):
            change_plan(work_session, who, shop.seen(purchase), code, **{**said, **changed})
    change_plan(work_session, shop.cast.bea, shop.seen(purchase), "premium", **said)
    work_session.commit()
    with pytest.raises(RuleBroken, match="on its way"):
        change_plan(work_session, shop.cast.bea, shop.seen(purchase), "premium", **said)
    shop.run_jobs(NOW, gateway=shop.gateway)
    shop.hear(copies=2)
    wanted = plan_order(shop.cast, code="light", shown_sha256=version.sha256, shown_minor=25_000)
    with pytest.raises(Conflict, match="paid by subscription"):
        order(work_session, shop.cast.bea, wanted, PLACE, now=NOW)
    at = {"site_id": shop.cast.plain_site.id, "manufacturer_id": shop.cast.factory.id}
    held = [plan_choice_at(work_session, **at, at=until + timedelta(seconds=each)).plan_code for each in (-1, 1)]
    assert held == ["assured", "premium"]
    shop.standin.control.advance_clock(32 * DAY_SECONDS)
    later = NOW + timedelta(days=32)
    shop.hear(now=later)
    found = shop.seen(purchase)
    assert [bill.amount_minor for bill in found.bills] == [MONTH_MINOR, 49_000]
    there = changes_possible(work_session, found, now=later)
    monthly = [each for each in there.found if each.item.interval == "month"]
    assert [(each.item.code, each.refusal) for each in monthly] == [("assured", ""), ("light", "")]
    assert [problem for problem in check_books(work_session) if problem] == []


def test_a_plan_that_was_to_follow_ends_with_what_was_paid_back(shop, work_session):
    version = signed_policy(work_session, shop.cast, OTHER_PLANS)
    purchase = shop.buy(plan_order(shop.cast, shown_sha256=version.sha256))
    said = {"sha256": version.sha256, "shown_minor": 49_000, "now": NOW}
    planned = change_plan(work_session, shop.cast.bea, shop.seen(purchase), "premium", **said)
    work_session.commit()
    shop.standin.control.fault("refuse", method="POST", path="/v1/subscriptions/[^/]+")
    for active in (False, True):
        # Refused, its product is archived; tried again, it is sold again.
        shop.run_jobs(NOW, gateway=shop.gateway)
        assert shop.standin.client().v1.products.retrieve(str(planned.id)).active is active
        if not active:
            retry_intent(work_session, shop.cast.fay, planned.id)
            work_session.commit()
    shop.hear()
    until = shop.seen(purchase).seen.covers_until
    end_returned(work_session, shop.seen(purchase), now=NOW + timedelta(hours=1))
    at = {"site_id": shop.cast.plain_site.id, "manufacturer_id": shop.cast.factory.id}
    days = [NOW + timedelta(hours=2), until + timedelta(minutes=1), until + timedelta(days=40)]
    assert {plan_choice_at(work_session, **at, at=each).plan_code for each in days} == {"complimentary"}


def test_a_reinstatement_is_owed_once_however_the_plan_goes_on(shop, work_session):
    cast = shop.cast
    policy = lapsed(work_session, cast, 'amount = "90.00"', changes=[OTHER_PLANS])
    purchase = shop.buy(plan_order(cast, shown_sha256=policy.sha256, shown_minor=MONTH_MINOR + 9_000))
    change_plan(
        work_session, cast.bea, shop.seen(purchase), "premium", sha256=policy.sha256, shown_minor=49_000, now=NOW
    )
    work_session.commit()
    shop.run_jobs(NOW, gateway=shop.gateway)
    shop.hear()
    sold = work_session.scalars(select(PlanSale.amount_minor).where(PlanSale.kind == "reinstatement")).all()
    assert sold == [9_000]
    assert [problem for problem in check_books(work_session) if problem] == []
