"""Recovery codes: ten at a time, shown once, kept as hashes, each good for one sign-in without the second factor."""

from __future__ import annotations

import base64
import secrets
from datetime import datetime

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from portal.access import Actor
from portal.identity import notices
from portal.identity.factors import rules
from portal.identity.factors.models import RecoveryCode


def make_codes(session: Session, actor: Actor, now: datetime) -> list[str]:
    """Ten new codes, to be shown now and never again; earlier ones end."""
    session.execute(delete(RecoveryCode).where(RecoveryCode.person_id == actor.person_id))
    codes = [base64.b32encode(secrets.token_bytes(rules.RECOVERY_BYTES)).decode() for _ in range(rules.RECOVERY_CODES)]
    session.add_all(
        RecoveryCode(person_id=actor.person_id, code_sha256=rules.recovery_hash(actor.person_id, code), created_at=now)
        for code in codes
    )
    session.flush()
    notices.record_and_tell(session, actor, "make_recovery_codes", now=now)
    return [rules.grouped(code) for code in codes]


def prove_recovery(session: Session, person_id: int, code: str, now: datetime) -> bool:
    """Whether ``code`` is one of the person's that was not used yet; it is used by this."""
    used = session.execute(
        update(RecoveryCode)
        .where(
            RecoveryCode.person_id == person_id,
            RecoveryCode.code_sha256 == rules.recovery_hash(person_id, code),
            RecoveryCode.used_at.is_(None),
        )
        .values(used_at=now)
        .returning(RecoveryCode.id)
    ).one_or_none()
    return used is not None


def codes_left(session: Session, person_id: int) -> int:
    """How many codes can still be used."""
    counted = select(func.count()).where(RecoveryCode.person_id == person_id, RecoveryCode.used_at.is_(None))
    return session.scalar(counted) or 0
