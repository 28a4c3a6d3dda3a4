"""Deferred revenue in the browser: sold, used, over; each figure opens; it ties to the ledger, or says where not."""

from __future__ import annotations

import csv
import io
import re

from portal.billing.actions import open_month
from portal.billing.deferred.reading import parts_of_figure, roll_forward
from portal.ledger.actions import post
from portal.ledger.rules import Document, Purpose, credit, debit, pairs
from tests.support.beginnings import begins_with
from tests.support.billed import billed, open_books, settled, worked
from tests.support.cases import accepted
from tests.support.cast import NOW, hours_later
from tests.support.packs import bought

MARCH = "/ledger/deferred/2026-03/EUR"


def sold(work_session, cast):
    """Ten hours of which one is used, five incidents, and March of the plan with an hour used."""
    open_books(work_session, cast)
    open_month(work_session, now=NOW)
    bought(work_session, cast, site=cast.plain_site)
    bought(work_session, cast, site=cast.plain_site, pack_code="incidents_5", price_minor=145_000, source="checkout:2")
    for number, system in enumerate((cast.plain_system, cast.system)):
        case = accepted(work_session, cast, system_id=system.id)
        worked(work_session, cast, case, minutes=60, start=hours_later(1 + 3 * number))
        settled(work_session, cast, case)
        billed(work_session, case)


pytestmark = begins_with(sold)


def test_sales_and_uses_roll_forward_and_tie_to_the_ledger(work_session, cast):
    found = roll_forward(work_session, cast.fay)
    assert found.untied == ()
    rows = {row.kind: row for row in found.rows}
    assert (rows["hours"].moved["sold"], rows["hours"].moved["used"]) == (135_000, -13_500)
    assert (rows["incidents"].moved["sold"], rows["incidents"].moved["used"]) == (145_000, 0)
    assert rows["plan"].moved["used"] < 0 < rows["plan"].moved["sold"]
    assert sum(row.closing_minor for row in found.rows) == found.held["2026-03", "EUR"]
    for row in found.rows:
        for column, minor in row.moved.items():
            if minor:
                parts = parts_of_figure(
                    work_session, cast.fay, month="2026-03", currency="EUR", kind=row.kind, column=column
                )
                assert sum(part.amount_minor for part in parts) == minor


def test_each_figure_opens_and_the_table_is_a_file(visit, cast):
    fay = visit(cast.fay)
    page = fay.get("/ledger/deferred").text
    assert "Ties to the ledger" in page
    assert "What does not tie" not in page
    for path in set(re.findall(rf'href="({MARCH}/\w+(?:\?column=\w+)?)"', page)):
        opened = fay.get(path)
        assert opened.status_code == 200, path
        assert "/ledger/transactions/" in opened.text
    used = fay.get(f"{MARCH}/hours?column=used").text
    assert "Use by bill item" in used
    assert "-€135.00" in used
    file = fay.get("/ledger/deferred?format=csv")
    rows = list(csv.reader(io.StringIO(file.data.decode("utf-8-sig"))))
    assert rows[0][:3] == ["Month", "Kind", "Opening"]
    assert ["2026-03", "Packs of hours", "0.00", "1350.00", "-135.00", "0.00", "0.00", "0.00", "1215.00", "EUR"] in rows


def test_a_posting_that_no_fact_explains_is_a_finding(visit, cast, work_session):
    customer = cast.customer.id
    post(
        work_session,
        manufacturer_id=cast.factory.id,
        currency="EUR",
        kind="by_hand",
        document=Document("test", "<b>"),
        legs=[debit(Purpose.UNBILLED, 77, customer), credit(Purpose.DEFERRED, 77, customer)],
        allowed_pairs=pairs((Purpose.UNBILLED, Purpose.DEFERRED)),
        occurred_at=NOW,
        now=NOW,
    )
    work_session.commit()
    page = visit(cast.fay).get("/ledger/deferred").text
    assert "What does not tie to the ledger" in page
    assert "€0.77" in page
    assert "Does not tie" in page


def test_strangers_and_made_up_figures_are_not_found(visit, cast):
    for stranger in (cast.ivo, cast.flo, cast.eve, cast.ana):
        for path in ("/ledger/deferred", f"{MARCH}/hours"):
            assert visit(stranger).get(path).status_code in (403, 404)
    fay = visit(cast.fay)
    for path in (f"{MARCH}/cash", f"{MARCH}/hours?column=none", "/ledger/deferred/2026-13/EUR/hours", f"{MARCH}x/plan"):
        assert fay.get(path).status_code == 404, path


@begins_with(None)
def test_before_the_first_sale_the_page_says_so(visit, cast):
    assert "Nothing was sold ahead yet" in visit(cast.fay).get("/ledger/deferred").text
