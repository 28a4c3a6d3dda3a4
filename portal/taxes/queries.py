"""Reads of finance details: an organisation's own, and those of the companies it settles with."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from portal.access import Actor, Side, may_handle_finance
from portal.errors import NotAllowed, NotFound
from portal.taxes.models import FinanceDetail, TaxRegistration, TaxRegistrationEnd
from portal.taxes.rules.identity import TaxIdentity, identity_from
from portal.taxes.rules.taxpayer import Taxpayer, taxpayer_from

# Under a scope the database tells an organisation of those it settles with; a job reads whatever its role reads.
_KNOWN = text("SELECT known_tax_identity(:company)")
_OF = text("SELECT tax_identity_of(:company)")
_KNOWN_TAXPAYER = text("SELECT known_taxpayer(:company)")
_TAXPAYER_OF = text("SELECT taxpayer_of(:company)")


def tax_identity(session: Session, organisation_id: int) -> TaxIdentity | None:
    """Who an organisation is for tax; None where it has not said, or the reader does not settle with it."""
    session.flush()
    known = session.scalar(_KNOWN if session.info.get("scope") else _OF, {"company": organisation_id})
    return identity_from(known) if known else None


def own_details(session: Session, actor: Actor) -> FinanceDetail | None:
    """What the actor's organisation said of itself last. *Raises*: NotAllowed."""
    check_keeper(actor)
    wanted = select(FinanceDetail).where(FinanceDetail.organisation_id == actor.organisation_id)
    return session.scalars(wanted.order_by(FinanceDetail.id.desc()).limit(1)).one_or_none()


def own_registrations(session: Session, actor: Actor) -> Sequence[tuple[TaxRegistration, TaxRegistrationEnd | None]]:
    """The actor's organisation's registrations, each with its early end, the latest first. *Raises*: NotAllowed."""
    check_keeper(actor)
    rows = session.execute(
        select(TaxRegistration, TaxRegistrationEnd)
        .outerjoin(TaxRegistrationEnd, TaxRegistrationEnd.registration_id == TaxRegistration.id)
        .where(TaxRegistration.organisation_id == actor.organisation_id)
        .order_by(TaxRegistration.id.desc())
    )
    return [(row[0], row[1]) for row in rows]


def own_registration(session: Session, actor: Actor, registration_id: int) -> TaxRegistration:
    """A registration of the actor's organisation. *Raises*: NotAllowed, NotFound."""
    check_keeper(actor)
    found = session.get(TaxRegistration, registration_id)
    if found is None or found.organisation_id != actor.organisation_id:
        raise NotFound
    return found


def may_keep_details(actor: Actor) -> bool:
    """What an organisation says for tax is its finance's; customers are asked by nobody here."""
    return actor.side is not Side.CUSTOMER and may_handle_finance(actor)


def check_keeper(actor: Actor) -> None:
    """*Raises*: NotAllowed for anybody but finance of a company that is settled with."""
    if not may_keep_details(actor):
        raise NotAllowed("Finance details are kept by the company's own finance.")


def taxpayer(session: Session, actor: Actor, organisation_id: int) -> Taxpayer | None:
    """What an organisation certified, its number masked, for its finance and its payer's. *Raises*: NotAllowed."""
    check_keeper(actor)
    return taxpayer_known(session, organisation_id)


def taxpayer_known(session: Session, organisation_id: int) -> Taxpayer | None:
    """The same for jobs."""
    session.flush()
    wanted = _KNOWN_TAXPAYER if session.info.get("scope") else _TAXPAYER_OF
    known = session.scalar(wanted, {"company": organisation_id})
    return taxpayer_from(known) if known else None
