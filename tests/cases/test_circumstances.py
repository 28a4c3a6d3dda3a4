"""What a case says of itself moves its cover, price and bill alike, and is kept as it was when it was opened."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from portal.billing.actions import rebill_case
from portal.billing.models import BillItem
from portal.cases import actions
from portal.cases.models import CaseEvent, SupportCase
from portal.contracts.circumstances import ORDINARY_CASE, Circumstances
from portal.contracts.targets import Channel
from portal.entitlement.queries import decision_of, latest_coverage, requests_of
from portal.errors import Conflict, Invalid
from portal.identity.models import Person
from tests.support.billed import billed, open_books, said_yes, settled, worked
from tests.support.cases import new_case, scope_of
from tests.support.cast import NOW, Cast, hours_later
from tests.support.versions import signed_policy

BEFORE = '[[rates]]\nmodes = ["travel"]'
TABLES = """
[[customer_classes]]
code = "members"
label = "Members"

[[customer_classes]]
code = "lapsed"
lapsed_over_days = 30

[[requests]]
code = "rush"
label = "Same day"

[[surcharges]]
requested = ["rush"]
percent = "50"

[[fees]]
code = "way"
label = "Way to the site"
amount = "40.00"
distance_from = 30

[[rates]]
customer_classes = ["members"]
modes = ["remote", "phone"]
per_hour = "100.00"

[[rates]]
customer_classes = ["lapsed"]
modes = ["remote", "phone"]
per_hour = "400.00"

