"""Users of a directory: created, changed, taken away; each with what follows for the person here.

A user becomes a member at once where the organisation has confirmed the address's mail domain and the person belongs
nowhere else, or was a member before; anybody else is invited by mail and becomes a member by their own yes. Taking a
user away ends the membership, its sessions and links in this transaction; timers stop by job as of that moment.
The address a person signs in with, and a name they also use elsewhere, stay the person's own to change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID, uuid4

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal import jobs
from portal.access import Role, Side
from portal.audit import actions as audit
from portal.db import Scope, set_scope
from portal.directory.models import Organisation
from portal.identity import people, places
from portal.identity.models import Membership, Person
from portal.identity.scim.models import ScimGroup, ScimGroupMember, ScimUser
from portal.identity.scim.rules import filters, resources, schemas, sorting
from portal.identity.scim.rules.errors import ScimRefused
from portal.identity.scim.tokens import Directory
from portal.identity.sso import domains, settings, signing_in
from portal.identity.sso import rules as sso

# Who is brought in without any mapped role does the first work of the side, and nothing that costs or decides.
FIRST_ROLE = {Side.MANUFACTURER: Role.ENGINEER, Side.INTEGRATOR: Role.TECHNICIAN, Side.CUSTOMER: Role.CONTACT}
MOST_EXAMINED = 20_000
Row = TypeVar("Row")


@dataclass(frozen=True)
class Call:
    """One call of a directory: who, when, and what this deployment needs for mail and addresses."""

    directory: Directory
    secret: str
    base: str
    now: datetime

    @property
    def organisation_id(self) -> int:
        return self.directory.organisation_id


def create_user(session: Session, call: Call, given: Mapping[str, Any]) -> ScimUser:
    """Keep a new user; the person becomes a member, or is invited.

    *Raises*: ScimRefused.
    """
    attributes = schemas.cleaned(given, schemas.USER)
    _refuse_taken(session, call, attributes["userName"], None)
    row = ScimUser(
        id=uuid4(),
        organisation_id=call.organisation_id,
        user_name=attributes["userName"],
        external_id=attributes.get("externalId"),
        attributes=attributes,
        is_active=resources.is_active(attributes),
        version=1,
        created_at=call.now,
        modified_at=call.now,
    )
    session.add(row)
    session.flush()
    if row.is_active:
        _bring_in(session, call, row)
    _record(session, call, "scim_create_user", row, {"active": row.is_active, "state": _state(row)})
    return row


def replace_user(session: Session, call: Call, row: ScimUser, given: Mapping[str, Any]) -> ScimUser:
    """Keep what the directory says now, and do what follows from the difference.

    *Raises*: ScimRefused, Conflict.
    """
    before, attributes = row.attributes, schemas.cleaned(given, schemas.USER)
    changed = sorted(name for name in {*before, *attributes} if before.get(name) != attributes.get(name))
    was_active, row.is_active = row.is_active, resources.is_active(attributes)
    if not changed and was_active == row.is_active:
        return row
    _refuse_taken(session, call, attributes["userName"], row)
    row.attributes, row.user_name = attributes, attributes["userName"]
    row.external_id = attributes.get("externalId")
    row.version, row.modified_at = row.version + 1, call.now
    session.flush()
    if row.is_active:
        _bring_in(session, call, row)
        _follow_name(session, call, row)
        follow_roles(session, call, [row])
    elif was_active:
        _take_away(session, call, row)
    _record(session, call, "scim_change_user", row, {"changed": changed, "active": row.is_active, "state": _state(row)})
    return row


def delete_user(session: Session, call: Call, row: ScimUser) -> None:
    """Take a user away for good: the directory's row goes, the person's history stays.

    *Raises*: Conflict.
    """
    if row.is_active:
        _take_away(session, call, row)
    for member in session.scalars(select(ScimGroupMember).where(ScimGroupMember.user_id == row.id)):
        session.delete(member)
    _record(session, call, "scim_delete_user", row, {})
    session.flush()
    session.delete(row)
    session.flush()


def user(session: Session, call: Call, user_id: UUID, *, locks: bool = False) -> ScimUser:
    """One user of the directory.

    *Raises*: ScimRefused, 404.
    """
    statement = select(ScimUser).where(ScimUser.id == user_id, ScimUser.organisation_id == call.organisation_id)
    found = session.scalar(statement.with_for_update() if locks else statement)
    if found is None:
        raise ScimRefused("There is no such user.", "", 404)
    return found


def found_users(
    session: Session, call: Call, written: str, *, start: int, count: int, by: sorting.Sorting | None = None
) -> tuple[int, list[ScimUser]]:
    """How many users fit the filter, and a page of them, sorted as asked, else in the order they came.

    *Raises*: ScimRefused.
    """
    mine = select(ScimUser).where(ScimUser.organisation_id == call.organisation_id)
    order = (ScimUser.created_at, ScimUser.id)
    if not written and by is None:
        total = session.scalar(select(func.count()).select_from(mine.subquery())) or 0
        return total, list(session.scalars(mine.order_by(*order).offset(start - 1).limit(count)))
    simple = filters.simple_equals(written)
    if simple is not None and simple.name == "username":
        mine = mine.where(func.lower(ScimUser.user_name) == simple.value.lower())
    elif simple is not None and simple.name == "externalid":
        mine = mine.where(ScimUser.external_id == simple.value)
    rows = list(session.scalars(mine.order_by(*order).limit(MOST_EXAMINED)))
    # Whoever does not say is active, and is found so.
    told = [
        {**resource, "active": row.is_active}
        for row, resource in zip(rows, as_resources(session, call, rows), strict=True)
    ]
    fitting = found_among(rows, told, written, by)
    return len(fitting), fitting[start - 1 : start - 1 + count]


def found_among(
    rows: Sequence[Row], told: Sequence[Mapping[str, Any]], written: str, by: sorting.Sorting | None
) -> list[Row]:
    """The rows whose resources fit the filter, sorted as asked.

    *Raises*: ScimRefused.
    """
    accepts = filters.read_filter(written) if written else None
    fitting = [number for number, resource in enumerate(told) if accepts is None or accepts(resource)]
    if by is not None:
        fitting = [fitting[place] for place in sorting.positions([told[number] for number in fitting], by)]
    return [rows[number] for number in fitting]


def as_resources(session: Session, call: Call, rows: Sequence[ScimUser]) -> list[dict[str, Any]]:
    """Users as they are answered, with the groups they are in."""
    groups: dict[UUID, list[dict[str, str]]] = {}
    members = session.execute(
        select(ScimGroupMember.user_id, ScimGroup.id, ScimGroup.display_name)
        .join(ScimGroup, ScimGroup.id == ScimGroupMember.group_id)
        .where(ScimGroupMember.user_id.in_([row.id for row in rows]))
        .order_by(ScimGroup.display_name)
    )
    for user_id, group_id, name in members:
        entry = {"value": str(group_id), "$ref": f"{call.base}/Groups/{group_id}", "display": name, "type": "direct"}
        groups.setdefault(user_id, []).append(entry)
    return [
        resources.answered(
            {
                **present(row),
                **({"groups": groups[row.id]} if row.id in groups else {}),
            },
            schema=schemas.USER,
            key=str(row.id),
            base=call.base,
            version=row.version,
            made=row.created_at,
            changed=row.modified_at,
        )
        for row in rows
    ]


def present(row: ScimUser) -> dict[str, Any]:
    """A user's attributes as they are; whoever was taken away is inactive, whatever was said before."""
    said = "active" in row.attributes or not row.is_active
    return {**row.attributes, **({"active": row.is_active} if said else {})}


