"""What companies deal beside cases: offers, an order at the shop, a purchase order, money that goes back.

The integrator finds an offer of the factory to pass on, and its own wait for their buyers, one of them with a code of
the factory's. A small refund is done, goodwill waits for the second person, and a payer's bank has just taken a payment
back.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.access import Actor, Role
from portal.adjustments.actions import asking
from portal.adjustments.rules.asking import GOODWILL, MANUFACTURER, REFUND
from portal.billing.models import Invoice
from portal.contracts.holdings import pack_named, price_of_packs
from portal.contracts.queries import policy_in_force
from portal.demo.standin_control import StandIn
from portal.demo.story import MINUTE, Act, Story
from portal.entitlement.orders.actions import NewOrder, enter_order
from portal.jobs import enqueue
from portal.payments.cash import STRIPE
from portal.payments.models import CashReceipt, Intent
from portal.selling.actions import offering, ordering, promoting
from portal.selling.models import Purchase
from portal.selling.rules import Promotion

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
FORM_KEY = UUID("6c1f0a52-7f1d-4a55-9a3c-0f3f5f0c9e11")


@dataclass(frozen=True)
class Offered:
    """Packs that are offered for a place; at the policy's price where none is named."""

    place: str
    code: str
    note: str
    price_minor: int | None = None
    promotion: str = ""


WINTER = Offered("museum", "incidents_5", "For the winter season.", 130_500)
MONDAY = Offered("ambulanz", "hours_10", "As we spoke of on Monday.")
OPENING = Offered("museum", "hours_10", "For the new wing, with the factory's code.", promotion="OPENING-10")


def plan_dealings(story: Story, standin: StandIn, paid_at: datetime) -> None:
    """Plan all of it; ``paid_at`` is when the last invoices were paid."""
    story.plan(paid_at - 3 * DAY, _purchase_order(story))
    story.plan(paid_at + DAY, _refund(story, standin))
    story.plan(story.now - 26 * HOUR, _goodwill(story))
    story.plan(story.now - 5 * HOUR, _taken_back(story, standin))
    story.plan(story.now - 4 * HOUR, _polled(standin))
    story.plan(story.now - 3 * HOUR, _offer(story, "leo", WINTER))
    story.plan(story.now - 2 * HOUR, _offer(story, "mia", MONDAY))
    story.plan(story.now - 100 * MINUTE, _code(story, "fay", OPENING))
    story.plan(story.now - 90 * MINUTE, _offer(story, "mia", OPENING))
    story.plan(story.now - 40 * MINUTE, _order(story, standin, "bea", "klinikum", "incidents_5"))
    story.plan(story.now - 35 * MINUTE, _pay_at_checkout(standin))
    story.plan(story.now - 30 * MINUTE, _polled(standin))


def _purchase_order(story: Story) -> Act:
    buyer = story.world.actors["una"]
    maker = story.world.organisations["NOR"]

    def act(session: Session, now: datetime) -> None:
        new = NewOrder(
            manufacturer_id=maker.id,
            payer_id=buyer.organisation_id,
            number=f"MI-{now:%Y}-114",
            currency="EUR",
            amount_minor=200_000,
            expires_on=date(now.year + 1, 6, 30),
            payable_email="accounts@mus.example",
            payable_address="Museum Insel, Hafen 3, 23552 Lübeck",
        )
        enter_order(session, buyer, new, now=now)

    return act


def _refund(story: Story, standin: StandIn) -> Act:
    """Ten of what the first payer paid goes back, within the limit of nobody: two people of finance do it."""
    asker, decider = story.world.people_of("NOR", Role.FINANCE)[:2]

    def act(session: Session, now: datetime) -> None:
        standin.set_clock(now)
        for invoice_id, receipt in _by_card(session, asker)[:1]:
            wanted = asking.Wanted(REFUND, 1_000, "Half an hour was counted twice.", receipt_id=receipt.id)
            asked = asking.ask(session, asker, invoice_id, wanted, now=now)
            if asked.needs_second:
                asking.decide(session, decider, asked.id, outcome=asking.YES, explanation="", now=now)

    return act


