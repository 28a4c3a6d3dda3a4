"""Another address to sign in with: it counts once the link mailed there is used; the old one is told and can undo it.

Whether the new address is somebody's already is never said on the page: the link simply does not arrive.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from portal import jobs
from portal.access import OneAct
from portal.errors import Conflict, Invalid, NotAllowed
from portal.identity import links, notices, places, rules, sessions, throttling
from portal.identity.factors.entering import end_waiting
from portal.identity.factors.models import AddressChange
from portal.identity.models import MailedLink, Person

CONFIRM_ACT = "confirm_address"
UNDO_ACT = "undo_address"
CHANGE_OBJECT = "address_change"
# Longer than a holiday's absence from the old mailbox would be nice; a stolen mailbox must not hold the key for ever.
UNDO_LASTS = timedelta(days=14)
CONFIRM_LASTS = timedelta(hours=24)


def ask_for_address(session: Session, viewer: rules.Viewer, email: str, now: datetime) -> None:
    """Have the worker mail a link to the new address.

    *Raises*: Invalid, TooOften.
    """
    throttling.count_try(session, "address", (str(viewer.actor.person_id),), rules.RESET_PER_ADDRESS, now)
    if email.casefold() == viewer.email.casefold():
        raise Invalid("Nothing is changed.", {"email": "This is the address you sign in with."})
    change = AddressChange(
        person_id=viewer.actor.person_id,
        organisation_id=viewer.actor.organisation_id,
        old_email=viewer.email,
        new_email=email,
        asked_at=now,
    )
    session.add(change)
    session.flush()
    jobs.enqueue(session, "mail_address_confirmation", change_id=change.id)


def create_confirmation(session: Session, change_id: int, *, secret: str, now: datetime) -> MailedLink | None:
    """The link the worker mails to the new address; None where the address is somebody's already."""
    change = session.get_one(AddressChange, change_id)
    if places.person_of(session, change.new_email) != places.NOBODY:
        return None
    return _link(session, change, CONFIRM_ACT, change.new_email, secret=secret, now=now, lasts=CONFIRM_LASTS)


def create_undo(session: Session, change_id: int, *, secret: str, now: datetime) -> MailedLink:
    """The link the worker mails to the old address."""
    change = session.get_one(AddressChange, change_id)
    return _link(session, change, UNDO_ACT, change.old_email, secret=secret, now=now, lasts=UNDO_LASTS)


def change_of(session: Session, link: links.OpenLink) -> AddressChange:
    """What the link is about."""
    return session.get_one(AddressChange, int(link.act.object_id))


def confirm_address(session: Session, link: links.OpenLink, now: datetime) -> None:
    """Sign in with the new address from now on; the old one is told.

    *Raises*: NotAllowed, Conflict.
    """
    change = _checked(session, link, CONFIRM_ACT)
    _move(session, change.person_id, change.old_email, change.new_email)
    links.use_link(session, link, now)
    details = {"old": change.old_email, "new": change.new_email}
    notices.record_and_tell(session, link.actor, "change_address", now=now, details=details)
    jobs.enqueue(session, "mail_address_undo", change_id=change.id)


def undo_address(session: Session, link: links.OpenLink, now: datetime) -> None:
    """Give the old address back, and end every session and every sign-in that waits: whoever changed it is out.

    *Raises*: NotAllowed, Conflict.
    """
    change = _checked(session, link, UNDO_ACT)
    _move(session, change.person_id, change.new_email, change.old_email)
    links.use_link(session, link, now)
    sessions.revoke(session, link.actor, now)
    end_waiting(session, change.person_id)
    details = {"old": change.new_email, "new": change.old_email}
    notices.record_and_tell(session, link.actor, "undo_address", now=now, details=details)


def _checked(session: Session, link: links.OpenLink, act: str) -> AddressChange:
    if link.act.act != act:
        raise NotAllowed("This link is for something else.")
    if link.state != "open":
        raise Conflict("This link was used or has ended.")
    return change_of(session, link)


def _move(session: Session, person_id: int, old: str, new: str) -> None:
    # A change made meanwhile wins; an address taken meanwhile is refused by its unique index.
    moved = session.execute(
        update(Person)
        .where(Person.id == person_id, func.lower(Person.email) == old.lower())
        .values(email=new)
        .returning(Person.id)
    ).one_or_none()
    if moved is None:
        raise Conflict("The address was changed again meanwhile.")


def _link(
    session: Session, change: AddressChange, act: str, email: str, *, secret: str, now: datetime, lasts: timedelta
) -> MailedLink:
    known = session.scalars(
        select(MailedLink).where(MailedLink.act == act, MailedLink.object_id == str(change.id))
    ).one_or_none()
    return known or links.create_link(
        session,
        OneAct(act, CHANGE_OBJECT, str(change.id), 0),
        secret=secret,
        organisation_id=change.organisation_id,
        email=email,
        person_id=change.person_id,
        now=now,
        lasts=lasts,
    )
