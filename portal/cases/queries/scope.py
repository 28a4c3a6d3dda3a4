"""Which cases, and which rows of a case, an actor sees: the one place that says so in queries."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ARRAY, BigInteger, ColumnElement, Text, and_, any_, bindparam, or_

from portal.access import Actor, Side
from portal.cases.models import SupportCase

OWN = {
    Side.MANUFACTURER: SupportCase.manufacturer_id,
    Side.INTEGRATOR: SupportCase.integrator_id,
    Side.CUSTOMER: SupportCase.customer_id,
}


def case_scope(actor: Actor) -> ColumnElement[bool]:
    """The cases of the actor's organisation, at the actor's sites."""
    own = OWN[actor.side] == actor.organisation_id
    return own if actor.site_ids is None else and_(own, SupportCase.site_id.in_(actor.site_ids))


def readable(actor: Actor | None, model: Any) -> ColumnElement[bool]:
    """The rows of an audience that the actor reads; a job reads all."""
    return readable_rows(model).params(reader(actor))


def readable_rows(model: Any) -> ColumnElement[bool]:
    """The same for a statement that is worded once: who asks is said when it runs, by ``reader``."""
    audiences = bindparam("audiences", type_=ARRAY(Text))
    return or_(model.owner_id == bindparam("reader_id", type_=BigInteger), model.audience == any_(audiences))


def reader(actor: Actor | None) -> dict[str, Any]:
    """The values of ``readable_rows``."""
    if actor is None:
        return {"reader_id": None, "audiences": ["own", "companies", "customer"]}
    shown = ["customer"] if actor.side is Side.CUSTOMER else ["companies", "customer"]
    return {"reader_id": actor.organisation_id, "audiences": shown}
