"""A stand-in at the time of the cast, a gateway to it, and its deliveries, for what is bought."""

from __future__ import annotations

from functools import partial

import pytest

from portal.notifications.mail import FileMailer
from tests.payments.conftest import gateway, receiver
from tests.support.buying import Shop
from tests.support.cast import NOW
from tests.support.payments import open_books

__all__ = ["gateway", "receiver"]


@pytest.fixture
def shop(work_session, work_engine, gateway, standin, receiver, cast, run_jobs, settings) -> Shop:
    open_books(work_session, cast)
    work_session.commit()
    standin.control.set_clock(int(NOW.timestamp()))
    run = partial(run_jobs, mailer=FileMailer(settings.mail_dir, settings.mail_from))
    return Shop(work_session, work_engine, gateway, standin, receiver, cast, run)
