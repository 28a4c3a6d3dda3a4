"""Packs are sold, cases are worked on and billed, times are corrected."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from portal.billing.actions import PackOrder, PackPrice, bill, cut, sell_pack
from portal.billing.queries import live_items
from portal.cases import actions as cases
from portal.entitlement.models import AuthorizationRequest, GrantBalance
from portal.metering.actions import Work, approve_time, correct_entry, enter_time
from tests.machine.process import Portal
from tests.support.cases import new_case
from tests.support.cast import Cast

BERLIN = ZoneInfo("Europe/Berlin")
# Days on which the cast's policy has no business hours.
HOLIDAYS = {(1, 1), (5, 1), (10, 3), (12, 25), (12, 26)}
MOVING_HOLIDAYS = {
    date(2026, 4, 3), date(2026, 4, 6), date(2026, 5, 14), date(2026, 5, 25),
    date(2027, 3, 26), date(2027, 3, 29), date(2027, 5, 6), date(2027, 5, 17),
}  # fmt: skip
# Who resolved what: the words, and the integrator's part of that by the agreement.
RESOLUTIONS = {
    2_500: cases.Resolving(cause="configuration", last_action="remote_configuration", summary="Door groups set."),
    8_000: cases.Resolving(cause="network", last_action="part_replaced", summary="The switch was replaced."),
    5_000: cases.Resolving(cause="not_found", last_action="none", summary="It did not come back."),
}
WORK = Work("remote", "support", "Looked into the door controller")
_LIVE_ENTRY = text(
    """
    SELECT id, started_at FROM time_entry entry WHERE case_id = :case_id
      AND NOT EXISTS (SELECT FROM time_reversal WHERE entry_id = entry.id)
    """
)


def buy(portal: Portal, *, pack_code: str, quantity: int, price: int, on_invoice: bool) -> tuple[int, float]:
    """A pack is sold; the sale's number, and when what it gives ends."""
    portal.sales += 1
    source, now = f"machine:{portal.sales}", portal.now

    def act(session: Session, cast: Cast) -> tuple[int, float]:
        order = PackOrder(
            cast.plain_site.id, cast.integrator.id, cast.policy_version.id, pack_code, quantity, now, source
        )
        paid_by = "invoice" if on_invoice else "bank"
        price_of = PackPrice(price, "EUR", cast.integrator.id, paid_by)
        grant, sale = sell_pack(session, order, price_of, now=now)
        return sale.id, session.get_one(GrantBalance, grant.id).ends_at.timestamp()

    sold = portal.do(act)
    portal.later(minutes=1)
    return sold


def work(portal: Portal, *, worker: str, integrator_bp: int, minutes: int) -> tuple[int, int, float]:
    """A case from its first word to its bill on the next day with business hours; case, item, begin of work."""
    portal.at(_next_morning(portal.now))

    def act(session: Session, cast: Cast) -> tuple[int, int]:
        start = portal.now
        case = cases.escalate(session, cast.tom, new_case(cast, system_id=cast.plain_system.id), now=start)
        cases.accept_custody(session, cast.ana, case, seq=case.seq, now=start + timedelta(minutes=5))
        for request in session.scalars(select(AuthorizationRequest.id).where(AuthorizationRequest.case_id == case.id)):
            cases.authorize(session, cast.bea, request, nte_minor=500_000, now=start + timedelta(minutes=6))
        begin = start + timedelta(minutes=30)
        end = begin + timedelta(minutes=minutes)
        by_factory = worker == "factory"
        who, approver = (cast.ana, cast.leo) if by_factory else (cast.tom, cast.mia)
        entry = enter_time(session, who, case, WORK, started_at=begin, ended_at=end, now=end)
        approve_time(session, approver, [entry.id], end)
        solved = end + timedelta(minutes=1)
        session.refresh(case)
        cases.resolve(session, cast.ana, case, RESOLUTIONS[integrator_bp], seq=case.seq, now=solved)
        cases.confirm(session, cast.mia, case, seq=case.seq, now=solved + timedelta(minutes=1))
        made = cut(session, case, "closing", now=start + timedelta(hours=7))
        item = bill(session, made.id, now=start + timedelta(hours=7))[0]
        return case.id, item.id

    began = portal.now + timedelta(minutes=30)
    case_id, item_id = portal.do(act)
    portal.later(hours=7)
    portal.jobs()
    return case_id, item_id, began.timestamp()


def correct(portal: Portal, case_id: int, *, worker: str, minutes: int) -> int:
    """The time of a case was wrong; its job bills it again. The item that stands."""
    portal.later(minutes=5)

    def act(session: Session, cast: Cast) -> None:
        row = session.execute(_LIVE_ENTRY, {"case_id": case_id}).one()
        approver = cast.leo if worker == "factory" else cast.mia
        end = row.started_at + timedelta(minutes=minutes)
        entry = correct_entry(
            session, approver, row.id, WORK, started_at=row.started_at, ended_at=end, reason="Read wrongly",
            now=portal.now,
        )  # fmt: skip
        session.flush()
        approve_time(session, approver, [entry.id], portal.now)

    portal.do(act)
    portal.jobs()
    with portal.look() as session:
        return live_items(session, case_id)[0].id


def end_packs(portal: Portal) -> None:
    """More than the year for which every pack holds goes by."""
    portal.later(days=400)


def _next_morning(now: datetime) -> datetime:
    """Nine o'clock in Berlin on the next day with business hours."""
    day = now.astimezone(BERLIN).date()
    while True:
        day += timedelta(days=1)
        is_holiday = (day.month, day.day) in HOLIDAYS or day in MOVING_HOLIDAYS
        if day.weekday() < 5 and not is_holiday:
            return datetime(day.year, day.month, day.day, 9, tzinfo=BERLIN).astimezone(now.tzinfo)
