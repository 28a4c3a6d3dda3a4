"""News of how people sign in, to letters: once each, to the address that has to know."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import any_, literal, select
from sqlalchemy.orm import Session

from portal.access import Role
from portal.audit.models import AuditEntry
from portal.identity import addresses
from portal.identity.models import MailedLink, Membership, Person
from portal.notifications.actions import Recipient, queue_letter


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
    others = session.execute(
        select(Person.id, Person.email)
        .join(Membership, Membership.person_id == Person.id)
        .where(
            Membership.organisation_id == entry.organisation_id,
            Membership.ended_at.is_(None),
            literal(Role.ADMINISTRATOR.value) == any_(Membership.roles),
            Person.id != entry.person_id,
            Person.disabled_at.is_(None),
        )
        .order_by(Person.id)
    )
    for person_id, email in others:
        recipient = Recipient(entry.organisation_id, email, person_id)
        once = f"break-glass:{entry.id}:{person_id}"
        queue_letter(session, recipient, "break_glass", about=("audit_entry", entry.id), now=now, once=once)


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
