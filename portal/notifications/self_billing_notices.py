"""What finance is told of self-billing: an agreement offered, ended, or about to expire."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from portal.access import Role
from portal.directory.models import Organisation
from portal.notifications.actions import queue_letter
from portal.notifications.letters import Writing, letter
from portal.notifications.recipients import people_with_role
from portal.notifications.rendering import Fact, Letter
from portal.settlement.selfbilling import queries, rules
from portal.settlement.selfbilling.models import SelfBillingAgreement, SelfBillingEnd

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
    found = queries.ending(session, now.date())
    for one in found:
        days = rules.days_to_mail(one.agreement.expires_on, now.date())
        if days is not None:
            for organisation_id in (one.agreement.manufacturer_id, one.agreement.party_id):
                _tell(session, organisation_id, "self_billing_expires", f"{one.agreement.id}:{days}", now)
    return len(found)


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
