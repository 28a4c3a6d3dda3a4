"""What a person could prove themselves with, and what their organisation asks for."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ScalarSelect, func, select
from sqlalchemy.orm import Session

from portal.access import Actor
from portal.errors import NotFound
from portal.identity.factors import rules
from portal.identity.factors.models import CodeGenerator, FactorPolicy, Passkey, RecoveryCode
from portal.identity.models import Credential

Counts = tuple[int, int, int, int]


def held_counts(person_id: object) -> ScalarSelect[Counts]:
    """Passwords, generators, passkeys and unused codes of a person, as one column of another statement."""
    counts = (
        select(func.count()).where(Credential.person_id == person_id).scalar_subquery(),
        select(func.count())
        .where(CodeGenerator.person_id == person_id, CodeGenerator.confirmed_at.is_not(None))
        .scalar_subquery(),
        select(func.count()).where(Passkey.person_id == person_id).scalar_subquery(),
        select(func.count())
        .where(RecoveryCode.person_id == person_id, RecoveryCode.used_at.is_(None))
        .scalar_subquery(),
    )
    return select(func.json_build_array(*counts)).scalar_subquery()


def held_of(counts: Counts) -> rules.Held:
    """Those counts as what the rules ask for."""
    passwords, generators, passkeys, codes = counts
    return rules.Held(bool(passwords), bool(generators), passkeys, codes)


def held(session: Session, person_id: int) -> rules.Held:
    """What the person could prove themselves with; the session reads for that person."""
    return held_of(session.execute(select(held_counts(person_id))).scalar_one())


def passkeys(session: Session, person_id: int) -> Sequence[Passkey]:
    """The person's passkeys, the oldest first."""
    return session.scalars(
        select(Passkey).where(Passkey.person_id == person_id).order_by(Passkey.id).limit(rules.MOST_PASSKEYS)
    ).all()


def own_passkey(session: Session, actor: Actor, passkey_id: int) -> Passkey:
    """One of the actor's passkeys.

    *Raises*: NotFound.
    """
    found = session.scalars(
        select(Passkey).where(Passkey.id == passkey_id, Passkey.person_id == actor.person_id)
    ).one_or_none()
    if found is None:
        raise NotFound
    return found


def required_of(session: Session, organisation_id: int) -> frozenset[str]:
    """The roles of which the organisation asks a second factor."""
    found = session.get(FactorPolicy, organisation_id)
    return frozenset(found.required_of) if found else frozenset()
