"""Codes that are tried: counted per person, organisation and address before anybody looks whether there is such a code.

Invariant: what is counted stands before the answer is known (the caller commits it), so that tries at the same time
count too; only a code that was refused stays counted, so that nobody is stopped for looking at a price often, and
nobody who holds a right code guesses on with it.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from portal.access import Actor
from portal.errors import TooOften
from portal.identity import throttling
from portal.selling.rules.promotions import (
    CODES_PER_HOST,
    CODES_PER_ORGANISATION,
    CODES_PER_PERSON,
    tried_too_often,
)

KIND = "promotion_code"


def count_guess(session: Session, actor: Actor, *, address: str, now: datetime) -> None:
    """Count one try of a code. *Raises*: Invalid at the field ``promotion``, with when it may be tried again."""
    allowances = (CODES_PER_PERSON, CODES_PER_ORGANISATION, CODES_PER_HOST)
    try:
        for (kind, value), allowance in zip(_counted(actor, address), allowances, strict=True):
            throttling.count_try(session, kind, (value,), allowance, now)
    except TooOften as refused:
        raise tried_too_often(refused.retry_seconds) from refused


def take_back_guess(session: Session, actor: Actor, *, address: str) -> None:
    """The code was not what was refused: the try does not count."""
    for kind, value in _counted(actor, address):
        throttling.take_back_try(session, kind, value)


def _counted(actor: Actor, address: str) -> tuple[tuple[str, str], ...]:
    return (
        (f"{KIND}_person", str(actor.person_id)),
        (f"{KIND}_organisation", str(actor.organisation_id)),
        (f"{KIND}_host", address),
    )
