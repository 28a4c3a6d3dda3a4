"""The only writer of deliveries: queue a letter for a recipient, and send it by job.

A delivery is queued in the transaction of what it tells about. ``once_key`` makes the same news to the same recipient
one delivery, however often the job that queues it runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import Engine, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from portal.db import transaction
from portal.errors import NotFound, ProviderTrouble
from portal.jobs import enqueue, enqueue_many
from portal.notifications.mail import Message, RecipientRefused
from portal.notifications.models import Delivery
from portal.notifications.rendering import Letter, rendered

# A delivery still queued after this has lost its job: the sweep asks again.
LOST_AFTER = timedelta(minutes=30)
SWEEP_AT_MOST = 500
# Days of trying end the job's own attempts; the row then says so and the page lists it.
GIVE_UP_AFTER = timedelta(days=3)


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
    object_type, object_id = about
    delivery_id = session.scalar(
        insert(Delivery)
        .values(
            organisation_id=recipient.organisation_id,
            person_id=recipient.person_id,
            email=recipient.email,
            template=template,
            object_type=object_type,
            object_id=str(object_id),
            facts=dict(facts or {}),
            once_key=f"{once}:{template}:{recipient.organisation_id}:{recipient.email.casefold()}" if once else None,
            state="queued",
            queued_at=now,
        )
        .on_conflict_do_nothing(index_elements=["once_key"])
        .returning(Delivery.id)
    )
    if delivery_id is not None:
        enqueue(session, "send_delivery", delivery_id=delivery_id)
    return delivery_id


def send_delivery(
    engine: Engine,
    mailer: Mailer,
    delivery_id: int,
    *,
    write: Callable[[Session, Delivery], Letter | None],
    now: datetime,
) -> None:
    """Write and send one delivery; sent once is enough, nothing to say any more counts as sent.

    The call to the mail server holds no transaction. When the process dies between the call and the note of it, the
    recipient gets the mail twice under one Message-ID: losing it would be worse.

    *Raises*: ProviderTrouble when the mail server may take it later.
    """
    with transaction(engine) as session:
        delivery = session.get(Delivery, delivery_id)
        if delivery is None:
            raise NotFound()
        if delivery.state != "queued":
            return
        letter = write(session, delivery)
    if letter is None:
        _settle(engine, delivery_id, state="sent", failure="Nothing to say any more.", now=now)
        return
    body = rendered(letter)
    message_id = f"<delivery-{delivery_id}@factoryline>"
    try:
        mailer.send(Message(delivery.email, letter.subject, body.text, body.html, message_id))
    except RecipientRefused as refused:
        _settle(engine, delivery_id, state="failed", failure=refused.sentence, now=now)
    except ProviderTrouble as trouble:
        is_over = now - delivery.queued_at > GIVE_UP_AFTER
        _settle(engine, delivery_id, state="failed" if is_over else "queued", failure=trouble.sentence, now=now)
        if not is_over:
            raise
    else:
        _settle(engine, delivery_id, state="sent", failure="", now=now, message_id=message_id)


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


def _settle(engine: Engine, delivery_id: int, *, state: str, failure: str, now: datetime, message_id: str = "") -> None:
    with transaction(engine) as session:
        session.execute(
            update(Delivery)
            .where(Delivery.id == delivery_id, Delivery.state == "queued")
            .values(
                state=state,
                attempts=Delivery.attempts + 1,
                last_failure=failure,
                message_id=message_id,
                sent_at=now if state == "sent" else None,
            )
        )
