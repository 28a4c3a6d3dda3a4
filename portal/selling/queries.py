"""Reads of selling: what a site can buy, offers, what was bought and how it stands, certificates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.access import Actor, Role, Side
from portal.contracts import queries as contracts
from portal.contracts.agreement_checks import SHARES
from portal.contracts.models import PlanChoice
from portal.entitlement.queries import terms_in_force
from portal.errors import NotFound
from portal.payments import queries as payments
from portal.payments.checkouts import page_of
from portal.payments.models import CashReceipt, Intent, ProviderSubscription, SubscriptionBill, SubscriptionSeen
from portal.payments.rules import SUBSCRIPTION_ENDED
from portal.selling.models import (
    Offer,
    OfferEnd,
    OfferRelease,
    PromotionCode,
    PromotionCodeEnd,
    PromotionUse,
    PromotionUseEnd,
    Purchase,
    PurchaseStep,
    ResalePrice,
)
from portal.selling.rules import State, state_of
from portal.taxes.models import TaxExemption, TaxExemptionEnd

LISTED = 100


@dataclass(frozen=True)
class Bought:
    """A purchase with its steps, and what payments know of it as far as the reader may see that."""

    purchase: Purchase
    steps: dict[str, PurchaseStep]
    intent: Intent | None
    receipts: Sequence[CashReceipt]
    subscription: ProviderSubscription | None
    seen: SubscriptionSeen | None
    bills: Sequence[SubscriptionBill]
    resale: ResalePrice | None
    promotion: PromotionUse | None = None

    @property
    def due_minor(self) -> int:
        """What is asked first, without tax: the price less what a code took off."""
        return self.purchase.price_minor - (self.promotion.discount_minor if self.promotion is not None else 0)

    @property
    def state(self) -> State:
        """How it stands."""
        return state_of(self.steps)

    @property
    def paid_minor(self) -> int:
        """What was paid, with tax."""
        return sum(receipt.amount_minor for receipt in self.receipts)

    @property
    def tax_minor(self) -> int:
        """The sales tax in it."""
        return sum(receipt.tax_minor for receipt in self.receipts)

    def page(self, now: datetime) -> str:
        """Where it can be paid now; empty when it cannot."""
        return page_of(self.intent, now) if self.intent is not None and self.state is State.OPEN else ""


def may_see_purchases(actor: Actor) -> bool:
    """What was bought: the customer's buyers and finance, the two companies' managers and finance."""
    if actor.side is Side.CUSTOMER:
        return actor.has(Role.BUYER, Role.FINANCE)
    return actor.has(Role.SERVICE_MANAGER, Role.SUPPORT_LEAD, Role.FINANCE)


def purchases(session: Session, actor: Actor) -> list[Bought]:
    """What the actor's organisation bought, sold or had sold to its customers, the newest first."""
    own = {
        Side.CUSTOMER: Purchase.customer_id,
        Side.INTEGRATOR: Purchase.integrator_id,
        Side.MANUFACTURER: Purchase.manufacturer_id,
    }[actor.side]
    wanted = select(Purchase).where(own == actor.organisation_id)
    if actor.site_ids is not None:
        wanted = wanted.where(Purchase.site_id.in_(actor.site_ids))
    found = session.scalars(wanted.order_by(Purchase.id.desc()).limit(LISTED)).all()
    return [bought(session, purchase) for purchase in found]


def purchase_by_key(session: Session, actor: Actor, key: UUID) -> Bought:
    """One purchase by the key in its address. *Raises*: NotFound for somebody else's."""
    found = session.scalars(select(Purchase).where(Purchase.form_key == key)).one_or_none()
    parties = () if found is None else (found.customer_id, found.integrator_id, found.manufacturer_id)
    if found is None or actor.organisation_id not in parties:
        raise NotFound()
    if actor.site_ids is not None and found.site_id not in actor.site_ids:
        raise NotFound()
    return bought(session, found)


def choices_of(session: Session, purchase: Purchase) -> list[PlanChoice]:
    """The choices of a plan that a purchase pays for, the earliest first."""
    found = contracts.plan_choices(session, site_id=purchase.site_id, manufacturer_id=purchase.manufacturer_id)
    return [each for each in found if each.terms.get("purchase_id") == purchase.id]


