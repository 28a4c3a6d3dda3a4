"""News of how people sign in, to letters: once each, to the address that has to know."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import any_, literal, select
from sqlalchemy.orm import Session

from portal.access import Role
from portal.audit.models import AuditEntry
from portal.identity import addresses
from portal.identity.models import MailedLink, Membership, Person
from portal.identity.scim.models import ScimToken
from portal.notifications.actions import Recipient, queue_letter

# A month to find who looks after the directory, a week to hurry.
REMINDED_BEFORE = (timedelta(days=30), timedelta(days=7))


def notify_security(session: Session, entry_id: int, now: datetime) -> None:
    """Tell the person the entry is about."""
    entry = session.get_one(AuditEntry, entry_id)
    person = session.get_one(Person, int(entry.object_id))
    recipient = Recipient(entry.organisation_id, person.email, person.id)
    queue_letter(
        session, recipient, "security_news", about=("audit_entry", entry.id), now=now, once=f"security:{entry.id}"
    )


def notify_break_glass(session: Session, entry_id: int, now: datetime) -> None:
    """Tell the organisation's other administrators that one of them came in without the company's provider."""
    entry = session.get_one(AuditEntry, entry_id)
    for recipient in _administrators(session, entry.organisation_id):
        if recipient.person_id != entry.person_id:
            once = f"break-glass:{entry.id}:{recipient.person_id}"
            queue_letter(session, recipient, "break_glass", about=("audit_entry", entry.id), now=now, once=once)


def remind_of_tokens(session: Session, now: datetime) -> None:
    """Tell the administrators of a directory's token that ends within a month, and again within a week."""
    ending = select(ScimToken).where(
        ScimToken.revoked_at.is_(None), ScimToken.expires_at > now, ScimToken.expires_at <= now + REMINDED_BEFORE[0]
    )
    for token in session.scalars(ending.order_by(ScimToken.id)):
        step = sum(token.expires_at <= now + before for before in REMINDED_BEFORE)
        for recipient in _administrators(session, token.organisation_id):
            once = f"scim-token:{token.id}:{step}:{recipient.person_id}"
            queue_letter(session, recipient, "scim_token_ends", about=("scim_token", token.id), now=now, once=once)


def _administrators(session: Session, organisation_id: int) -> list[Recipient]:
    """Who administers the organisation now."""
    rows = session.execute(
        select(Person.id, Person.email)
        .join(Membership, Membership.person_id == Person.id)
        .where(
            Membership.organisation_id == organisation_id,
            Membership.ended_at.is_(None),
            literal(Role.ADMINISTRATOR.value) == any_(Membership.roles),
            Person.disabled_at.is_(None),
        )
        .order_by(Person.id)
    )
    return [Recipient(organisation_id, row.email, row.id) for row in rows]


def mail_address_confirmation(session: Session, change_id: int, *, secret: str, now: datetime) -> None:
    """Mail the new address its link; an address that is somebody's already gets nothing."""
    link = addresses.create_confirmation(session, change_id, secret=secret, now=now)
    if link is not None:
        _mail_link(session, link, "address_confirmation", now)


def mail_address_undo(session: Session, change_id: int, *, secret: str, now: datetime) -> None:
    """Tell the old address, with a link that undoes the change."""
    _mail_link(session, addresses.create_undo(session, change_id, secret=secret, now=now), "address_undo", now)


def _mail_link(session: Session, link: MailedLink, template: str, now: datetime) -> None:
    queue_letter(
        session,
        Recipient(link.organisation_id, link.email, link.person_id),
        template,
        about=("mailed_link", link.id),
        now=now,
        once=f"{template}:{link.id}",
    )
