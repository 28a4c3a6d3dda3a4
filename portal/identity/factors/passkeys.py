"""Passkeys (WebAuthn Level 3) through py_webauthn: registered, named, removed, and proven with user verification.

A challenge is made for one purpose and one browser and answered once. A counter that stands still tells of a copy: the
answer is refused and the person is told.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from portal.access import Actor
from portal.errors import Invalid
from portal.identity import notices
from portal.identity.factors import queries, rules
from portal.identity.factors.models import Passkey, SpentChallenge
from portal.lazily import lazily

if TYPE_CHECKING:
    import webauthn
    from webauthn.helpers import exceptions, structs
else:
    webauthn, exceptions, structs = (
        lazily(name) for name in ("webauthn", "webauthn.helpers.exceptions", "webauthn.helpers.structs")
    )

REGISTER, SIGN_IN, SECOND, CONFIRM = "register", "sign in", "second factor", "confirm"
REFUSED = "This passkey was not accepted. Try again, or use another way."
# What a browser sends of a passkey is a few kilobytes; attestation is not asked for.
ANSWER_LIMIT = 20_000
# How long the browser waits for its person; py_webauthn's own.
ANSWER_MILLISECONDS = 60_000


@dataclass(frozen=True)
class Asking:
    """Who asks for a passkey, and what for: the deployment's host, address and secret, the purpose and the browser."""

    host: str
    origin: str
    secret: str
    purpose: str
    holder: str
    now: datetime

    def challenge(self) -> bytes:
        """A fresh challenge."""
        random = secrets.token_bytes(rules.CHALLENGE_RANDOM_BYTES)
        return rules.new_challenge(random, secret=self.secret, purpose=self.purpose, holder=self.holder, now=self.now)

    def made(self, challenge: bytes) -> bool:
        """Whether the challenge is one of this asking, and still young."""
        return rules.challenge_fits(
            challenge, secret=self.secret, purpose=self.purpose, holder=self.holder, now=self.now
        )


def registration_options(session: Session, actor: Actor, asking: Asking, email: str) -> str:
    """What the browser is asked to make, as JSON: discoverable, with user verification, none that is here already."""
    known = queries.passkeys(session, actor.person_id)
    options = webauthn.generate_registration_options(
        rp_id=asking.host,
        rp_name="Factoryline",
        user_id=rules.user_handle(asking.secret, actor.person_id),
        user_name=email,
        user_display_name=actor.display_name,
        challenge=asking.challenge(),
        authenticator_selection=structs.AuthenticatorSelectionCriteria(
            resident_key=structs.ResidentKeyRequirement.REQUIRED,
            user_verification=structs.UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=[structs.PublicKeyCredentialDescriptor(id=each.credential_id) for each in known],
    )
    return webauthn.options_to_json(options)


def register(session: Session, actor: Actor, asking: Asking, answer: str, *, name: str) -> Passkey:
    """Keep the passkey that the browser made.

    *Raises*: Invalid.
    """
    if len(queries.passkeys(session, actor.person_id)) >= rules.MOST_PASSKEYS:
        raise Invalid(f"You have {rules.MOST_PASSKEYS} passkeys; remove one first.")
    try:
        credential = _parsed(answer)
        challenge = _spend(session, asking, credential)
        verified = webauthn.verify_registration_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=asking.host,
            expected_origin=asking.origin,
            require_user_verification=True,
        )
        transports = [str(each) for each in credential["response"].get("transports", [])][:8]
    except _malformed():
        raise Invalid("The passkey could not be added. Try again.") from None
    passkey = Passkey(
        person_id=actor.person_id,
        credential_id=verified.credential_id,
        public_key=verified.credential_public_key,
        sign_count=verified.sign_count,
        transports=transports,
        is_backed_up=verified.credential_backed_up,
        name=name,
        created_at=asking.now,
    )
    session.add(passkey)
    session.flush()
    notices.record_and_tell(session, actor, "add_passkey", now=asking.now, details={"name": name})
    return passkey


def rename(session: Session, actor: Actor, passkey_id: int, name: str) -> None:
    """Call one of the actor's passkeys something else.

    *Raises*: NotFound.
    """
    queries.own_passkey(session, actor, passkey_id).name = name


