"""A promise was missed and the plan gives a longer term: the end moves at Stripe, the renewal and the slices follow."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select

from portal.billing.actions.ahead import month_minor
from portal.billing.books import billing_problems
from portal.billing.supplements.actions import settle_remedy
from portal.calendars import Period
from portal.cases.models import PromiseRemedy
from portal.contracts.queries import plan_choice_at
from portal.notifications.mail import FileMailer
from tests.support.buying import DAY_SECONDS, MONTH_MINOR, plan_order
from tests.support.cases import accepted
from tests.support.cast import NOW, hours_later
from tests.support.versions import signed_policy

AT = hours_later(8)


def longer(shop, letters, days, **wanted):
    """A plan bought, a promise of it missed, and its remedy settled."""
    said = f'rank = 20\nremedies = [{{ clock = "response", extra_days = {days} }}]\n'
    version = signed_policy(shop.session, shop.cast, ("rank = 20\n", said))
    purchase = shop.buy(plan_order(shop.cast, shown_sha256=version.sha256, **wanted))
    before = shop.seen(purchase).seen.covers_until
    accepted(shop.session, shop.cast, system_id=shop.cast.plain_system.id, severity=3, at=hours_later(7))
    remedy = shop.session.scalars(select(PromiseRemedy)).one()
    made = settle_remedy(shop.session, remedy.id, now=AT)
    assert settle_remedy(shop.session, remedy.id, now=AT) is None
    shop.session.commit()
    shop.run_jobs(AT, gateway=shop.gateway, mailer=FileMailer(letters, "portal@example.org"))
    shop.hear(now=AT)
    return purchase, before, made


def test_the_end_moves_and_is_renewed_then(shop, work_session, tmp_path):
    purchase, before, made = longer(shop, tmp_path, 3)
    seen = shop.seen(purchase).seen
    assert seen.covers_until - before == timedelta(days=3)
    assert (made.amount_minor, made.explanation["days"]) == (0, 3)
    assert "lasts 3 days longer: it ends, and is renewed, on 2026-04-13" in made.explanation["sentences"][0]
    assert billing_problems(work_session) == []
    for days, bills in ((32, 1), (35, 2)):
        shop.standin.control.set_clock(int(NOW.timestamp()) + days * DAY_SECONDS)
        shop.hear(now=NOW + timedelta(days=days))
        assert len(shop.seen(purchase).bills) == bills
    assert shop.seen(purchase).bills[1].covers_from == seen.covers_until


def test_what_is_left_of_a_year_is_earned_over_the_longer_term(shop, work_session, tmp_path):
    purchase, _, _ = longer(shop, tmp_path, 61, interval="year", shown_minor=12 * MONTH_MINOR)
    choice = plan_choice_at(work_session, site_id=shop.cast.plain_site.id, manufacturer_id=shop.cast.factory.id, at=AT)
    april = Period(NOW + timedelta(days=31), NOW + timedelta(days=61))
    # One of twelve months is sold; the other eleven are spread over thirteen.
    assert month_minor(work_session, choice, april) == 11 * MONTH_MINOR // 13 + 1
    assert shop.seen(purchase).seen.status == "trialing"
