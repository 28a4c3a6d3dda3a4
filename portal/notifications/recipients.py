"""Who is told: the people of an organisation by role, those of a case, a payer's approvers."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import ColumnElement, Select, or_, select
from sqlalchemy.orm import Session

from portal.access import Role
from portal.identity.models import Membership, Person
from portal.notifications.actions import Recipient


def people_with_role(
    session: Session, organisation_id: int, roles: Collection[Role], *, site_id: int | None = None
) -> Sequence[Recipient]:
    """Present members that hold any of the roles and, where they are limited to sites, work on this one."""
    statement = _members(organisation_id).where(Membership.roles.overlap([role.value for role in roles]))
    if site_id is not None:
        statement = statement.where(_works_on(site_id))
    return [Recipient(organisation_id, row.email, row.id) for row in session.execute(statement)]


def people(session: Session, organisation_id: int, person_ids: Collection[int]) -> Sequence[Recipient]:
    """Those of the persons who are present members of the organisation."""
    statement = _members(organisation_id).where(Person.id.in_(person_ids))
    return [Recipient(organisation_id, row.email, row.id) for row in session.execute(statement)]


def _members(organisation_id: int) -> Select[int, str]:
    return (
        select(Person.id, Person.email)
        .join(Membership, Membership.person_id == Person.id)
        .where(
            Membership.organisation_id == organisation_id,
            Membership.ended_at.is_(None),
            Person.disabled_at.is_(None),
        )
        .order_by(Person.id)
    )


def _works_on(site_id: int) -> ColumnElement[bool]:
    return or_(Membership.site_ids.is_(None), Membership.site_ids.contains([site_id]))
