"""A proof put to use: the second step of a sign-in, and the step-up before an act that matters.

Tries are counted per person before anything is looked at; a proof that was right is used up, whatever becomes of the
act it was for.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.orm import Session

from portal.access import Actor
from portal.identity import notices, passwords, sessions, throttling
from portal.identity.factors import generators, passkeys, queries, recovery, rules
from portal.identity.factors.rules import Proof, Proven
from portal.identity.models import Credential, WebSession
from portal.identity.rules import CODES_PER_PERSON, Viewer

THROTTLE = "second_factor"


@dataclass(frozen=True)
class Answer:
    """What somebody typed or their authenticator signed; one of them is enough."""

    password: str = ""
    code: str = ""
    passkey: str = ""


def prove(session: Session, actor: Actor, answer: Answer, asking: passkeys.Asking, *, device: str = "") -> Proof | None:
    """Which of the ways open to the actor the answer proves; None when it proves none.

    *Shape*: tries are counted per person, purpose, and ``device`` where it is one that the person has used before, so
    that whoever guesses elsewhere locks out the guesser.

    *Raises*: TooOften.
    """
    counted = (str(actor.person_id), asking.purpose, device)
    tries = throttling.count_try(session, THROTTLE, counted, CODES_PER_PERSON, asking.now)
    held = queries.held(session, actor.person_id)
    proven = _proven_by(session, actor, answer, asking, held)
    if proven is None:
        if tries == rules.SUSPICIOUS_TRIES:
            details = {"at": "sign-in" if asking.purpose == passkeys.SECOND else "a confirmation"}
            notices.record_and_tell(session, actor, "fail_second_factor", now=asking.now, details=details)
        return None
    throttling.forgive(session, THROTTLE, *counted)
    if proven is Proof.RECOVERY:
        left = recovery.codes_left(session, actor.person_id)
        notices.record_and_tell(session, actor, "use_recovery_code", now=asking.now, details={"left": left})
    return proven


def step_up(session: Session, viewer: Viewer, answer: Answer, asking: passkeys.Asking) -> str | None:
    """Note on the viewer's session that they have just shown who they are; its new token, None when nothing is proven.

    The token changes with the proof: whoever had taken the old one does not profit from it.

    *Raises*: TooOften.
    """
    proof = prove(session, viewer.actor, answer, asking)
    if proof is None:
        return None
    return note_new_proof(session, viewer, Proven(proof, asking.now))


def note_proof(session: Session, viewer: Viewer, proven: Proven) -> None:
    """Keep the last proof of a session."""
    session.execute(
        update(WebSession)
        .where(WebSession.id == UUID(viewer.session_id))
        .values(proven_by=proven.by.value, proven_at=proven.at)
    )


def note_new_proof(session: Session, viewer: Viewer, proven: Proven) -> str:
    """Keep a proof that was given elsewhere, and give the session its new token."""
    note_proof(session, viewer, proven)
    return sessions.renew_token(session, UUID(viewer.session_id))


def _proven_by(
    session: Session, actor: Actor, answer: Answer, asking: passkeys.Asking, held: rules.Held
) -> Proof | None:
    ways = rules.step_up_ways(held)
    if answer.passkey and Proof.PASSKEY in ways:
        return Proof.PASSKEY if passkeys.prove_passkey(session, actor, asking, answer.passkey) else None
    if rules.looks_like_recovery(answer.code):
        # Codes are open wherever there is a second factor, so that a lost phone locks nobody out.
        may = held.has_second_factor and recovery.prove_recovery(session, actor.person_id, answer.code, asking.now)
        return Proof.RECOVERY if may else None
    if answer.code and Proof.GENERATOR in ways:
        fits = generators.prove_code(session, actor.person_id, answer.code, secret=asking.secret, now=asking.now)
        return Proof.GENERATOR if fits else None
    if answer.password and Proof.PASSWORD in ways:
        credential = session.get(Credential, actor.person_id)
        fits = passwords.matches(credential.password_hash if credential else None, answer.password)
        return Proof.PASSWORD if fits else None
    return None
