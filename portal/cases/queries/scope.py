"""Which cases, and which rows of a case, an actor sees: the one place that says so in queries."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, and_, or_

from portal.access import Actor, Side
from portal.cases.models import SupportCase

_OWN = {
    Side.MANUFACTURER: SupportCase.manufacturer_id,
    Side.INTEGRATOR: SupportCase.integrator_id,
    Side.CUSTOMER: SupportCase.customer_id,
}


def case_scope(actor: Actor) -> ColumnElement[bool]:
    """The cases of the actor's organisation, at the actor's sites."""
    own = _OWN[actor.side] == actor.organisation_id
    return own if actor.site_ids is None else and_(own, SupportCase.site_id.in_(actor.site_ids))


def readable(actor: Actor | None, model: Any) -> ColumnElement[bool]:
    """The rows of an audience that the actor reads; a job reads all."""
    if actor is None:
        return model.audience.in_(("own", "companies", "customer"))  # type: ignore[no-any-return]
    shown = ("customer",) if actor.side is Side.CUSTOMER else ("companies", "customer")
    return or_(model.owner_id == actor.organisation_id, model.audience.in_(shown))
