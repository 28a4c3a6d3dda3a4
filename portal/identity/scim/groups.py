"""Groups of a directory: kept with their members; a group whose name is mapped gives its members the role."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.audit import actions as audit
from portal.identity.scim import users
from portal.identity.scim.models import ScimGroup, ScimGroupMember, ScimUser
from portal.identity.scim.rules import resources, schemas, sorting
from portal.identity.scim.rules.errors import ScimRefused
from portal.identity.scim.users import MOST_EXAMINED, Call


def create_group(session: Session, call: Call, given: Mapping[str, Any]) -> ScimGroup:
    """Keep a new group.

    *Raises*: ScimRefused.
    """
    attributes = schemas.cleaned(given, schemas.GROUP)
    _refuse_taken(session, call, attributes["displayName"], None)
    row = ScimGroup(
        id=uuid4(),
        organisation_id=call.organisation_id,
        display_name=attributes["displayName"],
        external_id=attributes.get("externalId"),
        version=1,
        created_at=call.now,
        modified_at=call.now,
    )
    session.add(row)
    session.flush()
    added = _set_members(session, call, row, attributes.get("members", []))
    users.follow_roles(session, call, added)
    _record(session, call, "scim_create_group", row, {"members": len(added)})
    return row


def replace_group(session: Session, call: Call, row: ScimGroup, given: Mapping[str, Any]) -> ScimGroup:
    """Keep what the directory says now of the group and who is in it.

    *Raises*: ScimRefused.
    """
    attributes = schemas.cleaned(given, schemas.GROUP)
    _refuse_taken(session, call, attributes["displayName"], row)
    renamed = row.display_name != attributes["displayName"]
    row.display_name, row.external_id = attributes["displayName"], attributes.get("externalId")
    row.version, row.modified_at = row.version + 1, call.now
    touched = _set_members(session, call, row, attributes.get("members", []))
    # Another name may mean another role for everybody in it.
    users.follow_roles(session, call, _members(session, row) if renamed else touched)
    _record(session, call, "scim_change_group", row, {"renamed": renamed, "members_changed": len(touched)})
    return row


def delete_group(session: Session, call: Call, row: ScimGroup) -> None:
    """Forget a group; its members lose what it gave them."""
    touched = _set_members(session, call, row, [])
    _record(session, call, "scim_delete_group", row, {"members_changed": len(touched)})
    session.delete(row)
    session.flush()
    users.follow_roles(session, call, touched)


def group(session: Session, call: Call, group_id: UUID, *, locks: bool = False) -> ScimGroup:
    """One group of the directory.

    *Raises*: ScimRefused, 404.
    """
    statement = select(ScimGroup).where(ScimGroup.id == group_id, ScimGroup.organisation_id == call.organisation_id)
    found = session.scalar(statement.with_for_update() if locks else statement)
    if found is None:
        raise ScimRefused("There is no such group.", "", 404)
    return found


def found_groups(
    session: Session, call: Call, written: str, *, start: int, count: int, by: sorting.Sorting | None = None
) -> tuple[int, list[ScimGroup]]:
    """How many groups fit the filter, and a page of them, sorted as asked, else in the order they came.

    *Raises*: ScimRefused.
    """
    mine = select(ScimGroup).where(ScimGroup.organisation_id == call.organisation_id)
    order = (ScimGroup.created_at, ScimGroup.id)
    if not written and by is None:
        total = session.scalar(select(func.count()).select_from(mine.subquery())) or 0
        return total, list(session.scalars(mine.order_by(*order).offset(start - 1).limit(count)))
    rows = list(session.scalars(mine.order_by(*order).limit(MOST_EXAMINED)))
    fitting = users.found_among(rows, as_resources(session, call, rows), written, by)
    return len(fitting), fitting[start - 1 : start - 1 + count]


def as_resources(session: Session, call: Call, rows: Sequence[ScimGroup]) -> list[dict[str, Any]]:
    """Groups as they are answered, with their members."""
    members: dict[UUID, list[dict[str, str]]] = {}
    found = session.execute(
        select(ScimGroupMember.group_id, ScimUser.id)
        .join(ScimUser, ScimUser.id == ScimGroupMember.user_id)
        .where(ScimGroupMember.group_id.in_([row.id for row in rows]))
        .order_by(ScimUser.user_name)
    )
    for group_id, user_id in found:
        entry = {"value": str(user_id), "$ref": f"{call.base}/Users/{user_id}"}
        members.setdefault(group_id, []).append(entry)
    return [
        resources.answered(
            {
                "displayName": row.display_name,
                **({"externalId": row.external_id} if row.external_id else {}),
                **({"members": members[row.id]} if row.id in members else {}),
            },
            schema=schemas.GROUP,
            key=str(row.id),
            base=call.base,
            version=row.version,
            made=row.created_at,
            changed=row.modified_at,
        )
        for row in rows
    ]


def _set_members(session: Session, call: Call, row: ScimGroup, told: Sequence[Mapping[str, Any]]) -> list[ScimUser]:
    """Who came or went."""
    wanted = {_user_id(member) for member in told}
    known = set(
        session.scalars(
            select(ScimUser.id).where(ScimUser.organisation_id == call.organisation_id, ScimUser.id.in_(wanted))
        )
    )
    if wanted - known:
        raise ScimRefused("A member of the group is no user here.")
    kept = {entry.user_id: entry for entry in session.scalars(_entries(row))}
    for user_id in kept.keys() - wanted:
        session.delete(kept[user_id])
    for user_id in sorted(wanted - kept.keys()):
        session.add(ScimGroupMember(group_id=row.id, user_id=user_id, organisation_id=call.organisation_id))
    session.flush()
    touched = wanted ^ kept.keys()
    return list(session.scalars(select(ScimUser).where(ScimUser.id.in_(touched)).order_by(ScimUser.id)))


def _members(session: Session, row: ScimGroup) -> list[ScimUser]:
    statement = select(ScimUser).join(ScimGroupMember, ScimGroupMember.user_id == ScimUser.id)
    return list(session.scalars(statement.where(ScimGroupMember.group_id == row.id).order_by(ScimUser.id)))


def _entries(row: ScimGroup) -> Any:
    return select(ScimGroupMember).where(ScimGroupMember.group_id == row.id)


def _user_id(member: Mapping[str, Any]) -> UUID:
    try:
        return UUID(str(member.get("value", "")))
    except ValueError:
        raise ScimRefused("A member is named by its id, as value.") from None


def _refuse_taken(session: Session, call: Call, name: str, own: ScimGroup | None) -> None:
    found = session.scalar(
        select(ScimGroup.id).where(
            ScimGroup.organisation_id == call.organisation_id, func.lower(ScimGroup.display_name) == name.lower()
        )
    )
    if found is not None and (own is None or found != own.id):
        raise ScimRefused("There is a group of this name already.", "uniqueness", 409)


def _record(session: Session, call: Call, act: str, row: ScimGroup, details: Mapping[str, Any]) -> None:
    told = {"name": row.display_name, **details}
    audit.record(session, call.directory.program, act, "scim_group", row.id, details=told, now=call.now)