def remove(session: Session, actor: Actor, passkey_id: int, now: datetime) -> None:
    """Take no answer of this passkey any more.

    *Raises*: NotFound.
    """
    found = queries.own_passkey(session, actor, passkey_id)
    session.delete(found)
    session.flush()
    notices.record_and_tell(session, actor, "remove_passkey", now=now, details={"name": found.name})


def proof_options(asking: Asking, allowed: tuple[bytes, ...] = ()) -> str:
    """What the browser is asked to prove, as JSON; without ``allowed`` any passkey of this site may answer.

    Written here and not by py_webauthn, because every sign-in page shows it and few browsers then send a passkey.
    *Source*: WebAuthn Level 3, PublicKeyCredentialRequestOptionsJSON.
    """
    options = {
        "challenge": _base64url(asking.challenge()),
        "timeout": ANSWER_MILLISECONDS,
        "rpId": asking.host,
        "allowCredentials": [{"id": _base64url(each), "type": "public-key"} for each in allowed],
        "userVerification": "required",
    }
    return json.dumps(options)


def owner_of(session: Session, answer: str) -> int | None:
    """Whose passkey an answer claims to be; nothing is proven by it."""
    try:
        credential_id = webauthn.base64url_to_bytes(_parsed(answer)["rawId"])
    except _malformed():
        return None
    found = session.scalar(text("SELECT find_passkey(:credential)"), {"credential": credential_id})
    return int(found) if found is not None else None


def prove_passkey(session: Session, actor: Actor, asking: Asking, answer: str) -> bool:
    """Whether the answer proves one of the actor's passkeys, for this asking and for the first time."""
    try:
        credential = _parsed(answer)
        handle = credential["response"].get("userHandle")
        if handle and webauthn.base64url_to_bytes(handle) != rules.user_handle(asking.secret, actor.person_id):
            return False
        passkey = _locked(session, actor.person_id, webauthn.base64url_to_bytes(credential["rawId"]))
        verified = webauthn.verify_authentication_response(
            credential=credential,
            expected_challenge=_spend(session, asking, credential),
            expected_rp_id=asking.host,
            expected_origin=asking.origin,
            credential_public_key=passkey.public_key,
            # The counter is judged below, where a copy can be told to the person.
            credential_current_sign_count=0,
            require_user_verification=True,
        )
    except _malformed():
        return False
    if not rules.counter_is_acceptable(passkey.sign_count, verified.new_sign_count):
        notices.record_and_tell(session, actor, "refuse_copied_passkey", now=asking.now, details={"name": passkey.name})
        return False
    passkey.sign_count = verified.new_sign_count
    passkey.is_backed_up = verified.credential_backed_up
    passkey.last_used_at = asking.now
    return True


def _base64url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def _malformed() -> tuple[type[Exception], ...]:
    """What base64url_to_bytes, json and the structures inside raise on what is no answer of a browser."""
    return (exceptions.WebAuthnException, ValueError, KeyError, TypeError, AttributeError, RecursionError)


def _parsed(answer: str) -> dict:  # type: ignore[type-arg]
    if len(answer) > ANSWER_LIMIT:
        raise ValueError("an answer that long comes from no browser")
    credential = json.loads(answer)
    if not isinstance(credential, dict):
        raise TypeError("an answer is an object")
    return credential


def _locked(session: Session, person_id: int, credential_id: bytes) -> Passkey:
    # Locked, so that two answers at once meet the counter one after the other.
    found = session.scalars(
        select(Passkey).where(Passkey.person_id == person_id, Passkey.credential_id == credential_id).with_for_update()
    ).one_or_none()
    if found is None:
        raise ValueError("this passkey is not the person's")
    return found


def _spend(session: Session, asking: Asking, credential: dict) -> bytes:  # type: ignore[type-arg]
    """The challenge that was answered, used up by it."""
    client = webauthn.helpers.parse_client_data_json(
        webauthn.base64url_to_bytes(credential["response"]["clientDataJSON"])
    )
    if not asking.made(client.challenge):
        raise ValueError("this challenge was made for another browser or purpose, or is too old")
    spent = session.execute(
        insert(SpentChallenge)
        .values(
            challenge_sha256=hashlib.sha256(client.challenge).digest(),
            expires_at=asking.now + rules.CHALLENGE_LASTS,
        )
        .on_conflict_do_nothing()
        .returning(SpentChallenge.challenge_sha256)
    ).one_or_none()
    if spent is None:
        raise ValueError("this challenge was answered already")
    return client.challenge
