"""Decisions about sign-in, sessions, links and passwords: facts and now in, values out."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from portal.access import Actor
from portal.identity.factors.rules import NEVER, NOTHING, Held, Proven

SESSION_IDLE = timedelta(hours=12)
SESSION_LONGEST = timedelta(days=14)
# The row says when a browser was last seen to this precision, so that reading a page does not write one each time.
SEEN_STEP = timedelta(minutes=5)
LINK_DAYS = timedelta(days=7)
RESET_HOURS = timedelta(hours=2)
# An administrator's question waits a day for the person's answer; a yes holds for an hour.
LOOKING_ON_ANSWERABLE = timedelta(days=1)
LOOKING_ON_LASTS = timedelta(hours=1)

# NIST SP 800-63B-4, 3.1.1.2 (2025): at least 15 characters where a password is the only factor, at least 64 allowed,
# no rules of composition, no periodic change. 12 is this product's floor, because sign-in is throttled and a second
# factor may be required by the organisation.
PASSWORD_SHORTEST = 12
PASSWORD_LONGEST = 256
# ASVS 5.0, 6.1.2 and 6.2.11: words that belong to the place are no secret. With the names of the person and of the
# person's organisations they are taken out before it is counted what is left.
PRODUCT_WORDS = ("Factoryline", "factory", "portal")
PASSWORD_OWN_CHARACTERS = 8
_LOOKALIKES = str.maketrans("013457@$!", "oieastasi")


@dataclass(frozen=True)
class Place:
    """An organisation a person may act for."""

    membership_id: int
    organisation_name: str


@dataclass(frozen=True)
class LookingOn:
    """An administrator who sees what the viewer sees, with the viewer's yes, and changes nothing."""

    impersonation_id: int
    administrator_id: int
    administrator_name: str
    until_at: datetime


@dataclass(frozen=True)
class Viewer:
    """Who is signed in, as the pages show it.

    *Shape*: ``proven`` is the session's last proof of who sits there; ``must_set_up`` is an organisation that asks for
    a second factor where this session showed none; with ``looking_on`` somebody else sits there.
    """

    actor: Actor
    session_id: str
    name: str
    email: str
    zone: ZoneInfo
    organisation_name: str
    other_organisations: tuple[Place, ...] = ()
    proven: Proven = NEVER
    held: Held = NOTHING
    must_set_up: bool = False
    looking_on: LookingOn | None = None


@dataclass(frozen=True)
class Chooser:
    """Who chooses a password, by the names that others know."""

    email: str
    name: str
    organisations: tuple[str, ...] = ()


@dataclass(frozen=True)
class Allowance:
    """How many tries within which time a throttle lets through."""

    attempts: int
    window: timedelta


# One host guessing at one person is stopped soon; the wider limits stop many hosts, or many names from one host.
SIGN_IN_PER_PAIR = Allowance(10, timedelta(minutes=15))
SIGN_IN_PER_ADDRESS = Allowance(50, timedelta(minutes=15))
SIGN_IN_PER_HOST = Allowance(100, timedelta(minutes=15))
RESET_PER_ADDRESS = Allowance(3, timedelta(hours=1))
RESET_PER_HOST = Allowance(30, timedelta(hours=1))
# Six digits, three of them taken at a time: ten tries in a quarter of an hour find one in a year with 1 in 10.
CODES_PER_PERSON = Allowance(10, timedelta(minutes=15))
PASSKEYS_PER_HOST = Allowance(60, timedelta(minutes=15))


def token_sha256(token: str) -> bytes:
    """What is stored of a token, and what a look-up by token asks for."""
    return hashlib.sha256(token.encode()).digest()


def link_token(secret: str, link_id: UUID) -> str:
    """The token of a mailed link: only who holds the deployment's secret can make it."""
    mac = hmac.digest(secret.encode(), b"mailed link " + link_id.bytes, "sha256")
    return base64.urlsafe_b64encode(mac).decode().rstrip("=")


def throttle_key(kind: str, *values: str) -> str:
    """The key of a throttle's row; addresses stand in it as a hash."""
    named = "\n".join(value.casefold() for value in values)
    return f"{kind}:{hashlib.sha256(named.encode()).hexdigest()}"


def session_is_alive(*, expires_at: datetime, seen_at: datetime, revoked_at: datetime | None, now: datetime) -> bool:
    """Whether a signed-in browser may go on."""
    return revoked_at is None and now < expires_at and now < seen_at + SESSION_IDLE


def looking_on_state(
    *, asked_at: datetime, is_yes: bool | None, until_at: datetime | None, ended_at: datetime | None, now: datetime
) -> str:
    """How it stands with an administrator's wish to look on: waiting, refused, open or over."""
    if ended_at is not None:
        return "over"
    if is_yes is None:
        return "waiting" if now < asked_at + LOOKING_ON_ANSWERABLE else "over"
    if not is_yes:
        return "refused"
    return "open" if until_at is not None and now < until_at else "over"


def weakness_of(password: str, chooser: Chooser) -> str | None:
    """Why a password cannot be chosen by its own look, in a sentence; None where it can."""
    if len(password) < PASSWORD_SHORTEST:
        return f"Use at least {PASSWORD_SHORTEST} characters; a few unrelated words are easy to remember."
    if len(password) > PASSWORD_LONGEST:
        return f"Use at most {PASSWORD_LONGEST} characters."
    if len(set(password)) < 5:
        return "This repeats too few characters."
    if _left_beside(password, context_words(chooser)) < PASSWORD_OWN_CHARACTERS:
        return (
            "Your own name or address, your organisation's and this portal's name are tried first: "
            f"add at least {PASSWORD_OWN_CHARACTERS} characters that have nothing to do with them."
        )
    return None


def context_words(chooser: Chooser) -> frozenset[str]:
    """What somebody who knows the person would try: words of three letters or more, as they are compared."""
    told = " ".join((*PRODUCT_WORDS, chooser.name, chooser.email, *chooser.organisations))
    return frozenset(_compared(word) for word in re.split(r"[\W_]+", told) if len(word) >= 3)


def _left_beside(password: str, words: Iterable[str]) -> int:
    """How many characters of a password are no part of the words."""
    left = _compared(password)
    for word in sorted(words, key=len, reverse=True):
        left = left.replace(word, " ")
    return sum(not character.isspace() for character in left)


def _compared(written: str) -> str:
    return unicodedata.normalize("NFKC", written).casefold().translate(_LOOKALIKES)
