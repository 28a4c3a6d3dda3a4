"""Reads of the directory, always scoped by the actor."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

from sqlalchemy import ColumnElement, Select, and_, exists, or_, select, text, tuple_
from sqlalchemy.orm import Session

from portal.access import Actor, Side
from portal.directory.models import (
    Certificate,
    Organisation,
    ProductLine,
    PunchItem,
    ServiceRelationship,
    Site,
    System,
    TechnicalHistory,
)
from portal.errors import Invalid, NotFound


def organisation(session: Session, organisation_id: int) -> Organisation:
    """An organisation that the actor's scope knows. *Raises*: NotFound."""
    found = session.get(Organisation, organisation_id)
    if found is None:
        raise NotFound()
    return found


def organisations(session: Session, actor: Actor, side: Side | None = None) -> Sequence[Organisation]:
    """The organisations that the actor's own knows, by name; of one side where it is named."""
    statement = select(Organisation).where(Organisation.id != actor.organisation_id)
    if side is not None:
        statement = statement.where(Organisation.side == side.value)
    return session.scalars(statement.order_by(Organisation.name, Organisation.id)).all()


def organisation_names(session: Session, ids: Sequence[int]) -> dict[int, str]:
    """Names by id, for those that are known."""
    if not ids:
        return {}
    rows = session.execute(select(Organisation.id, Organisation.name).where(Organisation.id.in_(set(ids))))
    return {row.id: row.name for row in rows}


def site_names(session: Session, ids: Sequence[int]) -> dict[int, str]:
    """Names of sites by id, for those that are known."""
    if not ids:
        return {}
    rows = session.execute(select(Site.id, Site.name).where(Site.id.in_(set(ids))))
    return {row.id: row.name for row in rows}


def operator(session: Session) -> Organisation:
    """The organisation that runs the deployment. *Raises*: NotFound before it is founded."""
    found = session.scalars(select(Organisation).where(Organisation.is_operator)).one_or_none()
    if found is None:
        raise NotFound("This deployment has no operator yet.")
    return found


def systems_of(actor: Actor, on: date) -> Select[System]:
    """The systems an actor may act on that day: its own make, those it services, or those at its own sites."""
    return select(System).where(_system_scope(actor, on))


def system(session: Session, actor: Actor, system_id: int, on: date) -> System:
    """One of the actor's systems. *Raises*: NotFound."""
    found = session.scalars(systems_of(actor, on).where(System.id == system_id)).one_or_none()
    if found is None:
        raise NotFound()
    return found


def systems_by_words(session: Session, actor: Actor, words: str, on: date, limit: int = 20) -> Sequence[System]:
    """The actor's systems whose serial or name contains the words, by name."""
    pattern = "%" + words.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
    matching = or_(System.serial.ilike(pattern), System.name.ilike(pattern))
    return session.scalars(systems_of(actor, on).where(matching).order_by(System.name, System.id).limit(limit)).all()


def systems_after(
    session: Session, actor: Actor, on: date, *, words: str, after: tuple[str, int] | None, limit: int
) -> Sequence[System]:
    """A page of the actor's systems by name, after the key of the last one seen; only those that match the words."""
    statement = systems_of(actor, on)
    if words:
        pattern = "%" + words.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
        statement = statement.where(or_(System.serial.ilike(pattern), System.name.ilike(pattern)))
    if after is not None:
        statement = statement.where(tuple_(System.name, System.id) > after)
    return session.scalars(statement.order_by(System.name, System.id).limit(limit)).all()


def site(session: Session, actor: Actor, site_id: int) -> Site:
    """One of the sites the actor knows. *Raises*: NotFound."""
    found = next((each for each in sites(session, actor) if each.id == site_id), None)
    if found is None:
        raise NotFound()
    return found


def service_at(session: Session, site_id: int) -> Sequence[ServiceRelationship]:
    """Who services what at a site, as far as the scope may read it; running ones first, then the latest."""
    mine = ServiceRelationship.site_id == site_id
    order = (ServiceRelationship.to_on.is_not(None), ServiceRelationship.from_on.desc(), ServiceRelationship.id)
    return session.scalars(select(ServiceRelationship).where(mine).order_by(*order)).all()


def handed_over(session: Session, system_id: int, limit: int = 50) -> Sequence[TechnicalHistory]:
    """What earlier integrators' cases say of a system, latest first."""
    mine = TechnicalHistory.system_id == system_id
    order = (TechnicalHistory.opened_on.desc(), TechnicalHistory.id.desc())
    return session.scalars(select(TechnicalHistory).where(mine).order_by(*order).limit(limit)).all()


def product_line_names(session: Session, ids: Iterable[int]) -> dict[int, str]:
    """Names of product lines by id."""
    rows = session.execute(select(ProductLine.id, ProductLine.name).where(ProductLine.id.in_(set(ids))))
    return {row.id: row.name for row in rows}


