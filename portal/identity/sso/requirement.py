"""Who has to come through the provider: asked wherever a session is opened, so that no other way in is forgotten."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, func, select, text
from sqlalchemy.orm import Session

from portal import jobs
from portal.audit.models import AuditEntry
from portal.errors import NotAllowed
from portal.identity.models import Membership
from portal.identity.sso.models import IdentityProvider, ProviderSession


class ProviderRequired(NotAllowed):
    """The organisation lets its people in through its own provider only."""

    def __init__(self, organisation_id: int, person_id: int) -> None:
        super().__init__("Your organisation lets its people in through its own sign-in only.")
        self.organisation_id = organisation_id
        self.person_id = person_id


def needs_provider(session: Session, organisation_id: int, person_id: int) -> bool:
    """Whether this person may act for the organisation only after signing in at its provider."""
    query = text("SELECT needs_provider(:organisation, :person)")
    return bool(session.scalar(query, {"organisation": organisation_id, "person": person_id}))


def needing_provider() -> ColumnElement[bool]:
    """The same as a column of memberships, to choose one that needs no provider."""
    return func.needs_provider(Membership.organisation_id, Membership.person_id)


def refuse_other_ways(session: Session, membership: Membership, seen: Mapping[str, str], now: datetime) -> None:
    """Refuse a session by password, passkey, link or switch where the provider is required.

    The one administrator who is kept for the day the provider fails comes in; the log says so with what was ``seen`` of
    the browser, and the organisation's other administrators are told by mail.

    *Raises*: ProviderRequired.
    """
    if needs_provider(session, membership.organisation_id, membership.person_id):
        raise ProviderRequired(membership.organisation_id, membership.person_id)
    kept = select(IdentityProvider.id).where(
        IdentityProvider.organisation_id == membership.organisation_id,
        IdentityProvider.is_required,
        IdentityProvider.break_glass_person_id == membership.person_id,
    )
    provider_id = session.scalar(kept)
    if provider_id is not None:
        entry = AuditEntry(
            at=now,
            organisation_id=membership.organisation_id,
            person_id=membership.person_id,
            act="break_glass_sign_in",
            object_type="identity_provider",
            object_id=str(provider_id),
            details=dict(seen),
        )
        session.add(entry)
        session.flush()
        jobs.enqueue(session, "notify_break_glass", entry_id=entry.id)


def refuse_switch(session: Session, web_session_id: UUID) -> None:
    """Refuse to go on from a provider's session to another organisation: a provider speaks for its own only.

    *Raises*: NotAllowed.
    """
    if session.get(ProviderSession, web_session_id) is not None:
        raise NotAllowed(
            "You are signed in through your company, which speaks for itself only. Sign out and in again for the other."
        )
