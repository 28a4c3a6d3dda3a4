"""Certificates that a payer owes no sales tax, read where something is ordered or invoiced.

A certificate's day is its payer's: it is entered and counted by the same zone, whoever sells.
"""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.access import Actor, Role, Side
from portal.directory.models import Organisation
from portal.taxes.models import TaxExemption, TaxExemptionEnd
from portal.zones import local_day


def certificate_day(session: Session, organisation_id: int, at: datetime) -> date:
    """The day of an instant for certificates: the payer's own, where one is entered as where an order is taxed.

    A certificate names no manufacturer, so that no manufacturer's midnight can end it.
    """
    return local_day(session.get_one(Organisation, organisation_id).zone, at)


def exemption_at(session: Session, organisation_id: int, at: datetime) -> TaxExemption | None:
    """A payer's certificate that holds at an instant, by the payer's own day."""
    on = certificate_day(session, organisation_id, at)
    ended = select(TaxExemptionEnd.exemption_id)
    return session.scalars(
        select(TaxExemption)
        .where(
            TaxExemption.organisation_id == organisation_id,
            TaxExemption.valid_from <= on,
            TaxExemption.expires_on > on,
            TaxExemption.id.not_in(ended),
        )
        .order_by(TaxExemption.expires_on.desc())
        .limit(1)
    ).one_or_none()


def may_keep(actor: Actor) -> bool:
    """Certificates are kept by a customer's buyer or finance, and by an integrator's finance for what it sells on."""
    if actor.side is Side.CUSTOMER:
        return actor.has(Role.BUYER, Role.FINANCE)
    return actor.side is Side.INTEGRATOR and actor.has(Role.FINANCE)
