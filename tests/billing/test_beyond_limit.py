"""Beyond a case's limit of hours its payer is asked: its yes draws more of them, its no is the manufacturer's line."""

from __future__ import annotations

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.billing.actions import reserve_hours
from portal.billing.books import check_books
from portal.billing.models import BillLine
from portal.cases import actions as cases
from portal.entitlement.models import Authorization, AuthorizationRequest, GrantDraw
from portal.errors import Invalid
from portal.notifications.hours_notices import notify_pack_use
from portal.notifications.letters import LETTERS, Writing
from portal.notifications.models import Delivery
from portal.rating.explanation import replay
from tests.support.billed import billed, open_books, settled, worked
from tests.support.cases import accepted
from tests.support.cast import Cast, hours_later
from tests.support.packs import bought
from tests.support.versions import signed_policy

MINUTE = 60


@pytest.fixture
def books(work_session: Session, cast: Cast) -> Cast:
    open_books(work_session, cast)
    return cast


def asked(session: Session, cast: Cast):
    """A case that has used its ninety minutes and thirty more; the request that follows by itself."""
    bought(session, cast)
    case = accepted(session, cast)
    worked(session, cast, case, minutes=90)
    assert reserve_hours(session, case.id, now=hours_later(2.5)) == 0
    assert cases.ask_beyond_limit(session, case.id, now=hours_later(2.5)) is not None
    worked(session, cast, case, minutes=30, start=hours_later(2.5))
    assert reserve_hours(session, case.id, now=hours_later(3)) == 30 * MINUTE
    assert cases.ask_beyond_limit(session, case.id, now=hours_later(3)) is None
    return case, session.scalars(select(AuthorizationRequest).where(AuthorizationRequest.hours_seconds > 0)).one()


@pytest.mark.parametrize("says_so", [False, True])
def test_a_standing_yes_to_money_waits_while_hours_are_asked_for(
    work_session: Session, books: Cast, *, says_so: bool
) -> None:
    least = 'least_nte = "75.00"'
    if says_so:
        signed_policy(work_session, books, (least, f"{least}\nstanding_beyond_limit = true"))
    case, request = asked(work_session, books)
    assert (cases.use_standing(work_session, case.id, now=hours_later(3)) is not None) is says_so
    cases.refuse_authorization(work_session, books.bea, request.id, reason="Enough", now=hours_later(3.1))
    given = cases.use_standing(work_session, case.id, now=hours_later(3.2))
    assert given is None
    assert [row.basis for row in work_session.scalars(select(Authorization))] == ["standing"] * says_so


def kinds(session: Session) -> dict[str, int]:
    found: dict[str, int] = {}
    for line in session.scalars(select(BillLine)):
        found[line.kind] = found.get(line.kind, 0) + line.seconds // MINUTE
    return found


def test_a_yes_draws_further_hours_and_no_more_than_it_says(work_session: Session, books: Cast) -> None:
    case, request = asked(work_session, books)
    assert (request.nte_minor, request.hours_seconds) == (0, 90 * MINUTE)
    with pytest.raises(Invalid) as refused:
        cases.authorize(work_session, books.bea, request.id, nte_minor=0, hours_seconds=9_000, now=hours_later(3.1))
    assert list(refused.value.fields) == ["minutes"]
    cases.authorize(work_session, books.bea, request.id, nte_minor=0, hours_seconds=2_700, now=hours_later(3.1))
    worked(work_session, books, case, minutes=60, start=hours_later(4))
    settled(work_session, books, case)
    item = billed(work_session, case)
    # The plan's two hours first, then the pack; what was done before the yes, and beyond it, is the manufacturer's.
    assert kinds(work_session) == {"included": 120, "hours_bought": 15, "unauthorized": 30, "beyond_nte": 15}
    assert (item.amount_minor, replay(item.explanation).amount_minor) == (0, 0)
    assert sum(draw.seconds for draw in work_session.scalars(select(GrantDraw))) == 135 * MINUTE
    notify_pack_use(work_session, item.id, hours_later(50))
    delivery = work_session.scalars(select(Delivery).where(Delivery.template == "pack_used")).first()
    told = LETTERS["pack_used"](Writing(work_session, delivery, "https://portal.example", "Hello", None))
    assert "Bea said yes to 45 minutes more for this case." in told.sentences
    assert check_books(work_session) == []


def test_a_no_leaves_the_work_with_the_manufacturer_and_is_not_asked_again(work_session: Session, books: Cast) -> None:
    case, request = asked(work_session, books)
    cases.refuse_authorization(work_session, books.bea, request.id, reason="Enough", now=hours_later(3.1))
    assert cases.ask_beyond_limit(work_session, case.id, now=hours_later(3.2)) is None
    settled(work_session, books, case)
    assert billed(work_session, case).amount_minor == 0
    assert kinds(work_session) == {"included": 90, "unauthorized": 30}
