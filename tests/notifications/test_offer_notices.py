"""An offer is told to whoever has to answer it next, and its end to those who made it and passed it on."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from portal.notifications import offer_notices
from portal.notifications.letters import LETTERS, Writing
from portal.notifications.models import Delivery
from portal.selling.actions import Terms, end_offer, make_offer, pass_on
from tests.support.buying import PACK_MINOR
from tests.support.cast import NOW
from tests.support.queued import queued


@pytest.fixture
def offer(work_session, cast):
    terms = Terms(cast.site.id, cast.factory.id, "pack", "hours_10", "once", 1, PACK_MINOR, days=14, note="For winter.")
    return make_offer(work_session, cast.leo, terms, now=NOW)


def told(session, template: str) -> dict[str, str | None]:
    """Who is told, and the subject they would read now."""
    found = {}
    for delivery in session.scalars(select(Delivery).where(Delivery.template == template).order_by(Delivery.id)):
        written = LETTERS[template](Writing(session, delivery, "https://portal.example", "", NOW))
        found[delivery.email] = written.subject if written else None
    return found


def test_each_step_is_told_once_to_who_acts_next(work_session, cast, offer):
    assert queued(work_session, "notify_offer_made") == [("notify_offer_made", {"offer_id": offer.id})]
    for _ in range(2):
        offer_notices.notify_offer_made(work_session, offer.id, NOW)
    subject = f"{cast.factory.name} offers {offer.name} to {cast.customer.name}"
    assert told(work_session, "offer_made")["mia@kes.example"] == subject

    pass_on(work_session, cast.mia, offer.id, price_minor=None, now=NOW)
    assert queued(work_session, "notify_offer_released") == [("notify_offer_released", {"offer_id": offer.id})]
    offer_notices.notify_offer_released(work_session, offer.id, NOW)
    assert list(told(work_session, "offer_released")) == ["bea@kli.example"]
    # Nothing is left to say to the integrator.
    assert set(told(work_session, "offer_made").values()) == {None}

    end_offer(work_session, cast.bea, offer.id, now=NOW)
    assert queued(work_session, "notify_offer_ended") == [("notify_offer_ended", {"offer_id": offer.id})]
    offer_notices.notify_offer_ended(work_session, offer.id, NOW)
    ended = told(work_session, "offer_ended")
    assert set(ended) == {"leo@nor.example", "mia@kes.example"}
    assert all(subject.endswith("was declined") for subject in ended.values())
    assert set(told(work_session, "offer_released").values()) == {None}


def test_buyers_are_told_that_an_offer_was_withdrawn_and_its_maker_is_not(work_session, cast, offer):
    pass_on(work_session, cast.mia, offer.id, price_minor=None, now=NOW)
    end_offer(work_session, cast.leo, offer.id, now=NOW)
    offer_notices.notify_offer_ended(work_session, offer.id, NOW)
    assert set(told(work_session, "offer_ended")) == {"mia@kes.example", "bea@kli.example"}


def test_an_offer_that_has_not_ended_is_told_to_nobody(work_session, offer):
    offer_notices.notify_offer_ended(work_session, offer.id, NOW)
    assert told(work_session, "offer_ended") == {}
