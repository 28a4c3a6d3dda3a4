"""Product lines, systems and who services them, many at once; what is known already stays as it is."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from portal.access import Actor, Role, Side
from portal.audit import actions as audit
from portal.directory.models import ProductLine, ServiceRelationship, System
from portal.errors import NotAllowed


@dataclass(frozen=True)
class Installed:
    """A system of a product line at a site, as another support system knows it: by product and customer."""

    site_id: int
    customer_id: int
    product_line_id: int
    serial: str
    name: str


def add_product_lines(session: Session, actor: Actor, names: Collection[str], now: datetime) -> dict[str, int]:
    """The actor's company's product lines of these names, added where new; their ids by name. *Raises*: NotAllowed."""
    _must_be_manufacturer(actor)
    added: Sequence[int] = []
    if names:
        rows = [{"manufacturer_id": actor.organisation_id, "code": name, "name": name} for name in sorted(names)]
        statement = insert(ProductLine).values(rows).on_conflict_do_nothing().returning(ProductLine.id)
        added = session.scalars(statement).all()
    if added:
        details = {"count": len(added)}
        audit.record(
            session, actor, "import_product_lines", "organisation", actor.organisation_id, details=details, now=now
        )
    found = select(ProductLine.code, ProductLine.id).where(
        ProductLine.manufacturer_id == actor.organisation_id, ProductLine.code.in_(names)
    )
    return {row.code: row.id for row in session.execute(found)}


def add_systems(
    session: Session,
    actor: Actor,
    installed: Sequence[Installed],
    *,
    integrator_id: int,
    from_on: date,
    reason: str,
    now: datetime,
) -> dict[str, int]:
    """These systems, added where new, serviced by the integrator from a day on unless somebody services them already.

    *Shape*: the systems' ids by serial. *Raises*: NotAllowed.
    """
    _must_be_manufacturer(actor)
    if not installed:
        return {}
    services = [
        {
            "site_id": each.site_id,
            "product_line_id": each.product_line_id,
            "manufacturer_id": actor.organisation_id,
            "integrator_id": integrator_id,
            "customer_id": each.customer_id,
            "from_on": from_on,
            "to_on": None,
            "letter_reference": reason,
            "created_at": now,
        }
        for each in installed
    ]
    session.execute(insert(ServiceRelationship).values(services).on_conflict_do_nothing())
    systems = [
        {
            "manufacturer_id": actor.organisation_id,
            "customer_id": each.customer_id,
            "site_id": each.site_id,
            "product_line_id": each.product_line_id,
            "serial": each.serial,
            "name": each.name,
            "created_at": now,
        }
        for each in installed
    ]
    statement = insert(System).values(systems).on_conflict_do_nothing().returning(System.id)
    added = session.scalars(statement).all()
    if added:
        details = {"count": len(added), "integrator_id": integrator_id}
        audit.record(session, actor, "import_systems", "organisation", actor.organisation_id, details=details, now=now)
    found = select(System.serial, System.id).where(
        System.manufacturer_id == actor.organisation_id, System.serial.in_([each.serial for each in installed])
    )
    return {row.serial: row.id for row in session.execute(found)}


def _must_be_manufacturer(actor: Actor) -> None:
    if actor.side is not Side.MANUFACTURER or not actor.has(Role.ADMINISTRATOR):
        raise NotAllowed("This is the manufacturer's administrator's to do.")
