"""Who sent a request, read from its session on every click, so that whatever ended it ends with the next one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from zoneinfo import ZoneInfo

from sqlalchemy import ScalarSelect, Uuid, cast, func, select, text, update
from sqlalchemy.orm import Session

from portal.access import Actor, Role, Side
from portal.db import TELL_SCOPE, Scope, set_scope, take_scope
from portal.directory.models import Organisation
from portal.identity import places, rules
from portal.identity.factors import queries as factors
from portal.identity.factors.models import FactorPolicy, Impersonation, ImpersonationAnswer, ImpersonationEnd
from portal.identity.factors.rules import STRONG, Proof, Proven, must_have_second_factor
from portal.identity.models import Membership, Person, WebSession
from portal.identity.own_zone import zone_of_person
from portal.rows import Fact
from portal.sql import Sql

# Every click asks this: what it finds is told on the way, because a round trip costs more. The session is told too, so
# that reading its viewer takes no value: PostgreSQL then plans it once a connection.
_FIND_SESSION = Sql(
    f"""
    SELECT person_id, organisation_id, {TELL_SCOPE}, set_config('portal.session_id', CAST(session_id AS text), true)
    FROM find_session(:token)
    """,
    often=True,
)
_TOLD_SESSION = cast(func.current_setting("portal.session_id"), Uuid)


def viewer_of_token(session: Session, token: str, now: datetime) -> rules.Viewer | None:
    """Who is signed in with the token, or None; from here on the session reads for that person's organisation."""
    found = _FIND_SESSION.rows(session, {"token": rules.token_sha256(token)})
    if not found:
        return None
    person_id, organisation_id, *_ = found[0]
    take_scope(session, Scope(organisation_id, person_id))
    row = _everything_of_session(session)
    if row is None or not _may_go_on(row, now):
        set_scope(session, None)
        return None
    if now - row.seen_at >= rules.SEEN_STEP:
        _note_seen(session, row.session_id, now)
    viewer = _viewer(row)
    if row.impersonation_id is not None:
        return _looking_on(session, viewer, row.impersonation_id, now)
    return viewer


def _everything_of_session(session: Session) -> Fact | None:
    statement, names = _everything()
    rows = statement.rows(session, {})
    return Fact(**dict(zip(names, rows[0], strict=True))) if rows else None


@cache
def _everything() -> tuple[Sql, Sequence[str]]:
    """One statement for all that a page asks of its viewer, and its columns: every click runs it."""
    statement = (
        select(
            *(WebSession.id.label("session_id"), WebSession.expires_at, WebSession.seen_at, WebSession.revoked_at),
            *(WebSession.proven_by, WebSession.proven_at, WebSession.impersonation_id, WebSession.membership_id),
            *(Membership.roles, Membership.site_ids, Membership.ended_at),
            *(Person.id.label("person_id"), Person.display_name, Person.email, Person.disabled_at),
            zone_of_person().label("zone"),
            *(Organisation.id.label("organisation_id"), Organisation.name.label("organisation_name")),
            *(Organisation.side, Organisation.is_operator),
            FactorPolicy.required_of,
            _places().label("places"),
            factors.held_counts(func.portal_person()).label("held"),
        )
        .join(Membership, Membership.id == WebSession.membership_id)
        .join(Person, Person.id == WebSession.person_id)
        .join(Organisation, Organisation.id == WebSession.organisation_id)
        .outerjoin(FactorPolicy, FactorPolicy.organisation_id == WebSession.organisation_id)
        .where(WebSession.id == _TOLD_SESSION)
    )
    return Sql(statement, often=True), [str(column.key) for column in statement.selected_columns]


def _places() -> ScalarSelect[list[tuple[int, str]]]:
    """The organisations that the scope's person may act for."""
    own = func.own_organisations().table_valued("membership_id", "name")
    return select(func.json_agg(func.json_build_array(own.c.membership_id, own.c.name))).scalar_subquery()


def _may_go_on(row: Fact, now: datetime) -> bool:
    alive = rules.session_is_alive(expires_at=row.expires_at, seen_at=row.seen_at, revoked_at=row.revoked_at, now=now)
    return alive and row.ended_at is None and row.disabled_at is None


def _note_seen(session: Session, session_id: object, now: datetime) -> None:
    session.execute(
        update(WebSession)
        .where(WebSession.id == session_id)
        .values(seen_at=now)
        .execution_options(synchronize_session=False)
    )


def _viewer(row: Fact) -> rules.Viewer:
    proven = Proven(Proof(row.proven_by), row.proven_at)
    actor = _actor(row)
    known: Sequence[rules.Place] = [rules.Place(membership_id, name) for membership_id, name in row.places or ()]
    is_asked = must_have_second_factor(row.required_of or (), actor.roles)
    return rules.Viewer(
        actor=actor,
        session_id=str(row.session_id),
        name=row.display_name,
        email=row.email,
        zone=ZoneInfo(row.zone),
        organisation_name=row.organisation_name,
        other_organisations=tuple(place for place in known if place.membership_id != row.membership_id),
        proven=proven,
        held=factors.held_of(row.held),
        must_set_up=is_asked and proven.by not in STRONG,
    )


def _actor(row: Fact) -> Actor:
    return Actor(
        person_id=row.person_id,
        organisation_id=row.organisation_id,
        side=Side(row.side),
        roles=frozenset(Role(role) for role in row.roles),
        is_operator=row.is_operator,
        site_ids=frozenset(row.site_ids) if row.site_ids is not None else None,
        display_name=row.display_name,
    )


def _looking_on(
    session: Session, administrator: rules.Viewer, impersonation_id: int, now: datetime
) -> rules.Viewer | None:
    """The person looked on as, if their yes still holds; the session reads for that person, and can only read."""
    organisation_id = administrator.actor.organisation_id
    row = session.execute(
        select(
            Person,
            Membership,
            Organisation,
            zone_of_person().label("zone"),
            Impersonation.asked_at,
            ImpersonationAnswer.is_yes,
            ImpersonationAnswer.until_at,
            ImpersonationEnd.ended_at,
        )
        .select_from(Impersonation)
        .join(Person, Person.id == Impersonation.person_id)
        .join(Membership, (Membership.person_id == Person.id) & (Membership.organisation_id == organisation_id))
        .join(Organisation, Organisation.id == organisation_id)
        .outerjoin(ImpersonationAnswer, ImpersonationAnswer.impersonation_id == Impersonation.id)
        .outerjoin(ImpersonationEnd, ImpersonationEnd.impersonation_id == Impersonation.id)
        .where(
            Impersonation.id == impersonation_id,
            Impersonation.organisation_id == organisation_id,
            Membership.ended_at.is_(None),
            Person.disabled_at.is_(None),
        )
    ).one_or_none()
    state = row and rules.looking_on_state(
        asked_at=row.asked_at, is_yes=row.is_yes, until_at=row.until_at, ended_at=row.ended_at, now=now
    )
    if row is None or state != "open":
        set_scope(session, None)
        return None
    set_scope(session, Scope(organisation_id, row.Person.id))
    # Whatever a page tries, PostgreSQL writes nothing from here on.
    session.execute(text("SET TRANSACTION READ ONLY"))
    return rules.Viewer(
        actor=places.actor_of(row.Person, row.Membership, row.Organisation),
        session_id=administrator.session_id,
        name=row.Person.display_name,
        email=row.Person.email,
        zone=ZoneInfo(row.zone),
        organisation_name=row.Organisation.name,
        looking_on=rules.LookingOn(impersonation_id, administrator.actor.person_id, administrator.name, row.until_at),
    )
