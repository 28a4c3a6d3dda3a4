"""A small log of billed cases: on the plan, paid, beyond what was authorized, not decided yet, decided later."""

from __future__ import annotations

from sqlalchemy.orm import Session

from portal.billing.actions import decide_shares
from portal.cases import actions as cases
from portal.cases.models import SupportCase
from tests.support.billed import billed, open_books, paid_case, settled, worked
from tests.support.cases import accepted
from tests.support.cast import Cast, hours_later


def billed_log(session: Session, cast: Cast) -> list[SupportCase]:
    """Five closed and billed cases."""
    open_books(session, cast)
    on_plan = accepted(session, cast)
    worked(session, cast, on_plan, minutes=40)
    settled(session, cast, on_plan)
    paid = []
    for minutes, start in ((65, 2), (35, 6)):
        case = paid_case(session, cast)
        worked(session, cast, case, minutes=minutes, start=hours_later(start))
        worked(session, cast, case, minutes=20, worker=cast.tom, start=hours_later(start + 3))
        settled(session, cast, case)
        paid.append(case)
    short = paid_case(session, cast, nte_minor=10_000)
    worked(session, cast, short, minutes=121, worker=cast.eli)
    settled(session, cast, short, confirmed=False)
    later = paid_case(session, cast)
    worked(session, cast, later, minutes=25, worker=cast.eli, start=hours_later(7))
    settled(session, cast, later, confirmed=False)
    found = [on_plan, *paid, short, later]
    for case in found:
        billed(session, case)
    cases.confirm(session, cast.mia, later, seq=later.seq, now=hours_later(32))
    decide_shares(session, later.id, now=hours_later(33))
    session.commit()
    return found
