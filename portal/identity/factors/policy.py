"""Of whom an organisation asks a second factor."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from portal.access import ROLES_OF_SIDE, Actor, Role, may_administer
from portal.audit import actions as audit
from portal.errors import Invalid, NotAllowed
from portal.identity.factors import queries
from portal.identity.factors.models import FactorPolicy


def require_second_factor(session: Session, actor: Actor, roles: Collection[Role], now: datetime) -> None:
    """Ask a second factor of everybody with one of the roles; whoever has none sets one up at the next click.

    *Raises*: NotAllowed, Invalid.
    """
    if not may_administer(actor):
        raise NotAllowed("Only an administrator of your organisation decides how its people sign in.")
    if not frozenset(roles) <= ROLES_OF_SIDE[actor.side]:
        raise Invalid("Nothing is changed.", {"roles": "Your organisation has no such role."})
    before = queries.required_of(session, actor.organisation_id)
    wanted = sorted(role.value for role in roles)
    kept = {"required_of": wanted, "changed_by": actor.person_id, "changed_at": now}
    statement = insert(FactorPolicy).values(organisation_id=actor.organisation_id, **kept)
    session.execute(statement.on_conflict_do_update(index_elements=[FactorPolicy.organisation_id], set_=kept))
    audit.record(
        session,
        actor,
        "require_second_factor",
        "organisation",
        actor.organisation_id,
        now=now,
        details={"before": sorted(before), "after": wanted},
    )
