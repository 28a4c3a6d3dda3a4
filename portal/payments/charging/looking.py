"""Right before a change of plan is charged, Stripe is asked again what it would charge; what moved is not charged.

Invariants: asked outside any transaction, by the process that holds the intent; a call that was made is never given up
without a look at Stripe; why nothing was charged stands on the intent.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from portal.db import Scope, transaction
from portal.payments import outcomes, queries, rules
from portal.payments.charging.rules import (
    OTHER_PERIOD,
    RUNS_NO_MORE,
    Course,
    Figures,
    course_of,
    other_words,
    too_old_words,
)
from portal.payments.gateway import Gateway
from portal.payments.models import Intent
from portal.payments.provider import Busy, Refused

# The step of a change of plan that charges.
CHARGES = "plan_change"


def look_again(engine: Engine, gateway: Gateway, intent_id: UUID, now: datetime, *, scope: Scope | None) -> None:
    """Have a charge that may not be made any more fail, with the reason; one that was sent is looked up or goes on.

    *Raises*: Busy while Stripe may still be working on a call that was made; Unknown or Busy when it gives no answer.
    """
    with transaction(engine, scope) as session:
        intent = session.get_one(Intent, intent_id)
        course = _course(session, intent, now)
        charges_next = rules.next_step(intent.kind, intent.request, intent.progress) == CHARGES
    if course is Course.WAIT:
        raise Busy("Stripe may still be working on the charge; it is looked for in two minutes.")
    if course is Course.LOOK:
        with transaction(engine, scope) as session:
            locked = session.get_one(Intent, intent_id, with_for_update=True)
            locked.progress = {**locked.progress, "look_first": True}
    elif course is Course.TOO_OLD:
        _fail(engine, scope, intent_id, too_old_words(_shown_at(intent.request), now), now)
    elif course is Course.ASK and charges_next:
        moved = _moved(gateway, intent)
        if moved:
            _fail(engine, scope, intent_id, moved, now)


def _course(session: Session, intent: Intent, now: datetime) -> Course | None:
    """None where nothing is charged any more, or the look at Stripe comes next anyway."""
    if intent.state not in rules.UNFINISHED or CHARGES in intent.progress or intent.progress.get("look_first"):
        return None
    sent = queries.sent_between(session, rules.idempotency_key(intent.id, CHARGES, intent.generation))
    return course_of(_shown_at(intent.request), sent, now)


def _shown_at(request: dict[str, Any]) -> datetime:
    return datetime.fromtimestamp(request["change"]["proration_date"], UTC)


def _moved(gateway: Gateway, intent: Intent) -> str:
    """Why the charge would be another one than was shown; empty where it is the same to the cent."""
    request = intent.request
    try:
        known = gateway.retrieve_subscription(request["subscription"])
        if known.ends_with_period or known.status not in rules.SUBSCRIPTION_RUNS:
            return RUNS_NO_MORE
        if known.covers_from > _shown_at(request):
            return OTHER_PERIOD
        # The new plan's product costs the same by any name, and may not be made yet.
        price = {**request["price"], "product": known.product_id}
        change = {name: said for name, said in request["change"].items() if name.startswith("proration_")}
        items = [{"id": request.get("item") or known.item_id, "price_data": price}]
        found = gateway.preview_change(request["subscription"], {"items": items, **change})
    except Refused as refusal:
        return refusal.sentence
    said = request["plan"]
    shown = Figures(intent.amount_minor, said["charge_minor"], said["credit_minor"])
    return other_words(shown, Figures(found.total_minor, found.charge_minor, found.credit_minor), intent.currency)


def _fail(engine: Engine, scope: Scope | None, intent_id: UUID, sentence: str, now: datetime) -> None:
    with transaction(engine, scope) as session:
        outcomes.record_failure(session, intent_id, sentence, now, kept={rules.FIGURES_MOVED: True})
