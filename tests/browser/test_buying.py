"""An end-user buys a pack after hours for a running case, on a phone, and sees the case covered."""

from __future__ import annotations

import os
import socket
from dataclasses import replace
from datetime import timedelta

import pytest

from portal.app import create_app
from portal.db import db, engine_for, open_session
from portal.notifications.mail import FileMailer
from portal.payments.gateway import connect
from portal.worker.registry import Edges
from portal.worker.running import run_pending
from tests.conftest import settings_for
from tests.support import browsing
from tests.support.cases import escalated
from tests.support.cast import NOW, build_cast
from tests.support.database import PREFIX
from tests.support.payments import open_books
from tests.support.serving import served
from tests.support.sign_in import PASSWORD, email_of, give_password

# 21:00 in Berlin: the office is closed.
AT_NIGHT = NOW + timedelta(hours=11)


@pytest.fixture
def shop(cluster, standin, tmp_path):
    """The portal at night with a case that is not covered, in front of the stand-in: its address, name, and jobs."""
    name = f"{PREFIX}_buying_{os.getpid()}"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    settings = replace(settings_for(cluster.clone(name), tmp_path), base_url=address, stripe_api_base=standin.base_url)
    standin.control.set_clock(int(AT_NIGHT.timestamp()))
    gateway = connect(standin.key, standin.base_url)
    engine = engine_for(settings.work_database_url or "")
    with open_session(engine) as session:
        cast = build_cast(session)
        open_books(session, cast)
        case = escalated(session, cast, system_id=cast.plain_system.id, at=AT_NIGHT)
        case_name = case.name
        give_password(session, cast.bea)
        email = email_of(session, cast.bea)
        session.commit()
    app = create_app(settings, clock=lambda: AT_NIGHT, gateway=gateway)
    mailer = FileMailer(settings.mail_dir, settings.mail_from)
    edges = Edges(settings, engine, lambda: AT_NIGHT, gateway=gateway, mailer=mailer)
    with served(app, port):
        yield address, case_name, email, lambda: run_pending(edges)
    engine.dispose()
    with app.app_context():
        db.engine.dispose()
    cluster.drop(name)


def test_a_pack_bought_at_night_covers_the_running_case(shop, chromium):
    address, case_name, email, run_jobs = shop
    context = chromium.new_context(
        viewport={"width": browsing.PHONE_PIXELS, "height": browsing.HEIGHT_PIXELS}, base_url=address
    )
    page = context.new_page()
    page.set_default_timeout(30_000)
    page.goto("/sign-in")
    page.get_by_label("Email address").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url("**/")
    page.goto(f"/cases/{case_name}")
    browsing.assert_pleasant(page, "case to be covered")
    page.get_by_role("link", name="Buy Ten hours of support").click()
    browsing.assert_pleasant(page, "order a pack")
    page.get_by_label("I accept the service policy").check()
    page.get_by_role("button", name="Go to payment").click()
    page.get_by_role("button", name="Pay").click()
    page.get_by_text("Thank you").first.wait_for()
    run_jobs()
    page.reload()
    browsing.assert_pleasant(page, "bought")
    page.get_by_role("link", name=case_name).click()
    page.get_by_text("The case is covered from now on.").first.wait_for()
    assert page.get_by_role("heading", name="Cover it now").count() == 0
    context.close()