"""
SITE_CLOCK = ('windows = ["mon-fri 08:00-17:00"]', 'whose_zone = "site"\nwindows = ["mon-fri 08:00-17:00"]')


@pytest.fixture
def books(work_session: Session, cast: Cast) -> Cast:
    open_books(work_session, cast)
    signed_policy(work_session, cast, (BEFORE, TABLES + BEFORE))
    return cast


def opened(session: Session, cast: Cast, said: Circumstances, *, at: datetime = NOW) -> SupportCase:
    new = new_case(cast, system_id=cast.plain_system.id, circumstances=said)
    return actions.escalate(session, cast.tom, new, now=at)


@pytest.mark.parametrize(
    ("said", "hourly", "amount"),
    [
        (ORDINARY_CASE, 15_000, 15_000),
        (Circumstances("members"), 10_000, 10_000),
        (Circumstances("members", ("rush",)), 15_000, 15_000),
        (Circumstances("members", distance="29.9"), 10_000, 10_000),
        (Circumstances("members", ("rush",), "30"), 15_000, 19_000),
    ],
)
def test_price_shown_is_the_price_billed(work_session, books, said, hourly, amount):
    case = opened(work_session, books, said)
    shown = decision_of(latest_coverage(work_session, case.id))
    assert shown.price_now.per_hour == hourly
    actions.accept_custody(work_session, books.ana, case, seq=case.seq, now=hours_later(0.5))
    said_yes(work_session, books, case, nte_minor=100_000)
    worked(work_session, books, case, minutes=60)
    settled(work_session, books, case)
    assert billed(work_session, case).amount_minor == amount
    assert case.circumstances == said


def test_customer_says_its_wish_and_not_its_class_or_distance(work_session, books):
    said = Circumstances("members", ("rush",), "30", channel=Channel.PHONE)
    new = new_case(books, system_id=books.plain_system.id, circumstances=said, answers={})
    case = actions.open_by_contact(work_session, books.cal, new, now=NOW)
    assert case.circumstances == Circumstances(requested=("rush",))


def test_class_nobody_knows_is_refused(work_session, books):
    with pytest.raises(Invalid):
        opened(work_session, books, Circumstances("friends"))


@pytest.mark.parametrize(("days", "hourly"), [(29, 10_000), (32, 40_000)])
def test_class_follows_from_when_the_plan_ended(work_session, web_session, books, days, hourly):
    """Whoever services the site now knows it too, whoever did when the plan was chosen."""
    ended_at = NOW - timedelta(days=days)
    _choose(work_session, books, "assured", ended_at - timedelta(days=40))
    _choose(work_session, books, "complimentary", ended_at)
    work_session.commit()
    session = web_session(scope_of(books.tom))
    case = opened(session, books, Circumstances("members"))
    assert decision_of(latest_coverage(session, case.id)).price_now.per_hour == hourly


def _choose(session: Session, cast: Cast, plan: str, at: datetime) -> None:
    session.execute(
        text("""INSERT INTO plan_choice (manufacturer_id, customer_id, integrator_id, seller_id, site_id, version_id,
                    sha256, plan_code, from_at, accepted_by, accepted_at, terms)
                SELECT manufacturer_id, customer_id, NULL, seller_id, :site, version_id, sha256, :plan, :at,
                    accepted_by, :at, '{}' FROM plan_choice WHERE id = :like"""),
        {"site": cast.plain_site.id, "plan": plan, "at": at, "like": cast.plan_choice.id},
    )


def test_bands_go_by_the_clocks_of_the_site_as_they_were(work_session, cast):
    """17:30 in Berlin is 11:30 in New York: business hours there, whatever the record says later."""
    open_books(work_session, cast)
    signed_policy(work_session, cast, SITE_CLOCK)
    cast.plain_site.zone = "America/New_York"
    start = datetime(2026, 3, 10, 17, 30, tzinfo=ZoneInfo("Europe/Berlin"))
    case = opened(work_session, cast, ORDINARY_CASE, at=start)
    assert decision_of(latest_coverage(work_session, case.id)).band == "business"
    actions.accept_custody(work_session, cast.ana, case, seq=case.seq, now=start)
    said_yes(work_session, cast, case, nte_minor=100_000, at=start)
    worked(work_session, cast, case, minutes=60, start=start)
    cast.plain_site.zone = "Europe/Berlin"
    settled(work_session, cast, case)
    assert billed(work_session, case).amount_minor == 15_000
    assert case.site_zone == "America/New_York"


@pytest.mark.parametrize(
    "change", ["support_level = 4", "channel = 'fax'", "distance = 'far'", "distance = '-1'", "distance = '1e3'"]
)
def test_database_refuses_what_cannot_be(work_session, cast, change):
    case = opened(work_session, cast, ORDINARY_CASE)
    with pytest.raises(IntegrityError), work_session.begin_nested():
        work_session.execute(text(f"UPDATE support_case SET {change} WHERE id = :id"), {"id": case.id})


def test_a_correction_is_a_decision_of_its_own_and_asks_whoever_pays_more(work_session, books):
    case = opened(work_session, books, Circumstances("members"))
    actions.accept_custody(work_session, books.ana, case, seq=case.seq, now=hours_later(0.5))
    said_yes(work_session, books, case, nte_minor=100_000)
    first = latest_coverage(work_session, case.id)
    said = Circumstances("members", ("rush",), "30")
    correct(work_session, books, case, said)
    last = latest_coverage(work_session, case.id)
    assert (first.id < last.id, decision_of(first).price_now.per_hour) == (True, 10_000)
    assert decision_of(last).price_now.per_hour == 15_000
    (event,) = [each for each in events(work_session, case) if each.kind == "circumstances_corrected"]
    assert event.details["dearer_for"] == "customer"
    assert event.details["said"][0] == "Asked for: not stated, now Same day."
    assert [state.request.reason for state in requests_of(work_session, case.id) if state.is_open] == [
        "What was said of the case is corrected, and it costs more."
    ]


def test_a_request_at_the_old_price_is_withdrawn_and_asked_anew(work_session, books):
    case = opened(work_session, books, Circumstances("members"))
    actions.accept_custody(work_session, books.ana, case, seq=case.seq, now=hours_later(0.5))
    (first,) = requests_of(work_session, case.id)
    correct(work_session, books, case, Circumstances("members", ("rush",), "30"))
    newest, old = requests_of(work_session, case.id)
    assert (first.request.price_per_hour_minor, newest.request.price_per_hour_minor) == (10_000, 15_000)
    assert (old.is_open, old.withdrawal.replaced_by_id, newest.is_open) == (False, newest.request.id, True)
    assert newest.request.nte_minor == first.request.nte_minor * 3 // 2
    for answer in (
        lambda: actions.authorize(work_session, books.bea, old.request.id, nte_minor=50_000, now=hours_later(3)),
        lambda: actions.refuse_authorization(work_session, books.bea, old.request.id, reason="No", now=hours_later(3)),
    ):
        with pytest.raises(Conflict, match="another was sent in its place"):
            answer()
    assert actions.begin_emergency(work_session, old.request.id, now=hours_later(3)) is None
    kinds = [each.kind for each in events(work_session, case)]
    assert kinds[-3:] == ["circumstances_corrected", "authorization_asked", "authorization_withdrawn"]
    # A later correction that is cheaper leaves what was asked as it is.
    correct(work_session, books, case, Circumstances("members"))
    assert [state.is_open for state in requests_of(work_session, case.id)] == [True, False]


def test_a_correction_that_is_cheaper_asks_nobody_and_is_billed(work_session, books):
    case = opened(work_session, books, Circumstances("members", ("rush",), "30"))
    actions.accept_custody(work_session, books.ana, case, seq=case.seq, now=hours_later(0.5))
    said_yes(work_session, books, case, nte_minor=100_000)
    correct(work_session, books, case, Circumstances("members", distance="29"))
    worked(work_session, books, case, minutes=60)
    settled(work_session, books, case)
    assert billed(work_session, case).amount_minor == 10_000
    assert not [state for state in requests_of(work_session, case.id) if state.is_open]


def test_a_billed_case_is_corrected_only_by_billing_it_again(work_session, books):
    case = opened(work_session, books, ORDINARY_CASE)
    actions.accept_custody(work_session, books.ana, case, seq=case.seq, now=hours_later(0.5))
    said_yes(work_session, books, case, nte_minor=100_000)
    worked(work_session, books, case, minutes=60)
    settled(work_session, books, case)
    actions.confirm_fixed(work_session, books.cal, case, seq=case.seq, now=hours_later(32))
    actions.close_case(work_session, case.id, now=hours_later(33))
    first = billed(work_session, case)
    work_session.refresh(case)
    member = Circumstances("members")
    with pytest.raises(Invalid) as refused:
        correct(work_session, books, case, member, now=hours_later(900))
    assert "billing it again" in refused.value.fields["bill_again"]
    correct(work_session, books, case, member, bill_again=True, now=hours_later(900))
    rebill_case(work_session, case.id, reason="corrected", now=hours_later(901))
    again = work_session.scalars(select(BillItem).order_by(BillItem.id.desc()).limit(1)).one()
    assert (first.amount_minor, again.amount_minor, again.revision) == (15_000, 10_000, first.revision + 1)


def correct(session, cast, case, said, *, now=None, **changed):
    now = now or hours_later(0.6)
    actions.correct_circumstances(
        session, cast.ana, case, said=said, reason="Asked on the phone", seq=case.seq, now=now, **changed
    )


def events(session, case):
    return session.scalars(select(CaseEvent).where(CaseEvent.case_id == case.id).order_by(CaseEvent.seq)).all()


ENGINEER_CLOCK = ('windows = ["mon-fri 08:00-17:00"]', 'whose_zone = "engineer"\nwindows = ["mon-fri 08:00-17:00"]')


@pytest.mark.parametrize(
    # Who chose no zone goes by the company's, Berlin.
    ("zone", "amount"),
    [("America/New_York", 15_000), ("Europe/Berlin", 22_500), ("UTC", 18_750), ("", 22_500)],
)
def test_bands_go_by_the_clock_of_whoever_worked_as_it_was(work_session, cast, zone, amount):
    """17:30 in Berlin is 11:30 in New York; where the engineer lives afterwards changes nothing."""
    open_books(work_session, cast)
    signed_policy(work_session, cast, ENGINEER_CLOCK)
    ana = work_session.get(Person, cast.ana.person_id)
    ana.zone = zone
    start = datetime(2026, 3, 10, 17, 30, tzinfo=ZoneInfo("Europe/Berlin"))
    case = opened(work_session, cast, ORDINARY_CASE, at=start)
    actions.accept_custody(work_session, cast.ana, case, seq=case.seq, now=start)
    said_yes(work_session, cast, case, nte_minor=100_000, at=start)
    entry = worked(work_session, cast, case, minutes=60, start=start)
    assert entry.zone == (zone or "Europe/Berlin")
    ana.zone = "Asia/Tokyo"
    settled(work_session, cast, case)
    item = billed(work_session, case)
    assert item.amount_minor == amount
