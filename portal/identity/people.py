"""People of an organisation: invite, accept, change roles, end a membership.

Every act is in the audit log. Ending a membership ends its sessions and voids its links in the same transaction, and
enqueues there what other capabilities must do about whoever left.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import any_, func, literal, select, text
from sqlalchemy.orm import Session

from portal import jobs
from portal.access import ROLES_OF_SIDE, Actor, OneAct, Role, Side, allowed_roles, may_administer
from portal.audit import actions as audit
from portal.db import Scope, set_scope
from portal.errors import Conflict, Invalid, NotAllowed
from portal.identity import actions, links, notices, passwords, queries, rules, sessions
from portal.identity.models import Credential, Invitation, MailedLink, Membership, Person
from portal.identity.sso import settings as provider_settings

INVITATION_ACT = "accept_invitation"

# What other capabilities do about somebody who left, each as of that moment.
LEAVER_JOBS = ("stop_timer_of_leaver", "return_offers_of_leaver", "pass_on_approvals_of_leaver")


@dataclass(frozen=True)
class Newcomer:
    """What somebody gives who accepts an invitation; ``password`` is the present one where the person is known."""

    name: str
    password: str
    zone: str
    password_is_breached: bool = False


def invite(
    session: Session, actor: Actor, *, email: str, name: str, roles: Iterable[Role], secret: str, now: datetime
) -> Invitation:
    """Ask an address to join the actor's organisation; the worker mails the link.

    *Raises*: NotAllowed, Invalid.
    """
    wanted = frozenset(roles)
    _must_administer(actor)
    _check_roles(actor, wanted)
    _refuse_member(session, actor, email)
    old = links.open_links_of(session, organisation_id=actor.organisation_id, email=email, now=now)
    links.void_links(session, [link for link in old if link.act == INVITATION_ACT], "A newer invitation.", now)
    invitation = _invite(
        session,
        actor.organisation_id,
        email=email,
        name=name,
        roles=sorted(wanted),
        invited_by=actor.person_id,
        secret=secret,
        now=now,
    )
    audit.record(session, actor, "invite", "invitation", invitation.id, details={"roles": sorted(wanted)}, now=now)
    return invitation


def ask_first_administrator(
    session: Session, actor: Actor, organisation_id: int, *, email: str, name: str, now: datetime
) -> None:
    """Have an organisation that was just brought in get its first administrator; the invitation goes out by job.

    *Raises*: NotAllowed.
    """
    if not may_administer(actor) or not (actor.is_operator or actor.side is Side.MANUFACTURER):
        raise NotAllowed("Organisations are brought in by the manufacturer's or the operator's administrator.")
    audit.record(session, actor, "ask_first_administrator", "organisation", organisation_id, now=now)
    jobs.enqueue(
        session,
        "invite_first_administrator",
        organisation_id=organisation_id,
        email=email,
        name=name,
        invited_by=actor.person_id,
    )


def invite_first_administrator(
    session: Session, organisation_id: int, *, email: str, name: str, invited_by: int, secret: str, now: datetime
) -> Invitation | None:
    """The job: nothing happens where somebody belongs to the organisation already, or the same was asked before."""
    is_joined = session.scalar(select(Membership.id).where(Membership.organisation_id == organisation_id).limit(1))
    asked = links.open_links_of(session, organisation_id=organisation_id, email=email, now=now)
    if is_joined is not None or any(link.act == INVITATION_ACT for link in asked):
        return None
    return _invite(
        session,
        organisation_id,
        email=email,
        name=name,
        roles=[Role.ADMINISTRATOR],
        invited_by=invited_by,
        secret=secret,
        now=now,
    )


def accept_invitation(session: Session, link: links.OpenLink, newcomer: Newcomer, now: datetime) -> Membership:
    """Become a member through the mailed link, which is used up.

    A known person proves with the present password that the address is still theirs to act under.

    *Raises*: Invalid, Conflict.
    """
    if link.act.act != INVITATION_ACT or link.state != "open":
        raise Conflict("This invitation was answered, taken back, or has ended. Ask for a new one.")
    invitation = invitation_of(session, link)
    person_id = session.scalar(text("SELECT find_person(:email)"), {"email": link.email})
    links.use_link(session, link, now)
    if person_id is None:
        chooser = rules.Chooser(invitation.email, newcomer.name, (link.organisation_name,))
        passwords.refuse_weak(newcomer.password, chooser, is_breached=newcomer.password_is_breached)
        person_id = _new_person(session, invitation, newcomer, now)
    else:
        _know_again(session, link.actor.organisation_id, int(person_id), newcomer.password)
    membership = Membership(
        person_id=person_id,
        organisation_id=invitation.organisation_id,
        roles=list(invitation.roles),
        site_ids=invitation.site_ids,
        started_at=now,
    )
    session.add(membership)
    session.flush()
    audit.record(session, link.actor, "accept_invitation", "membership", membership.id, now=now)
    return membership


def withdraw_invitation(session: Session, actor: Actor, invitation_id: int, now: datetime) -> None:
    """Take an invitation back; its link stops working.

    *Raises*: NotAllowed, NotFound.
    """
    _must_administer(actor)
    invitation = queries.invitation(session, invitation_id)
    if invitation.link_id in {
        pending.invitation.link_id for pending in queries.pending_invitations(session, actor, now)
    }:
        links.void_links(session, [session.get_one(MailedLink, invitation.link_id)], "Taken back.", now)
        audit.record(session, actor, "withdraw_invitation", "invitation", invitation.id, now=now)


def change_roles(
    session: Session, actor: Actor, membership_id: int, roles: Iterable[Role], now: datetime
) -> Membership:
    """Give a member other roles.

    *Raises*: NotAllowed, NotFound, Invalid, Conflict.
    """
    wanted = frozenset(roles)
    _must_administer(actor)
    membership = _current(session, actor, membership_id)
    _check_roles(actor, wanted)
    if Role.ADMINISTRATOR not in wanted:
        provider_settings.refuse_while_break_glass(session, membership)
        _keep_an_administrator(session, membership)
    before = sorted(membership.roles)
    if before != sorted(wanted):
        membership.roles = sorted(wanted)
        details = {"before": before, "after": sorted(wanted)}
        audit.record(session, actor, "change_roles", "membership", membership.id, details=details, now=now)
    return membership


def sign_out_member(session: Session, actor: Actor, membership_id: int, now: datetime) -> None:
    """Sign somebody of the organisation out everywhere: a lost device, or a doubt.

    *Raises*: NotAllowed, NotFound.
    """
    _must_administer(actor)
    found = queries.member(session, actor, membership_id)
    sessions.end_sessions_of_membership(session, found.membership, now)
    notices.record_and_tell(
        session,
        actor,
        "sign_out_member",
        now=now,
        details={"by": actor.display_name},
        person_id=found.person.id,
    )


def end_membership(session: Session, actor: Actor, membership_id: int, now: datetime) -> Membership:
    """Let somebody go: sessions and links end now, and what they held passes on by jobs of the same transaction.

    *Raises*: NotAllowed, NotFound, Conflict.
    """
    _must_administer(actor)
    membership = _current(session, actor, membership_id)
    _end(session, actor, membership, now)
    return membership


def end_membership_by_program(session: Session, program: audit.Program, membership: Membership, now: datetime) -> None:
    """The same, because the organisation's directory says so.

    *Raises*: Conflict.
    """
    lock_members(session, membership.organisation_id)
    _end(session, program, membership, now)


def open_invitations(session: Session, organisation_id: int, email: str, now: datetime) -> list[MailedLink]:
    """The links of invitations of an address that can still be accepted."""
    found = links.open_links_of(session, organisation_id=organisation_id, email=email, now=now)
    return [link for link in found if link.act == INVITATION_ACT]


def void_invitations(session: Session, organisation_id: int, email: str, now: datetime) -> None:
    """Take back what an address was invited to."""
    links.void_links(session, open_invitations(session, organisation_id, email, now), "Taken back.", now)


def _end(session: Session, actor: Actor | audit.Program, membership: Membership, now: datetime) -> None:
    provider_settings.refuse_while_break_glass(session, membership)
    _keep_an_administrator(session, membership)
    membership.ended_at = now
    sessions.end_sessions_of_membership(session, membership, now)
    email = session.get_one(Person, membership.person_id).email
    open_links = links.open_links_of(session, organisation_id=actor.organisation_id, email=email, now=now)
    links.void_links(session, open_links, "The person left.", now)
    for name in LEAVER_JOBS:
        jobs.enqueue(session, name, membership_id=membership.id)
    audit.record(session, actor, "end_membership", "membership", membership.id, now=now)


def invitation_of(session: Session, link: links.OpenLink) -> Invitation:
    """The invitation a mailed link belongs to."""
    return session.scalars(select(Invitation).where(Invitation.link_id == link.id)).one()


def invite_by_program(
    session: Session,
    organisation_id: int,
    *,
    email: str,
    name: str,
    roles: Sequence[Role],
    invited_by: int,
    secret: str,
    now: datetime,
) -> Invitation:
    """The invitation of somebody whom the organisation's directory names; in the name of who let the directory in."""
    return _invite(
        session,
        organisation_id,
        email=email,
        name=name,
        roles=roles,
        invited_by=invited_by,
        secret=secret,
        now=now,
    )


