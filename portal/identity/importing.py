"""People whom another support system knows: named members who can sign in later, and workers who never do.

A worker is known by an address made from what the other system calls the worker; it has no membership, so nobody can
sign in as one. A named member takes part from the start and sets a password by a mailed link.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from portal.access import Actor, Role, Side
from portal.errors import Invalid
from portal.identity.models import Membership, Person

WORKER_KEY_LENGTH = 20


def member(
    session: Session, *, organisation_id: int, side: Side, name: str, mail: str, roles: Collection[Role], now: datetime
) -> Actor:
    """The person with this address acting for the organisation in these roles; whoever is new becomes a member.

    *Raises*: Invalid when the person is a member without one of the roles.
    """
    person = session.scalars(select(Person).where(func.lower(Person.email) == mail.lower())).one_or_none()
    if person is None:
        person = Person(email=mail.lower(), display_name=name, visible_to=[organisation_id], created_at=now)
        session.add(person)
        session.flush()
    membership = session.scalars(
        select(Membership).where(
            Membership.person_id == person.id,
            Membership.organisation_id == organisation_id,
            Membership.ended_at.is_(None),
        )
    ).one_or_none()
    if membership is None:
        granted = sorted(role.value for role in roles)
        membership = Membership(person_id=person.id, organisation_id=organisation_id, roles=granted, started_at=now)
        session.add(membership)
        session.flush()
    held = frozenset(Role(role) for role in membership.roles)
    if not frozenset(roles) <= held:
        missing = ", ".join(sorted(role.value for role in frozenset(roles) - held))
        raise Invalid(f"{mail} is a member of its organisation without the role {missing}.")
    return Actor(person.id, organisation_id, side, held, display_name=person.display_name)


def worker_mail(worker: str, domain: str) -> str:
    """The address by which a worker of another system is known."""
    return f"{hashlib.sha256(worker.encode()).hexdigest()[:WORKER_KEY_LENGTH]}@{domain}"


def know_workers(
    session: Session, workers: Mapping[str, str], *, domain: str, visible_to: Collection[int], now: datetime
) -> dict[str, int]:
    """The person ids of workers, given as {worker: name to show}; whoever is new is added."""
    if not workers:
        return {}
    mails = {worker_mail(worker, domain): worker for worker in sorted(workers)}
    rows = [
        {"email": mail, "display_name": workers[worker], "visible_to": sorted(visible_to), "created_at": now}
        for mail, worker in mails.items()
    ]
    session.execute(insert(Person).values(rows).on_conflict_do_nothing())
    found = session.execute(select(Person.email, Person.id).where(func.lower(Person.email).in_(mails)))
    return {mails[mail.lower()]: person_id for mail, person_id in found}