def _goodwill(story: Story) -> Act:
    """The support lead gives something up on the newest bill that somebody outside still owes."""
    lead = story.world.actors["leo"]

    def act(session: Session, now: datetime) -> None:
        open_ones = (
            select(Invoice)
            .where(Invoice.manufacturer_id == lead.organisation_id)
            .where(Invoice.id.not_in(select(CashReceipt.invoice_id)))
            .order_by(Invoice.id.desc())
        )
        for invoice in session.scalars(open_ones.limit(1)):
            reason = "Three calls until the right door was found; thanked with half an hour."
            wanted = asking.Wanted(GOODWILL, 2_500, reason, bearer=MANUFACTURER)
            asking.ask(session, lead, invoice.id, wanted, now=now)

    return act


def _taken_back(story: Story, standin: StandIn) -> Act:
    finance = story.world.people_of("NOR", Role.FINANCE)[0]

    def act(session: Session, now: datetime) -> None:
        standin.set_clock(now)
        for _, receipt in _by_card(session, finance)[-1:]:
            standin.dispute(str(receipt.provider_object_id))

    return act


def _polled(standin: StandIn) -> Act:
    def act(session: Session, now: datetime) -> None:
        standin.set_clock(now)
        enqueue(session, "poll_events")
        enqueue(session, "import_balance_movements")

    return act


def _offer(story: Story, who: str, offered: Offered) -> Act:
    actor, site = story.world.actors[who], story.world.sites[offered.place]
    maker = story.world.organisations["NOR"]

    def act(session: Session, now: datetime) -> None:
        policy = policy_in_force(session, maker.id, now).policy
        asked = offered.price_minor or price_of_packs(policy, pack_named(policy, offered.code), 1).total_minor
        item = (site.id, maker.id, "pack", offered.code, "once", 1, asked)
        terms = offering.Terms(*item, days=14, note=offered.note, promotion=offered.promotion)
        offering.make_offer(session, actor, terms, now=now)

    return act


def _code(story: Story, who: str, offered: Offered) -> Act:
    """The factory takes a tenth off what is offered, once for each customer, until the end of the season."""
    actor = story.world.actors[who]

    def act(session: Session, now: datetime) -> None:
        currency = policy_in_force(session, actor.organisation_id, now).policy.currency
        goods = (f"pack:{offered.code}",)
        promotion = Promotion(
            offered.promotion, 10, None, currency, goods, now, now + 90 * DAY, most_uses=20, once_per_customer=True
        )
        promoting.make_code(session, actor, promotion, now=now)

    return act


def _order(story: Story, standin: StandIn, who: str, place: str, code: str) -> Act:
    buyer, site = story.world.actors[who], story.world.sites[place]
    maker = story.world.organisations["NOR"]

    def act(session: Session, now: datetime) -> None:
        standin.set_clock(now)
        held = policy_in_force(session, maker.id, now)
        price = price_of_packs(held.policy, pack_named(held.policy, code), 1).total_minor
        wanted = ordering.Order(
            *(site.id, maker.id, "pack", code, "once", 1, held.version.sha256, price), form_key=FORM_KEY
        )
        ordering.order(session, buyer, wanted, ordering.Place("http://localhost"), now=now)

    return act


def _pay_at_checkout(standin: StandIn) -> Act:
    def act(session: Session, now: datetime) -> None:
        standin.set_clock(now)
        opened = select(Intent.provider_object_id).join(Purchase, Purchase.intent_id == Intent.id)
        for checkout in session.scalars(opened.where(Purchase.form_key == FORM_KEY, Intent.state == "succeeded")):
            standin.pay_checkout(str(checkout))

    return act


def _by_card(session: Session, finance: Actor) -> list[tuple[int, CashReceipt]]:
    """Invoices of the actor's company and what was paid on them at Stripe, first the oldest."""
    ours = select(Invoice.id, CashReceipt).join(CashReceipt, CashReceipt.invoice_id == Invoice.id)
    mine = ours.where(Invoice.manufacturer_id == finance.organisation_id, CashReceipt.source == STRIPE)
    return [(invoice_id, receipt) for invoice_id, receipt in session.execute(mine.order_by(CashReceipt.id))]
