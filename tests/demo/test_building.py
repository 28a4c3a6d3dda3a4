"""The demonstration: built from its seed with clean books, something to do for every role, and no second time."""

from __future__ import annotations

import pytest

from portal.billing import books
from portal.demo import building
from portal.demo.world import COMPANIES, PEOPLE, PLACES
from portal.errors import Misconfigured
from tests.demo.conftest import NOW, Built

# The demonstration is made once, by whichever process runs these tests.
pytestmark = pytest.mark.xdist_group("demo")


def test_books_are_right(built: Built) -> None:
    assert built.one("SELECT count(*) FROM bill_item") > 10
    assert list(books.check_books(built.session)) == []


def test_nobody_used_more_than_was_sold_at_the_end_of_any_month(built: Built) -> None:
    sums = built.all(
        "SELECT account.code, period.label, sum(sum(posting.amount_minor)) OVER (PARTITION BY account.id"
        " ORDER BY period.starts_at) FROM posting JOIN account ON account.id = posting.account_id"
        " JOIN period ON period.id = posting.period_id WHERE account.purpose = 'deferred_revenue'"
        " GROUP BY account.id, period.id"
    )
    assert len({label for _, label, _ in sums}) > 1
    assert [row for row in sums if row[2] > 0] == []


def test_no_job_failed(built: Built) -> None:
    assert built.all("SELECT name, error FROM job_failure") == []


def test_there_is_a_case_in_every_state(built: Built) -> None:
    states = {state for (state,) in built.all("SELECT DISTINCT state FROM support_case")}
    assert states == {"open", "offered", "waiting", "resolved", "closed"}


def test_every_company_site_and_person_is_there(built: Built) -> None:
    counts = built.all(
        "SELECT (SELECT count(*) FROM organisation), (SELECT count(*) FROM site), (SELECT count(*) FROM person)"
    )
    assert counts == [(len(COMPANIES), len(PLACES), len(PEOPLE))]


@pytest.mark.parametrize(
    ("what", "table"),
    [
        ("a challenged split that nobody has decided", "challenge WHERE subject = 'split'"),
        ("a contested line", "contest"),
        ("work at factory risk to ratify", "emergency"),
        ("a running timer", "running_timer"),
        ("a request the payer has not answered", "authorization_request"),
        ("a statement in review", "statement"),
        ("an invoice", "invoice"),
        ("an offer with a promotion code", "offer_release WHERE promotion = 'OPENING-10'"),
        ("a dear part that was confirmed", "part_confirmation"),
        (
            "a dear part to confirm",
            "fitted_part WHERE needs_second AND id NOT IN (SELECT part_id FROM part_confirmation)",
        ),
        ("a yes of who pays to the work and its parts", '"authorization" WHERE nte_minor = 180000'),
    ],
)
def test_somebody_finds_something_to_do(built: Built, what: str, table: str) -> None:
    assert built.one(f"SELECT count(*) FROM {table}") > 0, f"there is not {what}"


def test_plan_of_the_museum_is_nearly_used_up(built: Built) -> None:
    (left,) = built.all(
        "SELECT balance.free_seconds FROM usage_grant grant_row JOIN grant_balance balance ON grant_id = grant_row.id"
        " JOIN site ON site.id = grant_row.site_id"
        f" WHERE site.name = 'Old harbour' AND expires_at > '{NOW.isoformat()}'"
    )
    assert 0 <= left[0] <= 1800


def test_web_that_waits_for_it_goes_on(built: Built) -> None:
    assert building.wait_until_built(built.session.get_bind()) is None


def test_hours_of_the_outpatient_centre_are_nearly_used_and_cases_are_bought(built: Built) -> None:
    rows = built.all(
        "SELECT site.name, free_seconds, reserved_seconds, free_incidents, reserved_incidents FROM usage_grant"
        " JOIN grant_balance ON grant_id = usage_grant.id JOIN site ON site.id = site_id WHERE kind = 'pack' ORDER BY 1"
    )
    assert rows == [("Main building", 0, 0, 5, 0), ("Outpatient centre", 2700, 33300, 0, 0)]
    assert built.one("SELECT count(*) FROM top_up_notice WHERE is_below") == 1


def test_second_building_is_refused(built: Built) -> None:
    assert building.is_built(built.session)
    with pytest.raises(Misconfigured):
        building.check_empty(built.session)
