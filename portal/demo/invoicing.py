"""Who invoices whom: finance details of the companies, one self-billing agreement, one party that invoices itself.

Kessler accepted that Nordlicht issues its invoices, until soon, and certified its tax number; Alpen, in Austria,
numbers its own; Hudson is paid in dollars and its W-9 is missing.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

from sqlalchemy.orm import Session

from portal.access import Actor, Role
from portal.demo.story import MINUTE, Act, Story
from portal.settlement.selfbilling import actions
from portal.settlement.selfbilling.billing import waiting_for_invoice
from portal.taxes.actions import keep_details, record_registration
from portal.taxes.certifying import certify

# Registered name, address, country, tax number.
DETAILS = {
    "NOR": ("Nordlicht Access GmbH", "Hafenstraße 12\n24103 Kiel\nGermany", "DE", "DE293847561"),
    "KES": ("Kessler Sicherheit GmbH & Co. KG", "Industrieweg 4\n24145 Kiel\nGermany", "DE", "DE174839265"),
    "MER": ("Meridian Audio Inc.", "40 Foundry Road\nTroy, NY 12180\nUnited States", "US", ""),
    "HUD": ("Hudson Integration LLC", "11 Ferry Street\nTroy, NY 12180\nUnited States", "US", ""),
    "ALP": ("Alpen Haustechnik GmbH", "Getreidegasse 7\n5020 Salzburg\nAustria", "AT", "ATU63728194"),
}
REGISTERED_FROM = date(2015, 1, 1)
# The first is near enough to be shown on the first page of both.
AGREED = {("NOR", "KES"): timedelta(days=38), ("MER", "HUD"): timedelta(days=300)}
# What is sealed with it is shown to nobody, so the demonstration needs no secret of the deployment.
SEALED_WITH = "the demonstration's number is nobody's"


def plan_invoicing(story: Story, at: datetime) -> None:
    """Have finance of the companies say who they are, and Kessler accept that Nordlicht issues its invoices."""

    def say(session: Session, now: datetime) -> None:
        for code, (name, address, country, number) in DETAILS.items():
            finance = _finance(story, code)
            keep_details(
                session, finance, legal_name=name, address=address, country=country, is_small_business=False, now=now
            )
            if number:
                record_registration(
                    session, finance, country=country, number=number, valid_from=REGISTERED_FROM, valid_to=None, now=now
                )
        for (manufacturer, party), lasts in AGREED.items():
            agreement = actions.offer_agreement(
                session,
                _finance(story, manufacturer),
                party_id=story.world.organisations[party].id,
                starts_on=now.date(),
                expires_on=(story.now + lasts).date(),
                now=now,
            )
            actions.accept_agreement(
                session, _finance(story, party), agreement.id, shown_sha256=agreement.text_sha256, now=now + 5 * MINUTE
            )
        _certify(session, _finance(story, "KES"), now)

    story.plan(at, say)


def _certify(session: Session, finance: Actor, now: datetime) -> None:
    """Kessler has certified who it is; Hudson, which is paid in dollars, has not."""
    certify(
        session,
        finance,
        form="W-8BEN-E",
        classification="partnership",
        certified_name=DETAILS["KES"][0],
        number_type="foreign",
        number="20/174/83926",
        certified_on=now.date(),
        secret=SEALED_WITH,
        now=now,
    )


def invoice_itself(story: Story, code: str) -> Act:
    """A party without an agreement says the numbers of its own invoices."""
    finance = _finance(story, code)

    def act(session: Session, now: datetime) -> None:
        for statement in waiting_for_invoice(session, finance, now, most=5):
            number = f"{now:%Y}-{100 + statement.number}"
            actions.record_own_invoice(session, finance, statement.id, number=number, dated_on=now.date(), now=now)

    return act


def _finance(story: Story, code: str) -> Actor:
    return story.world.people_of(code, Role.FINANCE)[0]