def servicing_integrator_id(session: Session, *, site_id: int, product_line_id: int, on: date) -> int | None:
    """Who services the product line at the site on that day; None where nobody does (house terms)."""
    return session.scalars(
        select(ServiceRelationship.integrator_id).where(
            ServiceRelationship.site_id == site_id,
            ServiceRelationship.product_line_id == product_line_id,
            ServiceRelationship.from_on <= on,
            or_(ServiceRelationship.to_on.is_(None), ServiceRelationship.to_on > on),
        )
    ).one_or_none()


def is_certified(session: Session, *, person_id: int, product_line_id: int, on: date) -> bool:
    """Whether the person holds a certificate for the product line that is valid on that day."""
    valid = exists().where(
        Certificate.person_id == person_id,
        Certificate.product_line_id == product_line_id,
        Certificate.issued_on <= on,
        Certificate.expires_on > on,
    )
    return bool(session.scalar(select(valid)))


def has_valid_certificate(session: Session, actor: Actor, number: str, product_line_id: int, *, on: date) -> bool:
    """Whether a certificate that the actor's company issued under this number is valid for the product line."""
    valid = exists().where(
        Certificate.manufacturer_id == actor.organisation_id,
        Certificate.number == number,
        Certificate.product_line_id == product_line_id,
        Certificate.issued_on <= on,
        Certificate.expires_on > on,
    )
    return bool(session.scalar(select(valid)))


def certificates(session: Session, actor: Actor) -> Sequence[Certificate]:
    """Certificates of the actor's people, or, for a manufacturer, those it issued; soonest to expire first."""
    mine = (
        Certificate.manufacturer_id == actor.organisation_id
        if actor.side is Side.MANUFACTURER
        else Certificate.organisation_id == actor.organisation_id
    )
    return session.scalars(select(Certificate).where(mine).order_by(Certificate.expires_on, Certificate.id)).all()


def certificate_issued(session: Session, actor: Actor, certificate_id: int) -> Certificate:
    """A certificate that the actor's company issued. *Raises*: NotFound."""
    found = session.get(Certificate, certificate_id)
    if found is None or found.manufacturer_id != actor.organisation_id:
        raise NotFound
    return found


def member_by_address(session: Session, address: str, organisation_id: int) -> int:
    """The person of a company that the asker knows, by the address to sign in with. *Raises*: Invalid."""
    found: int | None = session.scalar(
        text("SELECT find_member(:address, :company)"), {"address": address, "company": organisation_id}
    )
    if found is None:
        sentence = "Nobody of this company signs in with this address."
        raise Invalid(sentence, {"email": sentence})
    return found


def sites(session: Session, actor: Actor) -> Sequence[Site]:
    """The sites the actor knows, by name."""
    statement = select(Site).order_by(Site.name, Site.id)
    if actor.side is Side.CUSTOMER:
        statement = statement.where(Site.customer_id == actor.organisation_id)
    if actor.site_ids is not None:
        statement = statement.where(Site.id.in_(actor.site_ids))
    return session.scalars(statement).all()


def makers_at_sites(session: Session, actor: Actor, on: date) -> Sequence[tuple[Site, Organisation]]:
    """Each site of the actor's systems with each manufacturer that has one there, by name."""
    systems = systems_of(actor, on).with_only_columns(System.site_id, System.manufacturer_id).distinct().subquery()
    rows = session.execute(
        select(Site, Organisation)
        .join(systems, systems.c.site_id == Site.id)
        .join(Organisation, Organisation.id == systems.c.manufacturer_id)
        .order_by(Site.name, Site.id, Organisation.name)
    )
    return [(site, maker) for site, maker in rows]


def product_lines(session: Session, manufacturer_id: int) -> Sequence[ProductLine]:
    """A manufacturer's product lines, by name."""
    mine = ProductLine.manufacturer_id == manufacturer_id
    return session.scalars(select(ProductLine).where(mine).order_by(ProductLine.name)).all()


def open_punch_items(session: Session, system_id: int) -> Sequence[PunchItem]:
    """Closeout items still open on a system, oldest first."""
    still_open = and_(PunchItem.system_id == system_id, PunchItem.closed_at.is_(None))
    return session.scalars(select(PunchItem).where(still_open).order_by(PunchItem.id)).all()


def _system_scope(actor: Actor, on: date) -> ColumnElement[bool]:
    if actor.side is Side.MANUFACTURER:
        own: ColumnElement[bool] = System.manufacturer_id == actor.organisation_id
    elif actor.side is Side.CUSTOMER:
        own = System.customer_id == actor.organisation_id
    else:
        own = exists().where(
            ServiceRelationship.site_id == System.site_id,
            ServiceRelationship.product_line_id == System.product_line_id,
            ServiceRelationship.integrator_id == actor.organisation_id,
            ServiceRelationship.from_on <= on,
            or_(ServiceRelationship.to_on.is_(None), ServiceRelationship.to_on > on),
        )
    if actor.site_ids is None:
        return own
    return and_(own, System.site_id.in_(actor.site_ids))
