"""Reports in the browser: figures lead to their cases, chart and file say the same, strangers see nothing."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape

import pytest
from sqlalchemy import text
from sqlalchemy.exc import InternalError

from portal.app import report_sessions
from portal.db import open_session
from portal.reporting.rules import Chart, Kind, Series
from portal.web.charts import svg
from tests.billing.test_gross import COMMISSION, once
from tests.support.beginnings import begins_with
from tests.support.billed import billed, open_books, paid_case, settled, worked
from tests.support.cases import resolved
from tests.support.cast import hours_later
from tests.support.packs import bought
from tests.support.versions import signed_agreement


def billed_case(session, cast):
    open_books(session, cast)
    case = paid_case(session, cast)
    worked(session, cast, case, minutes=60)
    settled(session, cast, case)
    billed(session, case)
    return case


pytestmark = begins_with(billed_case)


@pytest.fixture
def month(begun, clock):
    """March with one resolved, billed case, seen in April."""
    clock.now = hours_later(24 * 30)
    return begun


def figures(page) -> list[str]:
    return [unescape(found) for found in re.findall(r'href="(/reports/cases[^"]+)"', page.text)]


@pytest.mark.parametrize("report", ["resolutions", "custody", "hand-overs", "service-levels", "training", "revenue"])
def test_every_figure_leads_to_its_cases(visit, cast, month, report):
    mia = visit(cast.mia)
    page = mia.get(f"/reports?report={report}&month=2026-03")
    assert page.status_code == 200
    assert figures(page)
    for address in figures(page):
        behind = mia.get(address)
        assert behind.status_code == 200
        assert month.name in behind.text


def test_the_first_report_of_the_present_month_opens_without_arguments(visit, cast, month):
    page = visit(cast.leo).get("/reports")
    assert "Who resolved what" in page.text
    assert 'value="2026-04"' in page.text
    assert "No case was resolved in this month." in page.text
    assert "month=2026-03" in page.text
    assert "/reports/chart.svg" not in page.text


@pytest.mark.parametrize("report", ["resolutions", "custody", "hand-overs", "service-levels", "training", "revenue"])
def test_the_file_holds_the_tables_rows(visit, cast, month, report):
    leo = visit(cast.leo)
    answer = leo.get(f"/reports.csv?report={report}&month=2026-03")
    assert answer.mimetype == "text/csv"
    head, *rows = answer.data.decode("utf-8-sig").splitlines()
    page = leo.get(f"/reports?report={report}&month=2026-03")
    assert len(rows) == page.text.count('<tr role="row">') - 1
    assert len(head.split(",")) >= 3


def test_amounts_stand_exact_in_the_file(visit, cast, month):
    text = visit(cast.fay).get("/reports.csv?report=revenue&month=2026-03").data.decode("utf-8-sig")
    assert text.splitlines()[0] == "Party,Kind,From,Net,Currency,Gross,Currency,Sold as"
    assert re.search(r",\d+\.\d\d,EUR", text)


def test_what_no_case_earned_leads_to_its_sale(visit, cast, month, work_session):
    signed_agreement(work_session, cast, once(COMMISSION))
    _, sale = bought(work_session, cast, site=cast.plain_site)
    work_session.commit()
    for who in (cast.fay, cast.mia):
        seen = visit(who)
        page = seen.get("/reports?report=revenue&month=2026-03")
        assert "Commission for selling" in page.text
        (address,) = {each for each in figures(page) if "selling_commission" in each and "key=~" not in each}
        behind = seen.get(address).text
        assert f'href="/packs/{sale.id}"' in behind
        assert "€135.00" in behind


def test_the_chart_is_a_picture_of_its_own_that_runs_nothing(visit, cast, month):
    answer = visit(cast.leo).get("/reports/chart.svg?report=resolutions&month=2026-03")
    assert answer.mimetype == "image/svg+xml"
    assert "script-src" not in answer.headers["Content-Security-Policy"]
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "<script" not in answer.text
    assert "Configuration" in answer.text


@begins_with(None)
def test_there_is_no_chart_where_there_is_nothing_to_draw(visit, cast):
    assert visit(cast.leo).get("/reports/chart.svg").status_code == 404


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("values", [((5, 0),), ((5, 3), (0, 2)), ((-5, 3),)])
def test_hostile_names_and_losses_are_drawn(kind, values):
    series = tuple(Series(f"<b>{number}", "accent", each) for number, each in enumerate(values))
    drawn = svg(Chart("x", ("<script>alert(1)</script>", "Jürgen & Söhne"), series, kind, "EUR"))
    assert b"<script" not in drawn
    assert "Jürgen &amp; Söhne".encode() in drawn


@pytest.mark.parametrize("path", ["/reports", "/reports.csv", "/reports/chart.svg", "/reports/cases"])
@pytest.mark.parametrize("who", ["tom", "ana", "bea", "cal", "adam"])
def test_reports_do_not_exist_for_other_roles(visit, cast, path, who):
    assert visit(getattr(cast, who)).get(path).status_code == 404


@pytest.mark.parametrize("path", ["/reports", "/reports.csv", "/reports/chart.svg", "/reports/cases"])
def test_a_customer_finds_no_revenue(visit, cast, month, path):
    assert visit(cast.flo).get(f"{path}?report=revenue&month=2026-03").status_code == 404


@pytest.mark.parametrize("query", ["key=", "key=%00", "key='; DROP", "month=9", "after=x", f"key={'x' * 5000}"])
def test_nonsense_in_the_address_leads_to_an_empty_list(visit, cast, month, query):
    page = visit(cast.leo).get(f"/reports/cases?{query}")
    assert page.status_code in (200, 404)
    assert month.name not in page.text


def test_unknown_report_is_not_found(visit, cast):
    assert visit(cast.leo).get("/reports?report=secrets").status_code == 404


def test_a_resolved_case_of_a_customer_is_in_its_own_reports(visit, cast, work_session, clock):
    case = resolved(work_session, cast)
    work_session.commit()
    clock.now = hours_later(48)
    flo = visit(cast.flo)
    page = flo.get("/reports?report=hand-overs&month=2026-03")
    assert case.name in flo.get(figures(page)[0]).text


def test_reports_are_read_from_the_replica_where_one_is_named(visit, app, cast, month, web_engine):
    opened = []

    def open_replica():
        opened.append(open_session(web_engine))
        return opened[-1]

    leo = visit(cast.leo)
    app.extensions["portal"] = replace(app.extensions["portal"], open_report_session=open_replica)
    assert month.name in leo.get(figures(leo.get("/reports?report=resolutions&month=2026-03"))[0]).text
    assert len(opened) == 2
    leo.get("/cases")
    assert len(opened) == 2


def test_the_replica_is_read_as_the_web_role_and_never_written(committed_database):
    url = committed_database.settings.database_url
    opened = report_sessions(replace(committed_database.settings, reporting_database_url=url))()
    assert opened.scalar(text("SELECT current_user::text")) == "portal_web"
    with pytest.raises(InternalError):
        opened.execute(text("INSERT INTO throttle DEFAULT VALUES"))
    opened.close()
    opened.get_bind().dispose()
    assert report_sessions(committed_database.settings) is None