def paid_by_subscription(session: Session, *, site_id: int, manufacturer_id: int, at: datetime) -> Purchase | None:
    """The order whose running subscription pays for a site's plan; None where the plan is paid otherwise."""
    held = contracts.plan_choice_at(session, site_id=site_id, manufacturer_id=manufacturer_id, at=at)
    return subscribed(session, held) if held is not None else None


def subscribed(session: Session, choice: PlanChoice) -> Purchase | None:
    """The order whose running subscription pays for a choice; None where it is paid otherwise, or ended."""
    row = session.get(Purchase, choice.terms["purchase_id"]) if "intent_id" in choice.terms else None
    seen = bought(session, row).seen if row is not None else None
    return row if seen is not None and seen.status != SUBSCRIPTION_ENDED else None


def purchases_by_intent(session: Session, intent_ids: Sequence[UUID]) -> dict[UUID, Purchase]:
    """The purchases of checkouts, by their intents."""
    found = session.scalars(select(Purchase).where(Purchase.intent_id.in_(intent_ids)))
    return {row.intent_id: row for row in found if row.intent_id is not None}


def bought(session: Session, purchase: Purchase) -> Bought:
    """A purchase with everything about it that the session may read."""
    rows = session.scalars(select(PurchaseStep).where(PurchaseStep.purchase_id == purchase.id))
    intent = session.get(Intent, purchase.intent_id) if purchase.intent_id else None
    subscription = payments.subscription_of(session, intent.id) if intent is not None else None
    resale = None
    if purchase.offer_id is not None:
        resale = session.scalars(select(ResalePrice).where(ResalePrice.offer_id == purchase.offer_id)).one_or_none()
    return Bought(
        purchase=purchase,
        steps={row.kind: row for row in rows},
        intent=intent,
        receipts=payments.prepayments_of(session, intent.id) if intent is not None else (),
        subscription=subscription,
        seen=payments.last_seen(session, subscription.id) if subscription is not None else None,
        bills=payments.bills_of(session, subscription.id) if subscription is not None else (),
        resale=resale,
        promotion=session.scalars(select(PromotionUse).where(PromotionUse.purchase_id == purchase.id)).one_or_none(),
    )


def discount_borne_by(session: Session, found: Bought) -> str:
    """Who bears what a code took off an order, by the word of the agreement in force then; for its companies."""
    if found.promotion is None:
        return SHARES
    row = found.purchase
    between = {"manufacturer_id": row.manufacturer_id, "integrator_id": row.integrator_id}
    agreement = terms_in_force(session, **between, at=row.ordered_at).agreement
    return agreement.selling.discounts_borne_by if agreement is not None else SHARES


@dataclass(frozen=True)
class CodeView:
    """A promotion code, its uses with the orders they are of, and its end."""

    code: PromotionCode
    end: PromotionCodeEnd | None
    uses: Sequence[tuple[PromotionUse, Purchase, PromotionUseEnd | None]]

    @property
    def used(self) -> int:
        """How often it is used: what was given back counts no more."""
        return sum(ended is None for _, _, ended in self.uses)

    def state(self, now: datetime) -> str:
        """How it stands: withdrawn, over, to come, used up or open."""
        if self.end is not None:
            return "withdrawn"
        if self.code.ends_at is not None and now >= self.code.ends_at:
            return "over"
        if now < self.code.starts_at:
            return "to_come"
        return "used_up" if self.code.most_uses is not None and self.used >= self.code.most_uses else "open"


def promotion_codes(session: Session, actor: Actor) -> list[CodeView]:
    """The codes of the actor's manufacturer, the newest first."""
    mine = select(PromotionCode).where(PromotionCode.manufacturer_id == actor.organisation_id)
    return [_code_view(session, code) for code in session.scalars(mine.order_by(PromotionCode.id.desc()).limit(LISTED))]


def promotion_code(session: Session, actor: Actor, code_id: int) -> CodeView:
    """One code. *Raises*: NotFound for another manufacturer's."""
    code = session.get(PromotionCode, code_id)
    if code is None or code.manufacturer_id != actor.organisation_id:
        raise NotFound()
    return _code_view(session, code)


