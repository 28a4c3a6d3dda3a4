"""The VINST log of Volvo IT Belgium, figure by figure; read where PORTAL_TEST_DATA says, skipped where it is not."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select

from portal.billing.models import BillItem
from portal.db import open_session
from portal.directory.models import Organisation
from portal.importing import actions, report
from portal.settlement import books
from portal.whatif.actions import agreement_from, policy_from
from portal.whatif.question import Question
from portal.whatif.running import compare
from tests.importing.logs import VINST, counts
from tests.support.vinst import AFTER_MAY, LOG, WITHOUT_LOG, quiet

pytestmark = [pytest.mark.skipif(not LOG.is_file(), reason=WITHOUT_LOG), pytest.mark.xdist_group("vinst")]

EXPECTED = report.Figures(
    rows_read=65_533,
    cases=7_554,
    changes=65_533,
    never_left=4_546,
    begun_at_factory=852,
    hand_overs=4_552,
    reopened_cases=514,
    reopenings=580,
    resolved_by_integrator=5_327,
    resolved_by_manufacturer=2_219,
    resolved_by_nobody=8,
    closed=7_546,
    time_entries=5_769,
    metered_seconds=14_579_660,
    cut_seconds=1_711_815,
    system_seconds=14_400,
    known_cases=0,
    rejected_cases=0,
    rejected_rows=0,
)


def test_the_vinst_log_comes_in_to_the_unit(vinst):
    engine = vinst.engine
    assert vinst.figures == EXPECTED
    assert report.as_table(vinst.figures).splitlines()[1].endswith("7,554")
    cases, acceptances, resolvers, seconds, entries, months = counts(
        engine,
        "SELECT count(*) FROM support_case",
        "SELECT count(*) FROM custody_acceptance WHERE channel = 'import' AND offer_id IS NULL",
        "SELECT count(*) FROM resolution JOIN resolution_answer ON resolution_id = resolution.id"
        " WHERE basis = 'import' AND resolved_by = 'manufacturer' AND manufacturer_bp = 10000",
        "SELECT sum(seconds)::bigint FROM time_entry",
        "SELECT count(*) FROM time_approval",
        "SELECT count(DISTINCT to_char(cut_at AT TIME ZONE 'Europe/Stockholm', 'YYYY-MM')) FROM billing_cut",
    )
    assert (cases, acceptances, resolvers) == (7_554, 7_554 + 4_552, 2_219)
    assert (seconds, entries) == (14_579_660, 5_769)
    # All last completions fall in May 2012, so that billing falls in one month.
    assert months == 1


def test_its_month_is_billed_and_closed_with_right_books(vinst_closed):
    engine, run_id = vinst_closed.engine, vinst_closed.run_id
    assert actions.bill_imported(engine, run_id, now=AFTER_MAY, livemode=False, progress=quiet) == 0
    items, billed, shared, invoiced, unposted = counts(
        engine,
        "SELECT count(*) FROM bill_item",
        "SELECT sum(amount_minor)::bigint FROM bill_item",
        "SELECT sum(amount_minor)::bigint FROM share",
        "SELECT sum(total_minor)::bigint FROM invoice",
        "SELECT count(*) FROM bill_item WHERE amount_minor > 0 AND NOT EXISTS (SELECT FROM journal_transaction"
        " WHERE kind = 'bill_item' AND document_id = bill_item.id::text)",
    )
    assert items == 7_546
    assert billed == shared == invoiced == 52_869_000
    assert unposted == 0
    with open_session(engine) as session:
        assert books.all_problems(session) == []


def test_what_if_nothing_changed_ties_to_every_bill_item(vinst_closed):
    said = {kind: (VINST.parent / f"vinst_{kind}.toml").read_text("utf-8") for kind in ("policy", "agreement")}
    with open_session(vinst_closed.engine) as session:
        codes = dict(session.execute(select(Organisation.code, Organisation.id)).tuples().all())
        billed = session.scalar(select(func.sum(BillItem.amount_minor)))
    period = datetime(2010, 1, 1, tzinfo=UTC), AFTER_MAY
    policy = policy_from(said["policy"])
    agreement = agreement_from(said["agreement"], policy)
    asked = Question(codes["VINST"], *period, integrator_id=codes["VINSTFL"], policy=policy, agreement=agreement)
    result = compare(vinst_closed.engine, asked)
    assert result["total"] == {"cases": result["compared"], "signed": billed, "draft": billed}
    assert result["changed"] == result["refused"] == 0
    assert all(row["signed"] == row["draft"] for row in result["parties"])
