"""Codes from an authenticator app (TOTP, RFC 6238): set up with a secret shown once, taken once each."""

from __future__ import annotations

import hmac
from datetime import datetime
from uuid import UUID, uuid4

import pyotp
from sqlalchemy import Delete, delete, select
from sqlalchemy.orm import Session

from portal.access import Actor
from portal.identity import notices
from portal.identity.factors import rules
from portal.identity.factors.models import CodeGenerator
from portal.identity.sealing import seal, unseal

PURPOSE = "code generator"
ISSUER = "Factoryline"


def begin_generator(session: Session, actor: Actor, *, secret: str, now: datetime) -> None:
    """Make a secret for an authenticator app; it counts once a code from it was typed."""
    session.execute(_unconfirmed(actor.person_id))
    generator_id = uuid4()
    sealed = seal(pyotp.random_base32(), secret=secret, purpose=PURPOSE, row=str(generator_id))
    session.add(CodeGenerator(id=generator_id, person_id=actor.person_id, sealed_secret=sealed, created_at=now))
    session.flush()


def shown_secret(session: Session, actor: Actor, *, secret: str, now: datetime) -> str | None:
    """The secret of the app being set up, or None: once confirmed, or too old, it is never shown again."""
    found = _setting_up(session, actor.person_id, now)
    return _opened(found, secret) if found else None


def provisioning_uri(shown: str, email: str) -> str:
    """What the QR code says: the secret, whose it is and where it is from."""
    return pyotp.TOTP(shown).provisioning_uri(name=email, issuer_name=ISSUER)


def confirm_generator(session: Session, actor: Actor, code: str, *, secret: str, now: datetime) -> bool:
    """Take the app into use if ``code`` is its present one; it replaces an earlier app."""
    found = _setting_up(session, actor.person_id, now)
    if found is None or not _take(found, code, secret=secret, now=now):
        return False
    is_first = _remove_confirmed(session, actor.person_id) == 0
    found.confirmed_at = now
    session.flush()
    notices.record_and_tell(session, actor, "add_code_generator" if is_first else "replace_code_generator", now=now)
    return True


def remove_generator(session: Session, actor: Actor, now: datetime) -> None:
    """Ask no codes of the app any more."""
    if _remove_confirmed(session, actor.person_id):
        notices.record_and_tell(session, actor, "remove_code_generator", now=now)


def prove_code(session: Session, person_id: int, code: str, *, secret: str, now: datetime) -> bool:
    """Whether ``code`` is one that the person's app shows about now and that was not used yet; it is used by this."""
    # The row is locked: the same code sent twice at once is taken once.
    found = session.scalars(
        select(CodeGenerator)
        .where(CodeGenerator.person_id == person_id, CodeGenerator.confirmed_at.is_not(None))
        .with_for_update()
    ).one_or_none()
    return found is not None and _take(found, code, secret=secret, now=now)


def _take(generator: CodeGenerator, code: str, *, secret: str, now: datetime) -> bool:
    digits = "".join(code.split())
    totp = pyotp.TOTP(_opened(generator, secret))
    taken = None
    for step in rules.open_steps(now, generator.last_used_step):
        if hmac.compare_digest(totp.generate_otp(step).encode(), digits.encode()):
            taken = step
    if taken is None:
        return False
    generator.last_used_step = taken
    return True


def _opened(generator: CodeGenerator, secret: str) -> str:
    return unseal(generator.sealed_secret, secret=secret, purpose=PURPOSE, row=str(UUID(str(generator.id))))


def _setting_up(session: Session, person_id: int, now: datetime) -> CodeGenerator | None:
    return session.scalars(
        select(CodeGenerator)
        .where(
            CodeGenerator.person_id == person_id,
            CodeGenerator.confirmed_at.is_(None),
            CodeGenerator.created_at > now - rules.SETTING_UP_LASTS,
        )
        .with_for_update()
    ).one_or_none()


def _unconfirmed(person_id: int) -> Delete:
    return delete(CodeGenerator).where(CodeGenerator.person_id == person_id, CodeGenerator.confirmed_at.is_(None))


def _remove_confirmed(session: Session, person_id: int) -> int:
    gone = session.execute(
        delete(CodeGenerator)
        .where(CodeGenerator.person_id == person_id, CodeGenerator.confirmed_at.is_not(None))
        .returning(CodeGenerator.id)
    ).all()
    return len(gone)
