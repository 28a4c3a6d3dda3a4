"""Mail domains: which organisation's provider an address is sent to.

A claim counts once somebody who reads the domain's postmaster mail has confirmed it, so that nobody routes another
company's people to a provider of their own. Routing looks at the domain only: known and unknown addresses go alike.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from portal import jobs
from portal.access import Actor, OneAct, may_administer
from portal.audit import actions as audit
from portal.errors import Conflict, Invalid, NotAllowed, NotFound
from portal.identity import links
from portal.identity.links import OpenLink
from portal.identity.models import MailedLink
from portal.identity.sso import rules
from portal.identity.sso.models import MailDomain

CONFIRM_ACT = "confirm_mail_domain"
# RFC 2142, 5 (1997): this mailbox exists wherever mail is received, and belongs to who runs the domain.
KEEPER = "postmaster"
MOST_DOMAINS = 50


def route(session: Session, address: str) -> UUID | None:
    """The provider that an address is sent to; the same work and answer for everybody of a domain."""
    query = text("SELECT provider_id FROM find_mail_domain(:domain)")
    found: UUID | None = session.scalar(query, {"domain": rules.domain_of(address)})
    return found


def own_domains(session: Session, actor: Actor) -> list[MailDomain]:
    """The domains the actor's organisation claims."""
    statement = select(MailDomain).where(MailDomain.organisation_id == actor.organisation_id)
    return list(session.scalars(statement.order_by(MailDomain.domain)))


def is_confirmed(session: Session, organisation_id: int, domain: str) -> bool:
    """Whether the organisation has shown that the domain is its own."""
    statement = select(MailDomain.id).where(
        MailDomain.organisation_id == organisation_id,
        MailDomain.domain == domain,
        MailDomain.confirmed_at.is_not(None),
    )
    return session.scalar(statement) is not None


def claim_domain(session: Session, actor: Actor, domain: str, *, now: datetime) -> MailDomain:
    """Claim a domain; its postmaster is asked by mail.

    *Raises*: NotAllowed, Invalid, Conflict.
    """
    _must_administer(actor)
    wanted = domain.strip().lower().lstrip("@").rstrip(".")
    if rules.domain_of(f"a@{wanted}") != wanted or "." not in wanted or not wanted.isascii() or " " in wanted:
        raise Invalid("Nothing was claimed.", {"domain": "Type a mail domain, such as company.com."})
    mine = own_domains(session, actor)
    if len(mine) >= MOST_DOMAINS:
        raise Conflict(f"At most {MOST_DOMAINS} domains.")
    found = next((row for row in mine if row.domain == wanted), None)
    if found is None:
        found = MailDomain(
            organisation_id=actor.organisation_id, domain=wanted, claimed_by=actor.person_id, claimed_at=now
        )
        session.add(found)
        session.flush()
    if found.confirmed_at is None:
        jobs.enqueue(session, "mail_domain_claim", domain_id=found.id)
        audit.record(session, actor, "claim_domain", "mail_domain", found.id, details={"domain": wanted}, now=now)
    return found


def give_up_domain(session: Session, actor: Actor, domain_id: int, now: datetime) -> None:
    """Stop claiming a domain; its addresses are no longer sent to the provider.

    *Raises*: NotAllowed, NotFound.
    """
    _must_administer(actor)
    found = session.scalar(
        select(MailDomain).where(MailDomain.id == domain_id, MailDomain.organisation_id == actor.organisation_id)
    )
    if found is None:
        raise NotFound
    audit.record(session, actor, "give_up_domain", "mail_domain", domain_id, details={"domain": found.domain}, now=now)
    session.delete(found)
    session.flush()


def create_confirmation(session: Session, domain_id: int, *, secret: str, now: datetime) -> MailedLink | None:
    """The job's link to the postmaster; None where the claim is gone or confirmed already."""
    domain = session.get(MailDomain, domain_id)
    if domain is None or domain.confirmed_at is not None:
        return None
    return links.create_link(
        session,
        OneAct(CONFIRM_ACT, "mail_domain", str(domain_id), 0),
        secret=secret,
        organisation_id=domain.organisation_id,
        email=f"{KEEPER}@{domain.domain}",
        person_id=None,
        now=now,
    )


def domain_of_link(session: Session, link: OpenLink) -> MailDomain:
    """The claim a mailed link asks about.

    *Raises*: NotFound.
    """
    found = session.get(MailDomain, int(link.act.object_id)) if link.act.act == CONFIRM_ACT else None
    if found is None:
        raise NotFound
    return found


def confirm_domain(session: Session, link: OpenLink, now: datetime) -> MailDomain:
    """Whoever reads the postmaster's mail says yes. Somebody else's confirmed claim of the same domain refuses it.

    *Raises*: NotFound, Conflict.
    """
    found = domain_of_link(session, link)
    if link.state != "open":
        raise Conflict("This link was used or has ended. Have the domain claimed again.")
    links.use_link(session, link, now)
    if found.confirmed_at is None:
        found.confirmed_at = now
        session.flush()
        audit.record(
            session, link.actor, "confirm_domain", "mail_domain", found.id, details={"domain": found.domain}, now=now
        )
    return found


def _must_administer(actor: Actor) -> None:
    if not may_administer(actor):
        raise NotAllowed("Only an administrator of your organisation changes how its people sign in.")
