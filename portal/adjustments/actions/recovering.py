"""What parties were paid and have to return: taken from a transfer, owed, netted from statements, or given up."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from portal.adjustments.models import ClawBack, ClawBackStep
from portal.adjustments.rules.recovering import Owed, netted
from portal.ledger.actions import post
from portal.ledger.queries import party_balance
from portal.ledger.rules import Document, Leg, Pairs, Purpose, credit, debit, pairs
from portal.payments.models import Intent
from portal.payments.rules import CANCELLED, FAILED, SUCCEEDED

TAKEN, OWED, NETTED, WRITTEN_OFF = "taken", "owed", "netted", "written_off"
RECOVERY_PAIRS: Pairs = pairs(
    (Purpose.PARTY_RECEIVABLE, Purpose.PAYABLE),
    (Purpose.WRITE_OFF, Purpose.PARTY_RECEIVABLE),
)


def settle_reversal(session: Session, claw_back: ClawBack, *, now: datetime) -> None:
    """The reversal at Stripe has ended: what it took is settled, what it could not take is owed."""
    intent = session.get_one(Intent, claw_back.intent_id, with_for_update=True, populate_existing=True)
    if steps_of(session, claw_back.id):
        return
    if intent.state == SUCCEEDED:
        _step(session, claw_back, TAKEN, claw_back.amount_minor, now)
    elif intent.state == FAILED:
        # The debt takes its place, so nobody tries it again.
        intent.state = CANCELLED
        _owe(session, claw_back, now)


def owe_without_transfer(session: Session, claw_back: ClawBack, *, now: datetime) -> None:
    """No transfer holds the amount any more: it is owed at once."""
    if claw_back.intent_id is None:
        _owe(session, claw_back, now)


def net_owed(session: Session, manufacturer_id: int, *, livemode: bool, now: datetime) -> int:
    """Net what parties owe from what they have coming, the oldest first; how many claw-backs got something."""
    count = 0
    for (party_id, currency), owed in owed_by_party(session, manufacturer_id).items():
        has = party_balance(
            session, manufacturer_id=manufacturer_id, currency=currency, party_id=party_id, purpose=Purpose.PAYABLE
        )
        for claw_back_id, minor in netted(owed, has).items():
            claw_back = session.get_one(ClawBack, claw_back_id)
            step = _step(session, claw_back, NETTED, minor, now)
            legs = [debit(Purpose.PAYABLE, minor, party_id), credit(Purpose.PARTY_RECEIVABLE, minor, party_id)]
            _post(session, claw_back, step, legs, now, livemode=livemode)
            count += 1
    return count


def give_up(
    session: Session,
    claw_back: ClawBack,
    *,
    most_minor: int,
    bearer_id: int | None,
    reason: str,
    now: datetime,
) -> bool:
    """Give up what a party has not returned, at its bearer's cost, else the operator's; whether there was any."""
    lock = text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))")
    session.execute(lock, {"key": f"claw_back:{claw_back.id}"})
    if any(step.kind == WRITTEN_OFF for step in steps_of(session, claw_back.id)):
        return False
    minor = min(rest_minor(session, claw_back), most_minor)
    if minor <= 0:
        return False
    step = _step(session, claw_back, WRITTEN_OFF, minor, now)
    borne = debit(Purpose.WRITE_OFF, minor) if bearer_id is None else debit(Purpose.PAYABLE, minor, bearer_id)
    legs = [borne, credit(Purpose.PARTY_RECEIVABLE, minor, claw_back.party_id)]
    _post(session, claw_back, step, legs, now, says=reason)
    return True


def rest_minor(session: Session, claw_back: ClawBack) -> int:
    """What is still owed of a claw-back."""
    sums: dict[str, int] = {}
    for step in steps_of(session, claw_back.id):
        sums[step.kind] = sums.get(step.kind, 0) + step.amount_minor
    return sums.get(OWED, 0) - sums.get(NETTED, 0) - sums.get(WRITTEN_OFF, 0)


_OWED = text(
    """
    SELECT claw_back.id, claw_back.party_id, claw_back.currency, claw_back.opened_at,
           coalesce(sum(step.amount_minor) FILTER (WHERE step.kind = 'owed'), 0)::bigint AS owed_minor,
           coalesce(sum(step.amount_minor) FILTER (WHERE step.kind IN ('netted', 'written_off')), 0)::bigint
               AS recovered_minor
    FROM claw_back JOIN claw_back_step step ON step.claw_back_id = claw_back.id
    WHERE claw_back.manufacturer_id = :manufacturer_id
    GROUP BY claw_back.id
    HAVING sum(CASE step.kind WHEN 'taken' THEN 0 WHEN 'owed' THEN step.amount_minor ELSE -step.amount_minor END) > 0
    ORDER BY claw_back.opened_at, claw_back.id
    """
)


def owed_by_party(session: Session, manufacturer_id: int) -> dict[tuple[int, str], list[Owed]]:
    """What is still owed to a manufacturer's books, by party and currency, the oldest first."""
    found: dict[tuple[int, str], list[Owed]] = {}
    for row in session.execute(_OWED, {"manufacturer_id": manufacturer_id}):
        owed = Owed(row.id, row.owed_minor, row.recovered_minor, row.opened_at)
        found.setdefault((row.party_id, row.currency), []).append(owed)
    return found


def steps_of(session: Session, claw_back_id: int) -> Sequence[ClawBackStep]:
    """What became of a claw-back so far."""
    wanted = select(ClawBackStep).where(ClawBackStep.claw_back_id == claw_back_id)
    return session.scalars(wanted.order_by(ClawBackStep.seq)).all()


def _owe(session: Session, claw_back: ClawBack, now: datetime) -> None:
    if steps_of(session, claw_back.id):
        return
    step = _step(session, claw_back, OWED, claw_back.amount_minor, now)
    party_id, minor = claw_back.party_id, claw_back.amount_minor
    legs = [debit(Purpose.PARTY_RECEIVABLE, minor, party_id), credit(Purpose.PAYABLE, minor, party_id)]
    _post(session, claw_back, step, legs, now)


def _step(session: Session, claw_back: ClawBack, kind: str, minor: int, now: datetime) -> ClawBackStep:
    seq: int = session.scalar(
        select(func.count()).select_from(ClawBackStep).where(ClawBackStep.claw_back_id == claw_back.id)
    ) or 0  # fmt: skip
    step = ClawBackStep(
        claw_back_id=claw_back.id,
        seq=seq + 1,
        manufacturer_id=claw_back.manufacturer_id,
        party_id=claw_back.party_id,
        kind=kind,
        currency=claw_back.currency,
        amount_minor=minor,
        recorded_at=now,
    )
    session.add(step)
    session.flush()
    return step


_WORDS = {OWED: "Still owed", NETTED: "Netted", WRITTEN_OFF: "Written off"}


def _post(
    session: Session,
    claw_back: ClawBack,
    step: ClawBackStep,
    legs: Sequence[Leg],
    now: datetime,
    *,
    livemode: bool | None = None,
    says: str = "",
) -> None:
    intent = session.get(Intent, claw_back.intent_id) if claw_back.intent_id else None
    post(
        session,
        manufacturer_id=claw_back.manufacturer_id,
        currency=claw_back.currency,
        kind=f"claw_back_{step.kind}",
        document=Document("claw_back_step", str(step.id)),
        legs=legs,
        allowed_pairs=RECOVERY_PAIRS,
        occurred_at=now,
        now=now,
        description=f"{_WORDS[step.kind]}: {says or claw_back.reason}",
        livemode=bool(livemode if livemode is not None else intent and intent.livemode),
    )
