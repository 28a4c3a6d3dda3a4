"""What happened, to letters: each notice is queued once per recipient, however often its job runs."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from portal.access import Role
from portal.contracts.models import DocumentVersion
from portal.directory.models import ServiceRelationship
from portal.identity import actions as identity
from portal.identity.models import Invitation
from portal.notifications.actions import Recipient, queue_letter
from portal.notifications.recipients import people_with_role

SERVICE_MANAGERS = (Role.SERVICE_MANAGER, Role.ADMINISTRATOR)


def mail_password_reset(session: Session, person_id: int, *, secret: str, now: datetime) -> None:
    """Mail a reset link; an address nobody has gets nothing, which nobody can see from outside."""
    link = identity.create_reset_link(session, person_id, secret=secret, now=now)
    if link is not None:
        recipient = Recipient(link.organisation_id, link.email, person_id)
        queue_letter(session, recipient, "password_reset", about=("mailed_link", link.id), now=now)


def mail_invitation(session: Session, invitation_id: int, now: datetime) -> None:
    """Mail an invitation once."""
    asked = session.get(Invitation, invitation_id)
    if asked is not None:
        queue_letter(
            session,
            Recipient(asked.organisation_id, asked.email),
            "invitation",
            about=("invitation", asked.id),
            now=now,
            once=f"invitation:{asked.id}",
        )


def notify_version_proposed(session: Session, version_id: int, by_organisation_id: int, now: datetime) -> None:
    """Tell the administrators of the other company."""
    version = session.get_one(DocumentVersion, version_id)
    for organisation_id in {version.manufacturer_id, version.integrator_id} - {None, by_organisation_id}:
        for recipient in people_with_role(session, organisation_id or 0, (Role.ADMINISTRATOR,)):
            queue_letter(
                session,
                recipient,
                "version_proposed",
                about=("document_version", version.id),
                now=now,
                once=f"version:{version.id}",
            )


def notify_service_change(session: Session, relationship_id: int, before_id: int, now: datetime) -> None:
    """Tell both integrators: the one that goes first."""
    notify_service_end(session, before_id, now)
    _tell_of_service(session, relationship_id, "service_begins", now)


def notify_service_end(session: Session, relationship_id: int, now: datetime) -> None:
    """Tell an integrator that the customer has ended its service."""
    _tell_of_service(session, relationship_id, "service_ends", now)


def _tell_of_service(session: Session, row_id: int, template: str, now: datetime) -> None:
    relationship = session.get_one(ServiceRelationship, row_id)
    for recipient in people_with_role(session, relationship.integrator_id, SERVICE_MANAGERS):
        queue_letter(
            session,
            recipient,
            template,
            about=("service_relationship", row_id),
            now=now,
            once=f"service:{row_id}",
        )