def _invite(
    session: Session,
    organisation_id: int,
    *,
    email: str,
    name: str,
    roles: Sequence[Role],
    invited_by: int,
    secret: str,
    now: datetime,
) -> Invitation:
    link = links.create_link(
        session,
        OneAct(INVITATION_ACT, "organisation", str(organisation_id), 0),
        secret=secret,
        organisation_id=organisation_id,
        email=email,
        person_id=None,
        now=now,
    )
    invitation = Invitation(
        organisation_id=organisation_id,
        email=email,
        display_name=name,
        roles=list(roles),
        invited_by=invited_by,
        invited_at=now,
        link_id=link.id,
    )
    session.add(invitation)
    session.flush()
    jobs.enqueue(session, "mail_invitation", invitation_id=invitation.id)
    return invitation


def _must_administer(actor: Actor) -> None:
    if not may_administer(actor):
        raise NotAllowed("Only an administrator of your organisation changes who belongs to it.")


def _check_roles(actor: Actor, wanted: frozenset[Role]) -> None:
    if not allowed_roles(actor.side, wanted):
        known = ", ".join(role.value.replace("_", " ") for role in sorted(ROLES_OF_SIDE[actor.side]))
        raise Invalid("Choose at least one role.", {"roles": f"Your organisation has these roles: {known}."})


