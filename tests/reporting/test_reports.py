"""What each report counts, for whom, and that a figure and the cases behind it agree."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text

from portal.access import Role
from portal.billing.actions import earn_packs, earn_plans, open_month
from portal.cases import actions
from portal.cases.models import CaseEvent
from portal.db import Scope
from portal.entitlement.actions import end_grants
from portal.errors import NotFound
from portal.ledger.queries import balances
from portal.metering.actions import reverse_entry
from portal.money import Money
from portal.reporting import queries
from portal.reporting.rules import REPORTS, month_of, reports_for
from tests.billing.test_gross import ALL_GROSS, COMMISSION, once
from tests.cases.test_queries import statements
from tests.support.billed import billed, open_books, paid_case, settled, worked
from tests.support.cases import accepted, escalated, resolved
from tests.support.cast import NOW, hours_later
from tests.support.packs import bought
from tests.support.versions import signed_agreement

# What the ledger says that each party has earned, on its accounts of what is owed to it.
EARNED = text(
    """
    SELECT organisation.name, -sum(posting.amount_minor)
    FROM posting JOIN account ON account.id = posting.account_id
    JOIN journal_transaction journal ON journal.id = posting.transaction_id
    JOIN organisation ON organisation.id = posting.party_id
    WHERE account.purpose IN ('payable_accrued', 'payable')
      AND replace(journal.kind, '_reversal', '') IN ('bill_item', 'included_use', 'shares_decided', 'use_decided',
                                                     'plan_earned', 'pack_earned', 'supplemented')
    GROUP BY 1
    """
)
PREPAID_GROSS = [change for change in ALL_GROSS if "time" not in change[0]]
BERLIN = ZoneInfo("Europe/Berlin")
MARCH = month_of("2026-03", BERLIN, NOW)
LATER = hours_later(24 * 30)


def report_of(code: str):
    return next(report for report in REPORTS if report.code == code)


def table_of(session, actor, code: str, *, now: datetime = LATER, month=MARCH):
    return queries.table(session, actor, report_of(code), month, now)


def values(table) -> list[tuple]:
    return [tuple(cell.value for cell in row) for row in table.rows]


def behind(session, actor, code: str, key: str, *, now: datetime = LATER):
    return queries.cases_behind(session, actor, report_of(code), MARCH, key, now=now)


def test_cases_are_counted_by_cause_and_by_who_resolved_them(work_session, cast):
    first, second = resolved(work_session, cast), resolved(work_session, cast, title="Again")
    accepted(work_session, cast, title="Still open")

    table = table_of(work_session, cast.leo, "resolutions")
    assert values(table) == [("Configuration", "Kessler Sicherheit and Nordlicht Access", 2)]
    found = behind(work_session, cast.leo, "resolutions", table.rows[0][2].key)
    assert [row.id for row in found] == [second.id, first.id]


def test_decided_challenge_counts_with_its_cause_and_weights(work_session, cast):
    case = resolved(work_session, cast)
    raised = actions.challenge(
        work_session, cast.mia, case, subject="split", reason="Our man did it.",
        proposal={"integrator_bp": 10_000, "manufacturer_bp": 0}, seq=case.seq, now=hours_later(3),
    )  # fmt: skip
    for who in (cast.mia, cast.leo):
        wanted = {"integrator_bp": 10_000, "manufacturer_bp": 0}
        actions.propose_outcome(work_session, who, raised.id, wanted, now=hours_later(4))
    assert values(table_of(work_session, cast.mia, "resolutions")) == [("Configuration", "Kessler Sicherheit", 1)]


def test_reopened_case_is_no_resolved_one(work_session, cast):
    case = resolved(work_session, cast)
    actions.reopen(work_session, cast.mia, case, reason="It is back.", seq=case.seq, now=hours_later(3))
    assert values(table_of(work_session, cast.leo, "resolutions")) == []
    assert table_of(work_session, cast.leo, "resolutions").chart is None


def test_custody_is_counted_from_acceptances_and_not_from_whom_the_case_is_with(work_session, cast):
    case = resolved(work_session, cast)
    # The header is changed behind the back of the acceptances: the report does not look at it.
    case.holder_id, case.holder_side = cast.integrator.id, "integrator"
    case.seq += 1
    work_session.add(_event(case, cast))
    work_session.flush()

    half, rest = 1800, 5400
    assert values(table_of(work_session, cast.leo, "custody")) == [
        ("Nordlicht Access", 1, rest, rest),
        ("Kessler Sicherheit", 1, half, half),
    ]


def test_custody_is_cut_at_the_months_borders_and_runs_until_now(work_session, cast):
    at = datetime(2026, 2, 27, 9, tzinfo=UTC)
    escalated(work_session, cast, at=at)
    now = MARCH.starts_at + timedelta(hours=5)
    assert values(table_of(work_session, cast.mia, "custody", now=now)) == [
        ("Kessler Sicherheit", 1, 5 * 3600, 5 * 3600)
    ]
    february = month_of("2026-02", BERLIN, NOW)
    (row,) = values(table_of(work_session, cast.mia, "custody", month=february))
    assert row[2] == int((february.ends_at - at).total_seconds())


def test_every_change_of_hands_is_counted_once(work_session, cast):
    resolved(work_session, cast)
    case = accepted(work_session, cast, title="Back and forth")
    actions.hand_back(
        work_session, cast.ana, case, reason="Look at the cable.", new_information=True, seq=case.seq,
        now=hours_later(1),
    )  # fmt: skip
    actions.accept_custody(work_session, cast.tom, case, seq=case.seq, now=hours_later(2))
    said = actions.Resolving(cause="configuration", last_action="remote_configuration", summary="Cable.")
    actions.resolve(work_session, cast.tom, case, said, seq=case.seq, now=hours_later(3))

    table = table_of(work_session, cast.leo, "hand-overs")
    assert values(table) == [("1", 1, 5000), ("2", 1, 5000)]
    assert [row.id for row in behind(work_session, cast.leo, "hand-overs", "2")] == [case.id]


def test_promises_are_kept_or_missed_by_clock_and_severity(work_session, cast):
    accepted(work_session, cast)
    accepted(work_session, cast, at=hours_later(30), title="Late")
    table = table_of(work_session, cast.leo, "service-levels")
    assert values(table) == [("Response", "Severity 2", 1, 1, 5000)]
    kept, missed = table.rows[0][2].key, table.rows[0][3].key
    assert [row.title for row in behind(work_session, cast.leo, "service-levels", missed)] == ["Late"]
    assert kept != missed


def test_untrained_technicians_stand_first_with_the_help_they_needed(work_session, cast):
    escalated(work_session, cast)
    escalated(work_session, cast)
    case = accepted(work_session, cast, actor=cast.tia)
    worked(work_session, cast, case, minutes=20, task_class="how_to")

    line, company = "Door controllers", "Kessler Sicherheit"
    assert values(table_of(work_session, cast.mia, "training")) == [
        ("Tia", company, line, "No certificate", 1, 1200),
        ("Tom", company, line, "Certificate valid", 2, 0),
    ]


def test_reversed_help_does_not_count(work_session, cast):
    case = accepted(work_session, cast, actor=cast.tia)
    entry = worked(work_session, cast, case, minutes=20, task_class="how_to", approved=False)
    reverse_entry(work_session, cast.ana, entry.id, reason="Wrong case", now=hours_later(5))
    assert [row[5] for row in values(table_of(work_session, cast.leo, "training"))] == [0]


def test_certificate_counts_as_of_the_end_of_the_month(work_session, cast):
    escalated(work_session, cast)
    gone = month_of("2027-07", BERLIN, NOW)
    escalated(work_session, cast, at=gone.starts_at + timedelta(days=9))
    (row,) = values(table_of(work_session, cast.mia, "training", month=gone, now=gone.ends_at))
    assert row[3] == "Certificate expired"


def test_revenue_sums_shares_by_party_and_leads_to_its_cases(work_session, cast):
    open_books(work_session, cast)
    case = paid_case(work_session, cast)
    worked(work_session, cast, case, minutes=60)
    settled(work_session, cast, case)
    item = billed(work_session, case)

    table = table_of(work_session, cast.fay, "revenue")
    assert sum(row[3].value.minor for row in table.rows) == item.amount_minor
    assert {row[0].value for row in table.rows} <= {"Nordlicht Access", "Kessler Sicherheit"}
    top = table.rows[0]
    (one,) = behind(work_session, cast.fay, "revenue", top[3].key)
    assert (one.id, Money(one.amount_minor, "EUR")) == (case.id, top[3].value)


def test_revenue_beside_cases_leads_to_its_sales_and_all_of_it_ties_to_the_ledger(work_session, cast):
    open_books(work_session, cast)
    signed_agreement(work_session, cast, *PREPAID_GROSS, once(COMMISSION))
    _, sale = bought(work_session, cast, site=cast.plain_site)
    open_month(work_session, now=NOW)
    case = accepted(work_session, cast, system_id=cast.plain_system.id)
    worked(work_session, cast, case, minutes=60)
    other = accepted(work_session, cast)
    worked(work_session, cast, other, minutes=30, start=hours_later(3))
    for each in (case, other):
        settled(work_session, cast, each)
        billed(work_session, each)
    later = NOW + timedelta(days=370)
    end_grants(work_session, later)
    earn_plans(work_session, cast.factory.id, now=later)
    earn_packs(work_session, cast.factory.id, now=later)

    march = table_of(work_session, cast.fay, "revenue")
    expired = table_of(work_session, cast.fay, "revenue", month=month_of("2027-03", BERLIN, NOW), now=later)
    kinds = {row[1].value for row in (*march.rows, *expired.rows)}
    assert kinds == {
        *("Commission for selling", "Hours used", "Hours expired"),
        *("Included minutes used", "Subscription, minutes not used"),
    }
    rows = {row[1].value: row for row in march.rows}
    sold = rows["Commission for selling"]
    assert (sold[0].value, sold[3].value.minor, sold[4].value.minor) == ("Kessler Sicherheit", 13_500, 13_500)
    assert (sold[5].value, rows["Included minutes used"][5].value) == ("Principal", "Principal")
    (one,) = queries.sales_behind(work_session, cast.fay, report_of("revenue"), MARCH, sold[3].key, now=LATER)
    assert (one.id, one.is_plan, one.amount_minor) == (sale.id, False, 13_500)
    for row in (*march.rows, *expired.rows):
        net = sum(each[3].value.minor for each in (*march.rows, *expired.rows) if each[4].key == row[4].key)
        assert net == row[4].value.minor
    months = (*march.rows, *expired.rows)
    posted = work_session.execute(EARNED).all()
    by_party: dict[str, int] = {}
    for row in months:
        by_party[row[0].value] = by_party.get(row[0].value, 0) + row[3].value.minor
    assert by_party == {name: int(minor) for name, minor in posted}
    gross = sum(row[3].value.minor for row in months if row[5].value == "Principal")
    held = balances(work_session, manufacturer_id=cast.factory.id, currency="EUR")
    assert gross == -held["gross_revenue", None] == held["cost_of_share", None]


@pytest.mark.parametrize(
    ("who", "codes"),
    [
        ("leo", ["resolutions", "custody", "hand-overs", "service-levels", "training", "revenue"]),
        ("mia", ["resolutions", "custody", "hand-overs", "service-levels", "training", "revenue"]),
        ("fay", ["resolutions", "custody", "hand-overs", "service-levels", "revenue"]),
        ("flo", ["custody", "hand-overs", "service-levels"]),
        ("tom", []),
        ("ana", []),
        ("bea", []),
    ],
)
def test_each_role_has_its_reports(cast, who, codes):
    assert [report.code for report in reports_for(getattr(cast, who))] == codes


def test_report_of_somebody_else_does_not_exist(work_session, cast):
    with pytest.raises(NotFound):
        table_of(work_session, cast.flo, "revenue")
    with pytest.raises(NotFound):
        behind(work_session, cast.tom, "custody", "1")
    with pytest.raises(NotFound):
        queries.report_named(cast.flo, "revenue")


@pytest.mark.parametrize("code", ["resolutions", "custody", "hand-overs", "service-levels", "training"])
def test_strangers_months_are_empty(work_session, cast, code):
    case = resolved(work_session, cast)
    worked(work_session, cast, case, minutes=5, task_class="how_to")
    ours = table_of(work_session, cast.mia, code)
    keys = {cell.key for row in ours.rows for cell in row if cell.key}
    sam = replace(cast.sam, roles=frozenset({Role.SERVICE_MANAGER}))
    assert table_of(work_session, sam, code).rows == ()
    assert keys
    for key in keys:
        assert behind(work_session, sam, code, key) == []
        assert behind(work_session, cast.mia, code, key) != []


def test_somebody_limited_to_sites_counts_those_only(work_session, cast):
    resolved(work_session, cast)
    elsewhere = replace(cast.mia, site_ids=frozenset({cast.plain_site.id}))
    assert table_of(work_session, elsewhere, "resolutions").rows == ()


@pytest.mark.parametrize("who", ["leo", "mia", "flo"])
def test_reports_read_the_same_under_row_security_in_few_statements(work_session, web_session, cast, who):
    case = resolved(work_session, cast)
    worked(work_session, cast, case, minutes=5, task_class="how_to")
    work_session.commit()
    actor = getattr(cast, who)
    session = web_session(Scope(actor.organisation_id, actor.person_id))
    session.connection()
    for report in reports_for(actor):
        with statements(session) as seen:
            table = queries.table(session, actor, report, MARCH, LATER)
        assert len(seen) <= 3
        assert values(table) == values(table_of(work_session, actor, report.code)), report.code


@pytest.mark.parametrize(
    "text", [None, "", "2026-13", "0000-01", "9999-12", "2026-3", "nonsense", "2026-03-01", "२०२६-०३"]
)
def test_nonsense_months_read_as_the_present_one(text):
    assert month_of(text, BERLIN, NOW).label == "2026-03"


def test_month_begins_at_local_midnight_and_knows_its_neighbours():
    january = month_of("2026-01", BERLIN, NOW)
    assert january.starts_at.astimezone(UTC) == datetime(2025, 12, 31, 23, tzinfo=UTC)
    assert (january.before, january.after) == ("2025-12", "2026-02")


def _event(case, cast):
    return CaseEvent(
        case_id=case.id, manufacturer_id=case.manufacturer_id, integrator_id=case.integrator_id,
        customer_id=case.customer_id, seq=case.seq, kind="noted", audience="own", owner_id=cast.factory.id,
        person_id=None, person_name="Test", occurred_at=hours_later(3), recorded_at=hours_later(3), details={},
    )  # fmt: skip
