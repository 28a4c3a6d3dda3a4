"""Who reads what, and what comes first in the queue."""

from datetime import UTC, datetime, timedelta

import pytest

from portal.access import Audience, Side
from portal.cases.rules import audiences_for, may_read, queue_key

MAKER, INTEGRATOR, CUSTOMER = Side.MANUFACTURER, Side.INTEGRATOR, Side.CUSTOMER


@pytest.mark.parametrize("owner", list(Side))
def test_audience_decides_which_sides_read(owner):
    readers = {
        audience: {reader for reader in Side if may_read(audience, owner=owner, reader=reader)} for audience in Audience
    }
    assert readers[Audience.OWN] == {owner}
    assert readers[Audience.COMPANIES] == {MAKER, INTEGRATOR, owner}
    assert readers[Audience.CUSTOMER] == set(Side)


def test_integrator_reads_everything_said_to_its_customer():
    for owner in Side:
        for audience in audiences_for(owner):
            if may_read(audience, owner=owner, reader=CUSTOMER) and owner is not CUSTOMER:
                assert may_read(audience, owner=owner, reader=INTEGRATOR)


def test_customers_do_not_write_between_the_companies():
    assert Audience.COMPANIES not in audiences_for(CUSTOMER)
    assert audiences_for(MAKER)[0] is Audience.COMPANIES


def test_queue_goes_by_plan_then_severity_then_deadline_then_age():
    soon = datetime(2026, 11, 20, tzinfo=UTC)
    keys = [
        queue_key(20, 1, soon + timedelta(hours=1), 9),
        queue_key(20, 2, soon, 3),
        queue_key(20, 2, soon, 5),
        queue_key(20, 2, None, 1),
        queue_key(80, 1, soon, 2),
    ]
    assert sorted([keys[3], keys[1], keys[4], keys[0], keys[2]]) == keys