def _code_view(session: Session, code: PromotionCode) -> CodeView:
    uses = session.execute(
        select(PromotionUse, Purchase, PromotionUseEnd)
        .join(Purchase, Purchase.id == PromotionUse.purchase_id)
        .outerjoin(PromotionUseEnd, PromotionUseEnd.use_id == PromotionUse.id)
        .where(PromotionUse.promotion_code_id == code.id)
        .order_by(PromotionUse.id.desc())
    )
    end = session.scalars(select(PromotionCodeEnd).where(PromotionCodeEnd.promotion_code_id == code.id))
    return CodeView(code, end.one_or_none(), [(row[0], row[1], row[2]) for row in uses])


@dataclass(frozen=True)
class OfferView:
    """An offer as one side reads it: ``offer`` is None for the customer, ``release`` while it does not see it yet."""

    offer: Offer | None
    release: OfferRelease | None
    end: OfferEnd | None
    resale: ResalePrice | None
    purchase: Purchase | None

    @property
    def shown(self) -> Offer | OfferRelease:
        """What the offer is for: both rows say the same of that."""
        found = self.release or self.offer
        if found is None:
            raise NotFound()
        return found

    @property
    def offer_id(self) -> int:
        """The offer's number."""
        return self.release.offer_id if self.release is not None else self.shown.id

    @property
    def customer_minor(self) -> int | None:
        """What the customer is asked, where the reader may see that."""
        if self.shown.collector == "integrator":
            return self.resale.price_minor if self.resale is not None else None
        return self.shown.price_minor

    def state(self, now: datetime) -> str:
        """How it stands: with the integrator, open, or how it ended."""
        if self.end is not None:
            return self.end.outcome
        if now >= self.shown.expires_at:
            return "expired"
        return "open" if self.release is not None else "with_integrator"


def offers(session: Session, actor: Actor) -> list[OfferView]:
    """The offers of the actor's organisation, the newest first; a customer's once they were passed on."""
    if actor.side is Side.CUSTOMER:
        mine = select(OfferRelease.offer_id).where(OfferRelease.customer_id == actor.organisation_id)
        if actor.site_ids is not None:
            mine = mine.where(OfferRelease.site_id.in_(actor.site_ids))
        ids = session.scalars(mine.order_by(OfferRelease.offer_id.desc()).limit(LISTED)).all()
    else:
        own = Offer.manufacturer_id if actor.side is Side.MANUFACTURER else Offer.integrator_id
        mine = select(Offer.id).where(own == actor.organisation_id)
        ids = session.scalars(mine.order_by(Offer.id.desc()).limit(LISTED)).all()
    return [offer_view(session, actor, offer_id) for offer_id in ids]


def offer_view(session: Session, actor: Actor, offer_id: int) -> OfferView:
    """One offer as the actor's side reads it. *Raises*: NotFound."""
    offer = session.get(Offer, offer_id) if actor.side is not Side.CUSTOMER else None
    release = session.scalars(select(OfferRelease).where(OfferRelease.offer_id == offer_id)).one_or_none()
    found = release or offer
    if found is None or actor.organisation_id not in _readers(actor, found):
        raise NotFound()
    if actor.site_ids is not None and found.site_id not in actor.site_ids:
        raise NotFound()
    return OfferView(
        offer=offer,
        release=release,
        end=session.scalars(select(OfferEnd).where(OfferEnd.offer_id == offer_id)).one_or_none(),
        resale=session.scalars(select(ResalePrice).where(ResalePrice.offer_id == offer_id)).one_or_none(),
        purchase=session.scalars(select(Purchase).where(Purchase.offer_id == offer_id)).one_or_none(),
    )


def _readers(actor: Actor, row: Offer | OfferRelease) -> tuple[int, ...]:
    if actor.side is Side.CUSTOMER:
        return (row.customer_id,)
    return (row.manufacturer_id,) if actor.side is Side.MANUFACTURER else (row.integrator_id,)


def exemptions(session: Session, actor: Actor) -> Sequence[tuple[TaxExemption, TaxExemptionEnd | None]]:
    """The certificates of the actor's organisation, the newest first, and when one was taken back."""
    rows = session.execute(
        select(TaxExemption, TaxExemptionEnd)
        .outerjoin(TaxExemptionEnd, TaxExemptionEnd.exemption_id == TaxExemption.id)
        .where(TaxExemption.organisation_id == actor.organisation_id)
        .order_by(TaxExemption.id.desc())
    )
    return [(row[0], row[1]) for row in rows]