def follow_roles(session: Session, call: Call, rows: Sequence[ScimUser]) -> None:
    """Give users the roles that their groups and roles mean; without any mapping roles are the administrator's."""
    mapping = settings.role_mapping(session, call.organisation_id)
    if not mapping:
        return
    idp = settings.provider_of(session, call.organisation_id)
    for row in rows:
        membership = session.get(Membership, row.membership_id) if row.membership_id else None
        if membership is None or membership.ended_at is not None:
            continue
        wanted = frozenset(_roles(session, call, row, mapping))
        before = signing_in.give_roles(session, membership, wanted, keeps=idp.break_glass_person_id if idp else None)
        if before is not None:
            details = {"before": before, "after": sorted(membership.roles)}
            audit.record(
                session,
                call.directory.program,
                "change_roles",
                "membership",
                membership.id,
                details=details,
                now=call.now,
            )


def _bring_in(session: Session, call: Call, row: ScimUser) -> None:
    """Make the user a member where that needs nobody's yes; else invite, once; without an address do nothing."""
    address = resources.address_of(row.attributes)
    if row.membership_id is not None or not address:
        return
    person_id = row.person_id or places.person_of(session, address)
    person = session.get(Person, person_id) if person_id else None
    if person is not None:
        current = signing_in.current_membership(session, call.organisation_id, person.id)
        if current is not None:
            row.person_id, row.membership_id = person.id, current.id
            session.flush()
            return
    is_ours = domains.is_confirmed(session, call.organisation_id, sso.domain_of(address))
    # A person who is known here but not to this organisation shows no row: somebody else's, who is asked.
    if not is_ours or (person_id and person is None):
        _invite(session, call, row, address)
        return
    is_new = person is None
    person = person or _new_person(session, call, row, address)
    row.person_id = person.id
    _join(session, call, row, person)
    if is_new:
        jobs.enqueue(session, "mail_provisioned", membership_id=row.membership_id or 0)


