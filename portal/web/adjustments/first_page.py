"""What of the first pages is about money that goes back: each row a count that leads to its list, with its age."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from portal.access import Actor, Role, Side
from portal.adjustments import awaiting
from portal.adjustments.actions import adopting
from portal.selling import leaving
from portal.selling import waiting as selling
from portal.settlement.debts import debts
from portal.web import today

MANUFACTURER, INTEGRATOR = frozenset({Side.MANUFACTURER}), frozenset({Side.INTEGRATOR})
LIST = "adjustments.adjustments"

# What one of them is called, and several; where they are listed; since when each waits.
Waiting = tuple[str, str, str, Sequence[datetime]]


@today.section("money_back", title="Money that waits for you", roles={Role.FINANCE}, order=13, sides=MANUFACTURER)
def money_back(session: Session, actor: Actor, now: datetime) -> Mapping[str, Any]:
    """Payments taken back, what a second person decides, payments that are no sale, changes at Stripe, what is owed."""
    changes = adopting.outside_changes(session, actor, open_only=True)
    owed = [each.row.opened_at for each in debts(session, actor) if each.rest_minor]
    rows: tuple[Waiting, ...] = (
        (
            "chargeback has to be answered",
            "chargebacks have to be answered",
            "adjustments.chargebacks",
            awaiting.chargebacks_to_answer(session, actor),
        ),
        (
            "refund or credit waits for a second person",
            "refunds and credits wait for a second person",
            LIST,
            awaiting.decisions_awaited(session, actor),
        ),
        (
            "payment is no sale",
            "payments are no sale",
            "adjustments.waiting",
            [row.since for row in selling.unsold_payments(session, actor)],
        ),
        (
            "plan was left within its minimum term",
            "plans were left within their minimum term",
            "adjustments.waiting",
            [row.since for row in leaving.early_ends(session, actor)],
        ),
        (
            "change was made at Stripe itself",
            "changes were made at Stripe itself",
            "adjustments.outside_changes",
            [change.row.made_at for change in changes],
        ),
        ("share to be returned by its party", "shares to be returned by their parties", "adjustments.claw_backs", owed),
    )
    return {"rows": _counted(rows)}


@today.section(
    "money_back",
    title="What waits for your yes",
    roles={Role.FINANCE, Role.SERVICE_MANAGER},
    order=13,
    sides=INTEGRATOR,
)
def shares_by_consent(session: Session, actor: Actor, now: datetime) -> Mapping[str, Any]:
    """What would lower the integrator's share if it says yes."""
    asked = awaiting.consents_awaited(session, actor)
    return {"rows": _counted([("gift to a payer lowers your share", "gifts to payers lower your share", LIST, asked)])}


def _counted(rows: Iterable[Waiting]) -> list[tuple[int, str, str, datetime]]:
    return [(len(since), one if len(since) == 1 else many, to, min(since)) for one, many, to, since in rows if since]
