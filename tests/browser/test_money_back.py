"""In the browser, with the stand-in for Stripe behind it: a partial refund, then a chargeback with its evidence."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from portal.app import create_app
from portal.config import Settings
from portal.db import db, engine_for, open_session
from portal.payments.gateway import connect
from portal.worker.registry import Edges
from portal.worker.running import run_pending
from tests.browser.conftest import Site
from tests.conftest import settings_for
from tests.standin.process import running_standin
from tests.support import browsing
from tests.support.browsing import assert_pleasant
from tests.support.cast import build_cast
from tests.support.database import PREFIX, Cluster
from tests.support.going_back import Desk, paid_invoice
from tests.support.serving import served


@pytest.fixture
def width() -> int:
    """The pages are looked at once; every page is drawn at both widths elsewhere."""
    return int(browsing.DESK_PIXELS)


@pytest.fixture(scope="module")
def settings(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A deployment of this module alone: its month stays open whatever other modules close."""
    name = f"{PREFIX}_money_back_{os.getpid()}"
    yield settings_for(cluster.clone(name), tmp_path_factory.mktemp("money_back"))
    cluster.drop(name)


@pytest.fixture(scope="module")
def desk(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """The cast, and Stripe's stand-in."""
    engine = engine_for(settings.work_database_url or "")

    def run_jobs(now: datetime, **edges: Any) -> list[str]:
        return run_pending(Edges(settings, engine, lambda: now, **edges))

    state = tmp_path_factory.mktemp("standin") / "standin.db"
    with running_standin(state) as standin, open_session(engine) as session:
        cast = build_cast(session)
        session.commit()
        yield Desk(session, engine, cast, connect(standin.key, standin.base_url), standin, run_jobs)
    engine.dispose()


@pytest.fixture(scope="module")
def site(settings: Settings, desk: Desk) -> Iterator[Site]:
    """The portal on that database."""
    app = create_app(settings)
    with served(app) as address:
        yield Site(address, app, desk.engine, desk.cast)
    with app.app_context():
        db.engine.dispose()


def test_a_partial_refund_and_then_a_chargeback_with_its_evidence(desk, site, enter, tmp_path: Path) -> None:
    invoice = paid_invoice(desk)
    desk.session.commit()
    fay = enter(desk.cast.fay)
    fay.goto(f"/invoices/{invoice.id}")
    assert_pleasant(fay, "invoice")
    fay.get_by_role("link", name="Refund, credit or adjust").click()
    fay.get_by_label("What", exact=True).select_option("refund")
    fay.get_by_label("How much").fill("100.00")
    fay.get_by_label("Payment that goes back").select_option(index=1)
    fay.get_by_label("Why").fill("Billed twice")
    assert_pleasant(fay, "adjustment form")
    fay.get_by_role("button", name="Show what it takes").click()
    fay.get_by_role("heading", name="What it takes").wait_for()
    assert_pleasant(fay, "adjustment preview")
    fay.get_by_role("button", name="Ask for it").click()
    fay.get_by_role("heading", name="Step by step").wait_for()
    asked = fay.url
    fin = enter(desk.cast.fin)
    fin.goto(asked)
    fin.get_by_role("link", name="Approve or decline").click()
    fin.get_by_label("Yes").check()
    assert_pleasant(fin, "adjustment decision")
    fin.get_by_role("button", name="Answer").click()
    fin.get_by_role("heading", name="Step by step").wait_for()
    desk.jobs()
    desk.check()
    fay.goto(asked)
    fay.get_by_text("Refund on").first.wait_for()
    assert fay.get_by_text("Who loses what").count() == 1
    assert_pleasant(fay, "adjustment")
    assert desk.standin.control.counters()["refund"] == 1

    desk.standin.control.dispute(desk.receipt(invoice).provider_object_id, amount=5_000)
    desk.news()
    desk.check()
    fay.goto("/chargebacks")
    assert_pleasant(fay, "chargebacks")
    fay.get_by_role("link", name=invoice.name).first.click()
    assert_pleasant(fay, "chargeback")
    with fay.expect_download() as download:
        fay.get_by_role("link", name="Download the evidence as PDF").click()
    kept = tmp_path / "evidence.pdf"
    download.value.save_as(kept)
    assert kept.read_bytes().startswith(b"%PDF-")
    fay.get_by_role("button", name="Hand the evidence to the bank").click()
    fay.get_by_text("Handed over").first.wait_for()
    desk.jobs()
    desk.news()
    fay.reload()
    fay.get_by_text("The bank decides").first.wait_for()
    desk.check()
    flo = enter(desk.cast.flo)
    flo.goto(f"/invoices/{invoice.id}")
    flo.get_by_text("Went back").wait_for()
    assert_pleasant(flo, "payer invoice with refund")