def _new_person(session: Session, call: Call, row: ScimUser, address: str) -> Person:
    person = Person(
        email=address,
        display_name=resources.name_of(row.attributes) or address,
        visible_to=[call.organisation_id],
        created_at=call.now,
    )
    session.add(person)
    session.flush()
    return person


def _join(session: Session, call: Call, row: ScimUser, person: Person) -> None:
    mapping = settings.role_mapping(session, call.organisation_id)
    membership = Membership(
        person_id=person.id,
        organisation_id=call.organisation_id,
        roles=sorted(_roles(session, call, row, mapping)),
        started_at=call.now,
    )
    session.add(membership)
    session.flush()
    row.membership_id = membership.id
    session.flush()


def _invite(session: Session, call: Call, row: ScimUser, address: str) -> None:
    open_ones = people.open_invitations(session, call.organisation_id, address, call.now)
    if not open_ones:
        mapping = settings.role_mapping(session, call.organisation_id)
        people.invite_by_program(
            session,
            call.organisation_id,
            email=address,
            name=resources.name_of(row.attributes),
            roles=sorted(_roles(session, call, row, mapping)),
            invited_by=call.directory.let_in_by,
            secret=call.secret,
            now=call.now,
        )


def _take_away(session: Session, call: Call, row: ScimUser) -> None:
    """End what the user had here, now; whoever accepted an invitation meanwhile is found by the address."""
    address = resources.address_of(row.attributes)
    people.void_invitations(session, call.organisation_id, address, call.now)
    person_id = row.person_id or places.person_of(session, address)
    membership = signing_in.current_membership(session, call.organisation_id, person_id) if person_id else None
    if membership is not None:
        people.end_membership_by_program(session, call.directory.program, membership, call.now)
        row.person_id = membership.person_id
    row.membership_id = None
    row.is_active = False
    session.flush()


def _follow_name(session: Session, call: Call, row: ScimUser) -> None:
    person = session.get(Person, row.person_id) if row.person_id else None
    if person is None or person.visible_to != [call.organisation_id]:
        return
    name = resources.name_of(row.attributes)
    if name and name != person.display_name:
        set_scope(session, Scope(call.organisation_id, person.id))
        person.display_name = name
        session.flush()
        set_scope(session, Scope(call.organisation_id, places.NOBODY))


def _roles(session: Session, call: Call, row: ScimUser, mapping: Mapping[str, str]) -> frozenset[Role]:
    side = Side(session.get_one(Organisation, call.organisation_id).side)
    names = session.scalars(
        select(ScimGroup.display_name)
        .join(ScimGroupMember, ScimGroupMember.group_id == ScimGroup.id)
        .where(ScimGroupMember.user_id == row.id)
    ).all()
    told = [role.get("value", "") for role in row.attributes.get("roles", [])]
    return sso.mapped_roles([*names, *told], mapping, side) or frozenset({FIRST_ROLE[side]})


def _refuse_taken(session: Session, call: Call, user_name: str, own: ScimUser | None) -> None:
    statement = select(ScimUser.id).where(
        ScimUser.organisation_id == call.organisation_id, func.lower(ScimUser.user_name) == user_name.lower()
    )
    found = session.scalar(statement)
    if found is not None and (own is None or found != own.id):
        raise ScimRefused("There is a user of this name already.", "uniqueness", 409)


def _state(row: ScimUser) -> str:
    if not row.is_active:
        return "away"
    if row.membership_id is not None:
        return "member"
    return "invited" if resources.address_of(row.attributes) else "without an address"


def _record(session: Session, call: Call, act: str, row: ScimUser, details: Mapping[str, Any]) -> None:
    told = {"user_name": row.user_name, **details}
    audit.record(session, call.directory.program, act, "scim_user", row.id, details=told, now=call.now)
