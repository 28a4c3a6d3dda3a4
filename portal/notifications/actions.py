"""The only writer of deliveries: queue a letter for a recipient, and send it by job.

A delivery is queued in the transaction of what it tells about. ``once_key`` makes the same news to the same recipient
one delivery, however often the job that queues it runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import Engine, Table, bindparam, event, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from portal.db import transaction
from portal.errors import NotFound, ProviderTrouble
from portal.jobs import enqueue_many
from portal.notifications.mail import Message, RecipientRefused
from portal.notifications.models import Delivery
from portal.notifications.rendering import Letter, rendered

# A delivery still queued after this has lost its job: the sweep asks again.
LOST_AFTER = timedelta(minutes=30)
SWEEP_AT_MOST = 500
# Days of trying end the job's own attempts; the row then says so and the page lists it.
GIVE_UP_AFTER = timedelta(days=3)

_TABLE: Table = Delivery.__table__  # type: ignore[assignment]  # a mapped class's table is typed as any selectable
_QUEUE = (
    insert(_TABLE)
    .on_conflict_do_nothing(index_elements=["once_key"])
    .returning(_TABLE.c.id, _TABLE.c.organisation_id, _TABLE.c.email, _TABLE.c.person_id)
)
_SETTLE = (
    update(_TABLE)
    .where(_TABLE.c.id == bindparam("delivery_id"), _TABLE.c.state == "queued")
    .values(attempts=_TABLE.c.attempts + 1)
)

Write = Callable[[Session, Delivery], Letter | None]


class Mailer(Protocol):
    """The mail edge."""

    def send(self, message: Message) -> None:
        """Hand one message over."""


@dataclass(frozen=True)
class Recipient:
    """Who is written to, and for which organisation; a person without an account has an address only."""

    organisation_id: int
    email: str
    person_id: int | None = None


def queue_letter(
    session: Session,
    recipient: Recipient,
    template: str,
    *,
    about: tuple[str, object],
    now: datetime,
    facts: Mapping[str, Any] | None = None,
    once: str | None = None,
) -> int | None:
    """Queue one letter; its delivery's id, or None when the same news was queued before."""
    return queue_letters(session, {recipient: facts or {}}, template, about=about, now=now, once=once).get(recipient)


def queue_letters(
    session: Session,
    copies: Mapping[Recipient, Mapping[str, Any]],
    template: str,
    *,
    about: tuple[str, object],
    now: datetime,
    once: str | None = None,
) -> dict[Recipient, int]:
    """Queue a letter to several, each with facts of their own; the deliveries' ids, less what was queued before."""
    if not copies:
        return {}
    object_type, object_id = about
    rows = [
        {
            "organisation_id": recipient.organisation_id,
            "person_id": recipient.person_id,
            "email": recipient.email,
            "template": template,
            "object_type": object_type,
            "object_id": str(object_id),
            "facts": dict(facts),
            "once_key": f"{once}:{template}:{recipient.organisation_id}:{recipient.email.casefold()}" if once else None,
            "state": "queued",
            "queued_at": now,
        }
        for recipient, facts in copies.items()
    ]
    queued = {Recipient(row.organisation_id, row.email, row.person_id): row.id for row in session.execute(_QUEUE, rows)}
    enqueue_many(session, "send_delivery", [{"delivery_id": delivery_id} for delivery_id in queued.values()])
    return queued


def send_delivery(engine: Engine, mailer: Mailer, delivery_id: int, *, write: Write, now: datetime) -> None:
    """Write and send one delivery; sent once is enough, nothing to say any more counts as sent.

    The call to the mail server holds no transaction. When the process dies between the call and the note of it, the
    recipient gets the mail twice under one Message-ID: losing it would be worse.

    *Raises*: NotFound; ProviderTrouble when the mail server may take it later.
    """
    with transaction(engine) as session:
        delivery = session.get(Delivery, delivery_id)
        if delivery is None:
            raise NotFound()
        if delivery.state != "queued":
            return
        letter = write(session, delivery)
    outcome = _handed_over(mailer, delivery, letter, now)
    _settle(engine, [outcome], now)
    if outcome.trouble is not None:
        raise outcome.trouble


def send_deliveries(
    engine: Engine, mailer: Mailer, delivery_ids: Sequence[int], *, write: Write, now: datetime
) -> None:
    """Write and send many that were queued together, in few statements; what may go later waits for the sweep."""
    with transaction(engine) as session:
        # What one letter has read the next one finds: most of them are about the same case.
        read: list[object] = []
        event.listen(session, "loaded_as_persistent", lambda _, row: read.append(row))
        wanted = select(Delivery).where(Delivery.id.in_(delivery_ids), Delivery.state == "queued").order_by(Delivery.id)
        letters = [(delivery, write(session, delivery)) for delivery in session.scalars(wanted).all()]
    _settle(engine, [_handed_over(mailer, delivery, letter, now) for delivery, letter in letters], now)


def sweep_deliveries(session: Session, now: datetime) -> int:
    """Enqueue again what has waited too long for its job; how many."""
    waiting = session.scalars(
        select(Delivery.id)
        .where(Delivery.state == "queued", Delivery.queued_at < now - LOST_AFTER)
        .order_by(Delivery.queued_at)
        .limit(SWEEP_AT_MOST)
    ).all()
    enqueue_many(session, "send_delivery", [{"delivery_id": delivery_id} for delivery_id in waiting])
    return len(waiting)


def unsent_count(session: Session) -> int:
    """How many letters wait or have failed, for the operator's page."""
    return int(session.scalar(select(func.count()).select_from(Delivery).where(Delivery.state != "sent")) or 0)


@dataclass(frozen=True)
class _Outcome:
    """What became of handing one letter over; ``trouble`` when it may be tried again."""

    delivery_id: int
    state: str
    failure: str = ""
    message_id: str = ""
    trouble: ProviderTrouble | None = None


def _handed_over(mailer: Mailer, delivery: Delivery, letter: Letter | None, now: datetime) -> _Outcome:
    if letter is None:
        return _Outcome(delivery.id, "sent", "Nothing to say any more.")
    body = rendered(letter)
    message_id = f"<delivery-{delivery.id}@factoryline>"
    try:
        mailer.send(Message(delivery.email, letter.subject, body.text, body.html, message_id))
    except RecipientRefused as refused:
        return _Outcome(delivery.id, "failed", refused.sentence)
    except ProviderTrouble as trouble:
        if now - delivery.queued_at > GIVE_UP_AFTER:
            return _Outcome(delivery.id, "failed", trouble.sentence)
        return _Outcome(delivery.id, "queued", trouble.sentence, trouble=trouble)
    return _Outcome(delivery.id, "sent", message_id=message_id)


def _settle(engine: Engine, outcomes: Sequence[_Outcome], now: datetime) -> None:
    rows = [
        {
            "delivery_id": outcome.delivery_id,
            "state": outcome.state,
            "last_failure": outcome.failure,
            "message_id": outcome.message_id,
            "sent_at": now if outcome.state == "sent" else None,
        }
        for outcome in outcomes
    ]
    if rows:
        with transaction(engine) as session:
            session.connection().execute(_SETTLE, rows)
