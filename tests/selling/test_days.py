"""The day of what is sold is its policy's, in zones far east and far west: what is entered counts as it is used."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from portal.contracts.actions import integrator_of_site
from portal.contracts.queries import maker_day
from portal.directory import actions as directory
from portal.entitlement.orders import queries
from portal.entitlement.orders.actions import NewOrder, enter_order
from portal.errors import Invalid
from portal.selling.actions import hand_over_plans, keep_exemption
from portal.taxes.exempting import exemption_at
from portal.zones import local_day
from tests.support.cast import NOW
from tests.support.versions import signed_policy

MONDAY = date(2026, 3, 16)
# The first and the last second of that day by the clock in each zone, in UTC.
EDGES = [
    ("Pacific/Auckland", datetime(2026, 3, 15, 11, tzinfo=UTC), datetime(2026, 3, 16, 10, 59, 59, tzinfo=UTC)),
    ("America/Los_Angeles", datetime(2026, 3, 16, 7, tzinfo=UTC), datetime(2026, 3, 17, 6, 59, 59, tzinfo=UTC)),
]
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(("zone", "first", "last"), EDGES)
def test_a_day_is_the_one_on_the_wall(zone, first, last):
    assert [local_day(zone, at) for at in (first, last)] == [MONDAY, MONDAY]
    assert [local_day(zone, at) for at in (first - SECOND, last + SECOND)] == [date(2026, 3, 15), date(2026, 3, 17)]


@pytest.mark.parametrize(("zone", "first", "last"), EDGES)
def test_the_last_day_of_an_order_and_the_first_of_a_service_are_the_policys(work_session, cast, zone, first, last):
    signed_policy(work_session, cast, ('zone = "Europe/Berlin"', f'zone = "{zone}"'))
    assert maker_day(work_session, cast.factory.id, last) == MONDAY
    new = NewOrder(cast.factory.id, cast.customer.id, number="1", currency="EUR", amount_minor=100, expires_on=MONDAY)
    with pytest.raises(Invalid, match="cannot be taken"):
        enter_order(work_session, cast.bea, new, now=last + SECOND)
    entered = enter_order(work_session, cast.bea, new, now=last)
    states = [queries.order(work_session, cast.bea, entered.id, now=at).state for at in (last, last + SECOND)]
    assert states == ["open", "expired"]
    service = {"site_id": cast.site.id, "product_line_id": cast.product_line.id}
    new_one = {"integrator_id": cast.other_integrator.id, "from_on": MONDAY, "letter_reference": "Letter 7"}
    directory.begin_service(work_session, cast.adam, **service, **new_one, now=NOW)
    who = [integrator_of_site(work_session, cast.site, cast.factory.id, at) for at in (first - SECOND, first)]
    assert who == [cast.integrator.id, cast.other_integrator.id]


@pytest.mark.parametrize(("zone", "first", "last"), EDGES)
def test_a_certificate_is_entered_and_counted_by_its_payers_day(work_session, cast, zone, first, last):
    """Whatever midnight its manufacturer has: an order of the first and of the last second carries no tax."""
    cast.customer.zone = zone
    kept = {"jurisdiction": "DE", "valid_from": MONDAY, "expires_on": MONDAY + timedelta(1)}
    keep_exemption(work_session, cast.bea, number="1", **kept, now=NOW)
    moments = (first - SECOND, first, last, last + SECOND)
    holds = [exemption_at(work_session, cast.customer.id, at) is not None for at in moments]
    assert holds == [False, True, True, False]
    kept["valid_from"] = date(2026, 3, 1)
    with pytest.raises(Invalid):
        keep_exemption(work_session, cast.bea, number="2", **kept, now=last + SECOND)
    assert keep_exemption(work_session, cast.bea, number="2", **kept, now=last).expires_on == kept["expires_on"]


@pytest.mark.parametrize("zone", [zone for zone, _, _ in EDGES])
def test_a_plan_changes_hands_with_the_month_of_its_policy(work_session, cast, zone):
    """The service changes on the very day that the month begins by the policy's clock, which UTC has not or had."""
    signed_policy(work_session, cast, ('zone = "Europe/Berlin"', f'zone = "{zone}"'))
    service = {"site_id": cast.site.id, "product_line_id": cast.product_line.id}
    new_one = {"integrator_id": cast.other_integrator.id, "from_on": date(2026, 4, 1), "letter_reference": "Letter 7"}
    directory.begin_service(work_session, cast.adam, **service, **new_one, now=NOW)
    april = {"Pacific/Auckland": (31, 11), "America/Los_Angeles": (32, 7)}[zone]
    begins = datetime(2026, 3, 1, tzinfo=UTC) + timedelta(days=april[0] - 1, hours=april[1])
    assert hand_over_plans(work_session, now=begins - timedelta(days=2) - SECOND) == 0
    assert hand_over_plans(work_session, now=begins - timedelta(days=2)) == 1
