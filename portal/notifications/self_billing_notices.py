"""What finance is told of self-billing and of its tax details: an agreement offered, ended, about to expire; a gap."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.access import Role
from portal.directory.models import Organisation
from portal.notifications.actions import queue_letter
from portal.notifications.letters import Writing, letter
from portal.notifications.recipients import people_with_role
from portal.notifications.rendering import Fact, Letter
from portal.settlement import yearly
from portal.settlement.selfbilling import queries, rules
from portal.settlement.selfbilling.models import SelfBillingAgreement, SelfBillingEnd
from portal.taxes.queries import tax_identity, taxpayer_known

FINANCE = (Role.FINANCE,)


def notify_self_billing(session: Session, agreement_id: int, now: datetime) -> None:
    """Tell the party's finance that an agreement is offered."""
    agreement = session.get_one(SelfBillingAgreement, agreement_id)
    _tell(session, agreement.party_id, "self_billing_offered", str(agreement.id), now)


def notify_self_billing_end(session: Session, agreement_id: int, now: datetime) -> None:
    """Tell both companies' finance that an agreement has ended."""
    agreement = session.get_one(SelfBillingAgreement, agreement_id)
    for organisation_id in (agreement.manufacturer_id, agreement.party_id):
        _tell(session, organisation_id, "self_billing_ended", str(agreement.id), now)


def remind_self_billing(session: Session, now: datetime) -> int:
    """Tell both companies of every agreement that expires soon, once for each of the days before; how many expire."""
    found = queries.ending(session, now)
    for one in found:
        days = rules.days_to_mail(one.agreement.expires_on, one.day)
        if days is not None:
            for organisation_id in (one.agreement.manufacturer_id, one.agreement.party_id):
                _tell(session, organisation_id, "self_billing_expires", f"{one.agreement.id}:{days}", now)
    return len(found)


def remind_tax_forms(session: Session, now: datetime) -> int:
    """Tell the finance of each party what its year's form lacks, once a month; how many parties lack something."""
    unready = set()
    for payer in session.scalars(select(Organisation).where(Organisation.side == "manufacturer")):
        year = now.astimezone(ZoneInfo(payer.zone)).year
        unready |= {one.party_id for one in yearly.recipients_of(session, payer, year) if one.is_unready}
    for party_id in sorted(unready):
        _tell(session, party_id, "tax_form_missing", f"{party_id}:{now:%Y-%m}", now)
    return len(unready)


@letter("tax_form_missing")
def tax_form_missing(writing: Writing) -> Letter | None:
    """What a company that is paid in dollars has not said yet."""
    party_id = int(writing.delivery.object_id.split(":")[0])
    lacks = []
    if tax_identity(writing.session, party_id) is None:
        lacks.append("the registered name and address")
    if taxpayer_known(writing.session, party_id) is None:
        lacks.append("the certified tax number (W-9 or W-8BEN-E)")
    if not lacks:
        return None
    return Letter(
        subject="Your tax details are missing for this year's forms",
        greeting=writing.greeting,
        sentences=(
            f"What is missing: {' and '.join(lacks)}.",
            "Whoever pays you has to report the year's payments with it, and may have to withhold tax without it.",
        ),
        button=("Enter it", writing.page("finance-details")),
    )


@letter("self_billing_offered")
def self_billing_offered(writing: Writing) -> Letter | None:
    """An agreement waits for the party's yes."""
    agreement, maker, _ = _read(writing)
    return Letter(
        subject=f"{maker} offers to issue your invoices",
        greeting=writing.greeting,
        sentences=(
            "Where you accept it, your shares are invoiced in your name when a statement is approved.",
            "Until then, statements are paid against the number of your own invoice.",
        ),
        facts=_days(agreement),
        button=("Read the agreement", writing.page(f"self-billing/{agreement.id}")),
    )


@letter("self_billing_ended")
def self_billing_ended(writing: Writing) -> Letter | None:
    """An agreement was ended by one of the two."""
    agreement, maker, party = _read(writing)
    end = writing.session.query(SelfBillingEnd).filter_by(agreement_id=agreement.id).one()
    return Letter(
        subject=f"Self-billing between {maker} and {party} has ended",
        greeting=writing.greeting,
        sentences=("Statements approved from now on are paid against the number of the party's own invoice.",),
        quote=end.reason,
        button=("Look at the agreement", writing.page(f"self-billing/{agreement.id}")),
    )


@letter("self_billing_expires")
def self_billing_expires(writing: Writing) -> Letter | None:
    """An agreement expires, and no other goes on from it."""
    agreement, maker, party = _read(writing)
    return Letter(
        subject=f"Self-billing between {maker} and {party} expires on {agreement.expires_on.isoformat()}",
        greeting=writing.greeting,
        sentences=(
            f"Offer and accept a new agreement before then, or {party} invoices its shares itself from that day on.",
        ),
        facts=_days(agreement),
        button=("Look at the agreement", writing.page(f"self-billing/{agreement.id}")),
    )


def _read(writing: Writing) -> tuple[SelfBillingAgreement, str, str]:
    agreement = writing.session.get_one(SelfBillingAgreement, int(writing.delivery.object_id.split(":")[0]))
    maker = writing.session.get_one(Organisation, agreement.manufacturer_id)
    party = writing.session.get_one(Organisation, agreement.party_id)
    return agreement, maker.name, party.name


def _days(agreement: SelfBillingAgreement) -> tuple[Fact, ...]:
    return Fact("Holds from", agreement.starts_on.isoformat()), Fact("Expires", agreement.expires_on.isoformat())


def _tell(session: Session, organisation_id: int, template: str, about: str, now: datetime) -> None:
    for recipient in people_with_role(session, organisation_id, FINANCE):
        queue_letter(session, recipient, template, about=("self_billing", about), now=now, once=f"{template}:{about}")
