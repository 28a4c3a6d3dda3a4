"""Sign-in: the only writer of passwords; sessions and throttles have modules of their own.

Nothing here tells whether an address is known: the answer, its status and the work done for it are the same.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from portal import jobs
from portal.access import Actor, OneAct
from portal.db import Scope, set_scope
from portal.errors import Conflict, NotAllowed, NotFound
from portal.identity import links, notices, passwords, places, queries, rules, sessions, throttling
from portal.identity.factors import entering
from portal.identity.factors.rules import Proof
from portal.identity.models import Credential, MailedLink, Membership, Person, WebSession
from portal.identity.sso import requirement

RESET_ACT = "reset_password"


def sign_in(
    session: Session, *, email: str, password: str, browser: sessions.Browser, now: datetime
) -> entering.Entrance | None:
    """A session, or a sign-in that waits for the second factor; None when address and password do not fit.

    *Raises*: TooOften.
    """
    person_id = places.person_of(session, email)
    set_scope(session, Scope(places.NOBODY, person_id))
    # Whoever guesses at somebody locks out the guesser, not the browsers that person has signed in with before.
    is_known = sessions.knows_device(session, person_id, browser.device)
    where = browser.device if is_known else browser.address
    throttling.count_try(session, "sign_in", (email, where), rules.SIGN_IN_PER_PAIR, now)
    if not is_known:
        throttling.count_try(session, "sign_in_address", (email,), rules.SIGN_IN_PER_ADDRESS, now)
        throttling.count_try(session, "sign_in_host", (browser.address,), rules.SIGN_IN_PER_HOST, now)
    credential = session.get(Credential, person_id)
    fits = passwords.matches(credential.password_hash if credential else None, password)
    place = places.latest_place(session, person_id)
    if not fits or credential is None or place is None:
        set_scope(session, None)
        return None
    if passwords.is_outdated(credential.password_hash):
        _set_password(session, person_id, password, now)
    set_scope(session, Scope(place.organisation_id, person_id))
    throttling.forgive(session, "sign_in", email, where)
    return entering.enter(session, place, proof=Proof.PASSWORD, browser=browser, now=now)


def sign_out(session: Session, viewer: rules.Viewer, now: datetime) -> None:
    """End the session the request came with."""
    sessions.revoke(session, viewer.actor, now, WebSession.id == UUID(viewer.session_id))


def switch_organisation(
    session: Session, viewer: rules.Viewer, membership_id: int, *, browser: sessions.Browser, now: datetime
) -> str:
    """The token of a new session for another of the person's organisations; the old one ends.

    *Raises*: NotFound, NotAllowed.
    """
    if membership_id not in {place.membership_id for place in viewer.other_organisations}:
        raise NotFound
    requirement.refuse_switch(session, UUID(viewer.session_id))
    sign_out(session, viewer, now)
    set_scope(session, Scope(places.NOBODY, viewer.actor.person_id))
    membership = session.get(Membership, membership_id)
    if membership is None or membership.ended_at is not None:
        raise NotFound
    set_scope(session, Scope(membership.organisation_id, membership.person_id))
    return sessions.open_session(session, membership, browser, now, proven=viewer.proven)


def revoke_session(session: Session, actor: Actor, session_id: UUID, now: datetime) -> None:
    """End one of the actor's own sessions.

    *Raises*: NotFound.
    """
    found = queries.live_session(session, actor, session_id, now)
    sessions.revoke(session, actor, now, WebSession.id == found.id)


def revoke_other_sessions(session: Session, viewer: rules.Viewer, now: datetime) -> None:
    """End every session of the person but the one asking."""
    sessions.revoke(session, viewer.actor, now, WebSession.id != UUID(viewer.session_id))


def revoke_every_session(session: Session, actor: Actor, now: datetime) -> None:
    """End every session of the person, the one asking too, and every sign-in that waits."""
    sessions.revoke(session, actor, now)
    entering.end_waiting(session, actor.person_id)


def change_password(
    session: Session, viewer: rules.Viewer, *, old: str, new: str, is_breached: bool = False, now: datetime
) -> bool:
    """Set another password, and end every other session of the person; False when ``old`` is not the present one.

    A wrong ``old`` is an answer, not an error: an error would undo the count of tries.

    *Raises*: Invalid, TooOften.
    """
    throttling.count_try(session, "change_password", (viewer.email,), rules.SIGN_IN_PER_PAIR, now)
    credential = session.get(Credential, viewer.actor.person_id)
    if not passwords.matches(credential.password_hash if credential else None, old):
        return False
    elsewhere = (place.organisation_name for place in viewer.other_organisations)
    chooser = rules.Chooser(viewer.email, viewer.name, (viewer.organisation_name, *elsewhere))
    passwords.refuse_weak(new, chooser, is_breached=is_breached)
    _set_password(session, viewer.actor.person_id, new, now)
    revoke_other_sessions(session, viewer, now)
    notices.record_and_tell(session, viewer.actor, "change_password", now=now)
    return True


def change_profile(session: Session, actor: Actor, *, name: str, phone: str, zone: str, now: datetime) -> None:
    """Keep how the person is called, reached, and in which zone times are shown; another number is told by mail."""
    person = session.get_one(Person, actor.person_id)
    before, person.phone = person.phone, phone
    person.display_name, person.zone = name, zone
    session.flush()
    if before != phone:
        details = {"old": before or "none", "new": phone or "none"}
        notices.record_and_tell(session, actor, "change_phone", now=now, details=details)


def ask_for_reset(session: Session, *, email: str, browser: sessions.Browser, now: datetime) -> None:
    """Have the worker mail a link to choose a new password, if the address is anybody's.

    *Raises*: TooOften.
    """
    throttling.count_try(session, "reset", (email,), rules.RESET_PER_ADDRESS, now)
    throttling.count_try(session, "reset_host", (browser.address,), rules.RESET_PER_HOST, now)
    # A job for nobody does nothing; it is there so that both answers take the same time.
    jobs.enqueue(session, "mail_password_reset", person_id=places.person_of(session, email))


def create_reset_link(session: Session, person_id: int, *, secret: str, now: datetime) -> MailedLink | None:
    """The link the worker mails; None for nobody, and for a person without a place to act for."""
    person = session.get(Person, person_id)
    membership = places.latest_place(session, person_id)
    if person is None or membership is None:
        return None
    return links.create_link(
        session,
        OneAct(RESET_ACT, "person", str(person_id), 0),
        secret=secret,
        organisation_id=membership.organisation_id,
        email=person.email,
        person_id=person_id,
        now=now,
        lasts=rules.RESET_HOURS,
    )


def reset_password(
    session: Session, link: links.OpenLink, password: str, *, is_breached: bool = False, now: datetime
) -> None:
    """Set the password through a mailed link, which is used up; every session of the person ends.

    *Raises*: Invalid, Conflict, NotAllowed.
    """
    if link.act.act != RESET_ACT:
        raise NotAllowed("This link is for something else.")
    if link.state != "open":
        raise Conflict("This link was used or has ended. Ask for a new one.")
    person = session.get_one(Person, link.actor.person_id)
    chooser = rules.Chooser(person.email, person.display_name, (link.organisation_name,))
    passwords.refuse_weak(password, chooser, is_breached=is_breached)
    links.use_link(session, link, now)
    _set_password(session, person.id, password, now)
    sessions.revoke(session, link.actor, now)
    notices.record_and_tell(session, link.actor, "reset_password", now=now)


def first_password(session: Session, person_id: int, password: str, now: datetime) -> None:
    """Give a person who has none a password."""
    if session.get(Credential, person_id) is not None:
        raise Conflict("There is a password already.")
    _set_password(session, person_id, password, now)


def count_acceptance(session: Session, link: links.OpenLink, now: datetime) -> None:
    """Count a try to accept an invitation: it takes the password of whoever has an account already.

    *Raises*: TooOften.
    """
    throttling.count_try(session, "invitation", (link.email,), rules.SIGN_IN_PER_PAIR, now)


def enter_after_acceptance(
    session: Session, membership: Membership, *, browser: sessions.Browser, now: datetime
) -> entering.Entrance:
    """Sign in whoever has just accepted an invitation; the second factor is asked of whoever has one."""
    return entering.enter(session, membership, proof=Proof.PASSWORD, browser=browser, now=now)


def _set_password(session: Session, person_id: int, password: str, now: datetime) -> None:
    kept = {"password_hash": passwords.hashed(password), "set_at": now}
    statement = insert(Credential).values(person_id=person_id, **kept)
    session.execute(statement.on_conflict_do_update(index_elements=[Credential.person_id], set_=kept))
    # A sign-in begun with the old password does not go on.
    entering.end_waiting(session, person_id)
