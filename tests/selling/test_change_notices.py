"""A change of plan is told to who bought it, with what it costs, and to the companies without any amount."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select

from portal.notifications import plan_notices
from portal.notifications.letters import LETTERS, Writing
from portal.notifications.models import Delivery
from portal.notifications.rendering import rendered
from portal.payments import calls
from portal.selling.actions import change_plan, changes_possible
from portal.selling.rules import Step
from tests.selling.test_changing_at_once import PREMIUM_MINOR, TEN_DAYS, asked, changed, purchase, said, version

__all__ = ["purchase", "version"]
BUYER, COMPANIES = {"bea@kli.example"}, {"mia@kes.example", "leo@nor.example", "fay@nor.example"}


def told(shop, template):
    """The letters of a name that would be read now, by address: text and HTML."""
    found = {}
    for delivery in shop.session.scalars(select(Delivery).where(Delivery.template == template).order_by(Delivery.id)):
        written = LETTERS[template](Writing(shop.session, delivery, "https://portal.example", "", TEN_DAYS))
        if written is not None:
            found[delivery.email] = written, rendered(written)
    return found


def test_a_change_is_told_with_amounts_to_its_buyer_only(shop, purchase):
    late = said(shop, purchase, asked(shop, purchase))
    assert calls.perform(shop.engine, shop.gateway, late, TEN_DAYS + timedelta(hours=3)) == "failed"
    shop.hear(now=TEN_DAYS)
    failed = told(shop, "plan_not_changed")
    assert failed.keys() >= BUYER | COMPANIES
    for address, (letter, body) in failed.items():
        both = (body.text, body.html)
        assert all("Assured holds as before" in each for each in both)
        assert all(("3 hours after you saw" in each) is (address in BUYER) for each in both)
        again = f"bought/{purchase.form_key}/change/now/premium/month"
        assert (again in letter.button[1]) is (address in BUYER)

    later = TEN_DAYS + timedelta(minutes=1)
    shown = changed(shop, purchase, at=later, now=later).preview
    made = told(shop, "plan_changed")
    assert made.keys() == failed.keys()
    for address, (letter, body) in made.items():
        assert letter.subject.endswith("Premium holds now")
        for each in (body.text, body.html):
            assert ("490.00 EUR a month" in each) is (address in BUYER)
            assert (f"{shown.total_minor / 100:.2f} EUR" in each) is (address in BUYER)
            assert ("EUR" in each) is (address in BUYER)
    # Told once, however often its job runs.
    before = len(shop.session.scalars(select(Delivery.id)).all())
    plan_notices.notify_plan_change(shop.session, str(late), TEN_DAYS)
    shop.hear(now=TEN_DAYS, copies=2)
    assert len(shop.session.scalars(select(Delivery.id)).all()) == before


def test_one_from_the_next_period_on_names_its_day_and_one_on_its_way_is_told_to_nobody(shop, purchase):
    found = shop.seen(purchase)
    assert Step.SOLD in found.steps
    hash_of = changes_possible(shop.session, found, now=TEN_DAYS).in_force.version.sha256
    said_yes = {"sha256": hash_of, "shown_minor": PREMIUM_MINOR, "now": TEN_DAYS}
    planned = change_plan(shop.session, shop.cast.bea, found, "premium", **said_yes)
    shop.session.commit()
    plan_notices.notify_plan_change(shop.session, str(planned.id), TEN_DAYS)
    assert told(shop, "plan_changed") == {}
    shop.run_jobs(TEN_DAYS, gateway=shop.gateway)
    made = told(shop, "plan_changed")
    assert made.keys() >= BUYER | COMPANIES
    letter, body = made["bea@kli.example"]
    assert letter.subject.endswith("Premium follows Assured")
    assert f"{found.seen.covers_until.day} April 2026" in body.text
    assert "490.00 EUR a month without tax" in body.text