def _refuse_member(session: Session, actor: Actor, email: str) -> None:
    statement = (
        select(Membership.id)
        .join(Person, Person.id == Membership.person_id)
        .where(
            Membership.organisation_id == actor.organisation_id,
            Membership.ended_at.is_(None),
            func.lower(Person.email) == email.lower(),
        )
    )
    if session.scalar(statement) is not None:
        raise Invalid("Nobody was invited.", {"email": "Somebody with this address is a member already."})


def _current(session: Session, actor: Actor, membership_id: int) -> Membership:
    queries.member(session, actor, membership_id)
    members = lock_members(session, actor.organisation_id)
    found = next((row for row in members if row.id == membership_id), None)
    if found is None:
        raise Conflict("This membership has ended already.")
    return found


def lock_members(session: Session, organisation_id: int) -> Sequence[Membership]:
    """The organisation's present members, locked: two administrators cannot take each other's role at one moment."""
    return session.scalars(
        select(Membership)
        .where(Membership.organisation_id == organisation_id, Membership.ended_at.is_(None))
        .order_by(Membership.id)
        .with_for_update()
    ).all()


def _keep_an_administrator(session: Session, leaving: Membership) -> None:
    others = session.scalar(
        select(func.count())
        .select_from(Membership)
        .where(
            Membership.organisation_id == leaving.organisation_id,
            Membership.ended_at.is_(None),
            Membership.id != leaving.id,
            literal(Role.ADMINISTRATOR.value) == any_(Membership.roles),
        )
    )
    if not others and Role.ADMINISTRATOR in leaving.roles:
        raise Conflict("Your organisation needs one administrator; make somebody else one first.")


def _new_person(session: Session, invitation: Invitation, newcomer: Newcomer, now: datetime) -> int:
    person = Person(
        email=invitation.email,
        display_name=newcomer.name,
        zone=newcomer.zone,
        visible_to=[invitation.organisation_id],
        created_at=now,
    )
    session.add(person)
    session.flush()
    set_scope(session, Scope(invitation.organisation_id, person.id))
    actions.first_password(session, person.id, newcomer.password, now)
    return person.id


def _know_again(session: Session, organisation_id: int, person_id: int, password: str) -> None:
    set_scope(session, Scope(organisation_id, person_id))
    credential = session.get(Credential, person_id)
    if not passwords.matches(credential.password_hash if credential else None, password):
        sentence = "You have an account here already: type its password."
        raise Invalid("The invitation was not accepted.", {"password": sentence})
