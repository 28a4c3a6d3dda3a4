"""Decisions about second factors: facts and now in, values out."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from portal.access import Role


class Proof(StrEnum):
    """How somebody showed who they are."""

    PASSWORD = "password"
    PROVIDER = "provider"
    PROVIDER_ALONE = "provider_alone"
    GENERATOR = "generator"
    PASSKEY = "passkey"
    RECOVERY = "recovery"


# An organisation's own provider is trusted with asking for its second factor, unless the organisation wants that shown
# and the provider did not: then it said who it is, and no more.
BY_PROVIDER = frozenset({Proof.PROVIDER, Proof.PROVIDER_ALONE})
# A passkey is asked with user verification, so it is two factors in one.
STRONG = frozenset({Proof.PROVIDER, Proof.GENERATOR, Proof.PASSKEY, Proof.RECOVERY})

# RFC 6238, 5.2: a time step of 30 seconds, and one step of delay allowed; one step ahead for a clock that is fast.
STEP_SECONDS = 30
DRIFT_STEPS = 1

# WebAuthn Level 3, 13.4.3: at least 16 random bytes.
CHALLENGE_RANDOM_BYTES = 16
CHALLENGE_LASTS = timedelta(minutes=10)
_EXPIRY_BYTES = 8
_MAC_BYTES = 32

# A password proven, the second factor not yet: long enough to fetch a phone.
PENDING_LASTS = timedelta(minutes=10)
# A generator's secret is shown until it is confirmed, and not longer than this.
SETTING_UP_LASTS = timedelta(minutes=15)

MOST_PASSKEYS = 20
# Whoever gets this far has the password, or the open browser: the person is told.
SUSPICIOUS_TRIES = 5

# NIST SP 800-63B-4, 3.1.2.2 asks for 20 bits at least; ASVS 5.0, 6.5.2 allows a plain hash from 112 bits on.
# These codes have 120.
RECOVERY_CODES = 10
RECOVERY_BYTES = 15
RECOVERY_GROUP = 4
RECOVERY_LETTERS = 24


@dataclass(frozen=True)
class Held:
    """What a person could prove themselves with."""

    password: bool = False
    generator: bool = False
    passkeys: int = 0
    recovery_codes: int = 0

    @property
    def has_second_factor(self) -> bool:
        """Whether there is one; recovery codes replace a factor and are none."""
        return self.generator or self.passkeys > 0


@dataclass(frozen=True)
class Proven:
    """The last time a session's person showed who they are, and how."""

    by: Proof
    at: datetime | None


NOTHING = Held()
NEVER = Proven(Proof.PASSWORD, None)


def asked_after(proof: Proof, held: Held) -> frozenset[Proof]:
    """Which proofs complete a sign-in that ``proof`` began; none when it is complete."""
    if proof in STRONG or not held.has_second_factor:
        return frozenset()
    return step_up_ways(held)


def step_up_ways(held: Held) -> frozenset[Proof]:
    """Which proofs confirm an act: the second factor where there is one, else the password."""
    if not held.has_second_factor:
        return frozenset({Proof.PASSWORD}) if held.password else frozenset()
    offered = {
        Proof.GENERATOR: held.generator,
        Proof.PASSKEY: held.passkeys > 0,
        Proof.RECOVERY: held.recovery_codes > 0,
    }
    return frozenset(proof for proof, is_offered in offered.items() if is_offered)


def is_fresh(proven: Proven, held: Held, *, lasts: timedelta, now: datetime) -> bool:
    """Whether an act that needs a step-up may go on: proven lately, by the best that the person holds."""
    if proven.at is None or not proven.at <= now < proven.at + lasts:
        return False
    return proven.by in STRONG or not held.has_second_factor


def must_have_second_factor(required_of: Collection[str], roles: Collection[Role]) -> bool:
    """Whether the organisation asks somebody with these roles for a second factor."""
    return any(role.value in required_of for role in roles)


def step_at(now: datetime) -> int:
    """The time step of an instant (RFC 6238, 4.2)."""
    return int(now.timestamp()) // STEP_SECONDS


def open_steps(now: datetime, last_used_step: int) -> tuple[int, ...]:
    """The time steps whose code is taken now: within the drift, and later than the one used last."""
    present = step_at(now)
    return tuple(step for step in range(present - DRIFT_STEPS, present + DRIFT_STEPS + 1) if step > last_used_step)


def counter_is_acceptable(kept: int, given: int) -> bool:
    """Whether an assertion's signature counter may follow the kept one; if not, a copy of the passkey may exist.

    *Source*: WebAuthn Level 3, 6.1.1 and 7.2 step 22: both zero is an authenticator without a counter.
    """
    return given > kept or given == kept == 0


def new_challenge(random: bytes, *, secret: str, purpose: str, holder: str, now: datetime) -> bytes:
    """A challenge that only this deployment makes, for one purpose and one browser, for some minutes."""
    if len(random) != CHALLENGE_RANDOM_BYTES:
        raise ValueError("a challenge needs its random bytes")
    body = random + int((now + CHALLENGE_LASTS).timestamp()).to_bytes(_EXPIRY_BYTES, "big")
    return body + _challenge_mac(body, secret=secret, purpose=purpose, holder=holder)


def challenge_fits(challenge: bytes, *, secret: str, purpose: str, holder: str, now: datetime) -> bool:
    """Whether the challenge was made for this purpose and browser, and not too long ago."""
    body, mac = challenge[:-_MAC_BYTES], challenge[-_MAC_BYTES:]
    if len(body) != CHALLENGE_RANDOM_BYTES + _EXPIRY_BYTES:
        return False
    expected = _challenge_mac(body, secret=secret, purpose=purpose, holder=holder)
    expires = int.from_bytes(body[-_EXPIRY_BYTES:], "big")
    return hmac.compare_digest(mac, expected) and now.timestamp() < expires


def user_handle(secret: str, person_id: int) -> bytes:
    """What an authenticator keeps of a person: nothing that tells who it is (WebAuthn Level 3, 14.6.1)."""
    return hmac.digest(secret.encode(), b"passkey user %d" % person_id, "sha256")


def recovery_hash(person_id: int, code: str) -> bytes:
    """What is kept of a recovery code, however its letters are grouped and cased."""
    plain = "".join(letter for letter in code.upper() if letter.isalnum())
    return hashlib.sha256(b"%d:%s" % (person_id, plain.encode())).digest()


def grouped(code: str) -> str:
    """A recovery code as it is read and typed: groups of letters."""
    return "-".join(code[start : start + RECOVERY_GROUP] for start in range(0, len(code), RECOVERY_GROUP))


def looks_like_recovery(code: str) -> bool:
    """Whether what was typed is a recovery code rather than six digits."""
    return sum(letter.isalnum() for letter in code) > 10


def _challenge_mac(body: bytes, *, secret: str, purpose: str, holder: str) -> bytes:
    return hmac.digest(
        secret.encode(), b"passkey challenge\n%s\n%s\n" % (purpose.encode(), holder.encode()) + body, "sha256"
    )
