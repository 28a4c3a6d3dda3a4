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
    return people_with_role_in(session, [organisation_id], roles, site_id=site_id)


def people_with_role_in(
    session: Session, organisation_ids: Collection[int], roles: Collection[Role], *, site_id: int | None = None
) -> Sequence[Recipient]:
    """The same of several organisations, one after the other."""
    statement = _members(organisation_ids).where(Membership.roles.overlap([role.value for role in roles]))
    if site_id is not None:
        statement = statement.where(_works_on(site_id))
    return _recipients(session, statement)


def people(session: Session, organisation_ids: Collection[int], person_ids: Collection[int]) -> Sequence[Recipient]:
    """Those of the persons who are present members of the organisations, one organisation after the other."""
    return _recipients(session, _members(organisation_ids).where(Person.id.in_(person_ids)))


def _members(organisation_ids: Collection[int]) -> Select[int, int, str]:
    return (
        select(Membership.organisation_id, Person.id, Person.email)
        .join(Person, Membership.person_id == Person.id)
        .where(
            Membership.organisation_id.in_(organisation_ids),
            Membership.ended_at.is_(None),
            Person.disabled_at.is_(None),
        )
        .order_by(Membership.organisation_id, Person.id)
    )


def _recipients(session: Session, statement: Select[int, int, str]) -> list[Recipient]:
    return [Recipient(row.organisation_id, row.email, row.id) for row in session.execute(statement)]


def _works_on(site_id: int) -> ColumnElement[bool]:
    return or_(Membership.site_ids.is_(None), Membership.site_ids.contains([site_id]))
