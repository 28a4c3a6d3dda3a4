"""Letters of company sign-in: to a domain's postmaster about a claim, and to somebody whom a directory brought in."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from portal.directory.models import Organisation
from portal.identity.models import MailedLink
from portal.identity.scim import welcome
from portal.identity.sso import domains
from portal.identity.sso.models import MailDomain
from portal.notifications.actions import Recipient, queue_letter
from portal.notifications.letters import Writing, letter, link_is_open
from portal.notifications.rendering import Fact, Letter


def mail_domain_claim(session: Session, domain_id: int, *, secret: str, now: datetime) -> None:
    """Mail the postmaster a link; a claim that is gone or confirmed mails nothing."""
    link = domains.create_confirmation(session, domain_id, secret=secret, now=now)
    if link is not None:
        queue_letter(
            session,
            Recipient(link.organisation_id, link.email),
            "domain_claim",
            about=("mailed_link", link.id),
            now=now,
        )


def mail_provisioned(session: Session, membership_id: int, *, secret: str, now: datetime) -> None:
    """Mail somebody whom the directory brought in how to begin."""
    link = welcome.create_welcome(session, membership_id, secret=secret, now=now)
    if link is not None:
        recipient = Recipient(link.organisation_id, link.email, link.person_id)
        queue_letter(session, recipient, "provisioned", about=("mailed_link", link.id), now=now)


@letter("provisioned")
def provisioned(writing: Writing) -> Letter | None:
    """The first sign-in of somebody whom the directory brought in."""
    session = writing.session
    link = session.get_one(MailedLink, UUID(writing.delivery.object_id))
    if not link_is_open(session, link, writing.now):
        return None
    organisation = session.get_one(Organisation, link.organisation_id)
    return Letter(
        subject=f"{organisation.name} has brought you into Factoryline",
        greeting=writing.greeting,
        sentences=(f"You work on support cases of {organisation.name} in Factoryline from now on.",),
        facts=(Fact("Works until", writing.when(link.expires_at)),),
        button=("Begin", writing.link(link.id)),
        aside="If you do not expect this, do nothing and tell your IT department.",
    )


@letter("domain_claim")
def domain_claim(writing: Writing) -> Letter | None:
    """A link by which the postmaster says whose domain it is."""
    session = writing.session
    link = session.get_one(MailedLink, UUID(writing.delivery.object_id))
    claimed = session.get(MailDomain, int(link.object_id))
    if claimed is None or not link_is_open(session, link, writing.now):
        return None
    organisation = session.get_one(Organisation, link.organisation_id)
    return Letter(
        subject=f"{organisation.name} says that {claimed.domain} is its mail domain",
        greeting="Hello",
        sentences=(
            f"{organisation.name} has set up a sign-in of its own in Factoryline and wants everybody with an address "
            f"of {claimed.domain} to be sent there.",
        ),
        facts=(Fact("Works until", writing.when(link.expires_at)),),
        button=("Say whether this is right", writing.link(link.id)),
        aside="If it is not right, do nothing: nothing changes.",
    )
