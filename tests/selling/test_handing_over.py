"""A plan whose integrator services its site no longer: whose it is from which month on, with no second purchase."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select

from portal.billing.actions.plans import earn_plans, open_month
from portal.billing.books import check_books
from portal.billing.models import PlanSale, PlanShare
from portal.contracts.actions import Taking, take_plan
from portal.contracts.models import PlanChoice
from portal.directory import actions as directory
from portal.selling.actions import hand_over_of, hand_over_plans
from portal.selling.rules.handing_over import Heir, SoldBy, hands_over_at, heir_of, is_eve
from tests.support.buying import DAY_SECONDS, MONTH_MINOR, plan_order
from tests.support.cast import NOW

MAKER, OLD, NEW, THIRD = 1, 2, 3, 4
APRIL, MAY = datetime(2026, 4, 1, tzinfo=UTC), datetime(2026, 5, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("held", "servicing", "heir"),
    [
        # Who sold it still services the site, alone or beside another.
        (SoldBy(MAKER, OLD, OLD), {OLD}, None),
        (SoldBy(MAKER, OLD, OLD), {OLD, NEW}, None),
        # Another services it; nobody does; several do.
        (SoldBy(MAKER, OLD, OLD), {NEW}, Heir(NEW, NEW)),
        (SoldBy(MAKER, OLD, OLD), set(), Heir(None, MAKER)),
        (SoldBy(MAKER, OLD, OLD), {NEW, THIRD}, Heir(None, MAKER)),
        # What the manufacturer sold stays sold by it; only who services changes.
        (SoldBy(MAKER, OLD, MAKER), {NEW}, Heir(NEW, MAKER)),
        (SoldBy(MAKER, OLD, MAKER), set(), Heir(None, MAKER)),
        # Bought without an integrator, it stays so until the customer chooses anew.
        (SoldBy(MAKER, None, MAKER), {NEW}, None),
        # What its integrator collects itself nobody else may ask money for.
        (SoldBy(MAKER, OLD, OLD, integrator_collects=True), {NEW}, None),
    ],
)
def test_a_plan_goes_on_with_who_services_its_site(held, servicing, heir):
    assert heir_of(held, frozenset(servicing)) == heir


@pytest.mark.parametrize(
    ("sold_until", "paid_until", "at"),
    [(None, None, APRIL), (APRIL, None, APRIL), (MAY, None, MAY), (APRIL, MAY, MAY), (None, NOW, APRIL)],
)
def test_it_changes_hands_after_what_is_sold_and_paid(sold_until, paid_until, at):
    assert hands_over_at(month_until=APRIL, sold_until=sold_until, paid_until=paid_until) == at


@pytest.mark.parametrize(("days", "wanted"), [(3, False), (2, True), (0, True), (-1, True)])
def test_it_does_so_shortly_before(days, wanted):
    assert is_eve(APRIL, APRIL - timedelta(days=days)) is wanted


def serviced(session, cast, integrator, from_on):
    return directory.begin_service(
        session, cast.adam, site_id=cast.plain_site.id, product_line_id=cast.product_line.id,
        integrator_id=integrator.id, from_on=from_on, letter_reference="Letter 7", now=NOW,
    )  # fmt: skip


def choices(session, cast):
    mine = (PlanChoice.site_id == cast.plain_site.id, PlanChoice.plan_code == "assured")
    return session.scalars(select(PlanChoice).where(*mine).order_by(PlanChoice.from_at)).all()


def test_a_subscription_goes_on_and_its_later_months_are_the_new_integrators(shop, work_session):
    cast = shop.cast
    purchase = shop.buy(plan_order(cast))
    until = shop.seen(purchase).seen.covers_until
    serviced(work_session, cast, cast.other_integrator, date(2026, 3, 20))
    (held,) = choices(work_session, cast)
    found = hand_over_of(work_session, held, now=NOW)
    assert (found.at, found.heir) == (until, Heir(cast.other_integrator.id, cast.other_integrator.id))
    work_session.commit()
    assert hand_over_plans(work_session, now=until - timedelta(days=3)) == 0
    assert [hand_over_plans(work_session, now=until - timedelta(days=2)) for _ in range(2)] == [1, 0]
    work_session.commit()
    shop.standin.control.advance_clock(32 * DAY_SECONDS)
    later = NOW + timedelta(days=32)
    shop.hear(now=later)
    open_month(work_session, now=later)
    old, new = choices(work_session, cast)
    assert (old.seller_id, new.seller_id, new.from_at) == (cast.integrator.id, cast.other_integrator.id, until)
    assert shop.seen(purchase).paid_minor == 2 * MONTH_MINOR
    earn_plans(work_session, cast.factory.id, now=until + timedelta(days=40))
    mine = select(PlanSale).where(PlanSale.site_id == cast.plain_site.id)
    sales = work_session.scalars(mine.order_by(PlanSale.starts_at)).all()
    assert [(each.integrator_id, each.amount_minor) for each in sales] == [
        (cast.integrator.id, MONTH_MINOR),
        (cast.other_integrator.id, MONTH_MINOR),
    ]
    # There is no agreement with the new one yet: by the house terms it has no share, and the old one has none at all.
    shared = select(PlanShare.party_id).distinct()
    first, second = (set(work_session.scalars(shared.where(PlanShare.plan_sale_id == sale.id))) for sale in sales)
    assert cast.integrator.id in first
    assert second == {cast.factory.id}
    assert [problem for problem in check_books(work_session) if problem] == []


def test_a_plan_of_an_integrator_that_never_serviced_the_site_stays_its(work_session, cast):
    other_id = cast.other_integrator.id
    taking = Taking(cast.plain_site, cast.policy_version, "assured", other_id, other_id, cast.bea.person_id)
    choice = take_plan(work_session, taking, from_at=NOW, now=NOW)
    assert hand_over_of(work_session, choice, now=NOW) is None
    assert hand_over_plans(work_session, now=NOW + timedelta(days=21)) == 0


def test_a_plan_by_the_invoice_changes_hands_with_the_next_month(work_session, cast):
    held = cast.plan_choice
    directory.begin_service(
        work_session, cast.adam, site_id=cast.site.id, product_line_id=cast.product_line.id,
        integrator_id=cast.other_integrator.id, from_on=date(2026, 4, 1), letter_reference="Letter 7", now=NOW,
    )  # fmt: skip
    april = datetime(2026, 3, 31, 22, tzinfo=UTC)
    assert hand_over_of(work_session, held, now=NOW).at == april
    assert hand_over_plans(work_session, now=april - timedelta(days=1)) == 1
    mine = select(PlanChoice).where(PlanChoice.site_id == cast.site.id).order_by(PlanChoice.from_at.desc()).limit(1)
    then = work_session.scalars(mine).one()
    assert (then.from_at, then.seller_id, then.plan_code) == (april, cast.other_integrator.id, held.plan_code)
    assert (then.version_id, then.terms) == (held.version_id, {**held.terms, "goes_on_from": held.id})
    # The new integrator services it: nothing changes hands again.
    assert hand_over_plans(work_session, now=april + timedelta(days=29)) == 0
