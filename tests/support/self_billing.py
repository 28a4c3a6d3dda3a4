"""Self-billing as tests go through it: both companies' details, an agreement that the party accepted."""

from __future__ import annotations

from datetime import date

from sqlalchemy.orm import Session

from portal.settlement.selfbilling import actions
from portal.settlement.selfbilling.models import SelfBillingAgreement
from portal.taxes.actions import keep_details, record_registration
from tests.support.cast import NOW, Cast

BEGINS, EXPIRES = date(2026, 1, 1), date(2027, 1, 1)

ADDRESSES = {"US": "1 Ferry Street\nTroy, NY 12180"}


def details(
    session: Session, actor, *, country: str = "DE", number: str = "", name: str = "", small: bool = False,
    phone: str = "",
):  # fmt: skip
    """Say who the actor's company is for tax, registered under a number where one is named."""
    keep_details(
        session, actor, legal_name=name or f"{actor.display_name} company",
        address=ADDRESSES.get(country, "Hafen 1\n24103 Kiel"), country=country, is_small_business=small, phone=phone,
        now=NOW,
    )  # fmt: skip
    if number:
        record_registration(
            session, actor, country=country, number=number, valid_from=date(2020, 1, 1), valid_to=None, now=NOW
        )


def both_details(session: Session, cast: Cast) -> None:
    """The factory and the integrator, both registered in Germany."""
    details(session, cast.fay, number="DE987654321", name="Nordlicht Access GmbH")
    details(session, cast.ivo, number="DE123456789", name="Kessler Sicherheit GmbH")


def offered(session: Session, cast: Cast) -> SelfBillingAgreement:
    """An agreement that the integrator has not accepted yet."""
    return actions.offer_agreement(
        session, cast.fay, party_id=cast.integrator.id, starts_on=BEGINS, expires_on=EXPIRES, now=NOW
    )


def agreed(session: Session, cast: Cast) -> SelfBillingAgreement:
    """The same, accepted."""
    agreement = offered(session, cast)
    actions.accept_agreement(session, cast.ivo, agreement.id, shown_sha256=agreement.text_sha256, now=NOW)
    return agreement
