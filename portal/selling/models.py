"""Tables of selling: offers, what of them a customer sees, purchases with their steps, codes, certificates.

All facts. What the companies know of an offer and what its customer reads are two tables, so that nobody reads a column
that is not theirs; a price that an integrator asks and collects itself is a third, which the manufacturer never reads.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base, Id, Json

_KIND = "kind IN ('plan', 'pack')"
_INTERVAL = "(kind = 'pack') = (interval = 'once') AND interval IN ('once', 'month', 'year')"
_COLLECTOR = "collector IN ('operator', 'integrator')"
# What an integrator invoices itself knows no codes.
_WITH_CODE = "promotion IS NULL OR collector = 'operator'"


class Offer(Base):
    """A plan or packs that the manufacturer or the integrator offers for a site; ``price_minor`` is all of it.

    Where the integrator collects, ``price_minor`` is what it owes for the sale: the policy's price. ``promotion`` is a
    code that is used when the offer is accepted, where it is good then.
    """

    __tablename__ = "offer"
    __table_args__ = (
        Index("ix_offer_manufacturer_id", "manufacturer_id", "id"),
        Index("ix_offer_integrator_id", "integrator_id", "id"),
        CheckConstraint(_KIND, name="kind"),
        CheckConstraint(_INTERVAL, name="interval"),
        CheckConstraint(_COLLECTOR, name="collector"),
        CheckConstraint("quantity > 0 AND list_minor > 0 AND price_minor > 0", name="amounts"),
        CheckConstraint("expires_at > offered_at", name="order"),
        CheckConstraint(_WITH_CODE, name="promotion"),
        ForeignKeyConstraint(
            ["manufacturer_id", "promotion"], ["promotion_code.manufacturer_id", "promotion_code.code"]
        ),
    )

    id: Mapped[Id]
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    integrator_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    customer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"))
    case_id: Mapped[int | None] = mapped_column(ForeignKey("support_case.id"))
    kind: Mapped[str]
    code: Mapped[str]
    name: Mapped[str]
    quantity: Mapped[int]
    interval: Mapped[str]
    collector: Mapped[str]
    offered_by_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    policy_version_id: Mapped[int] = mapped_column(ForeignKey("document_version.id"))
    agreement_version_id: Mapped[int | None] = mapped_column(ForeignKey("document_version.id"))
    currency: Mapped[str]
    list_minor: Mapped[int]
    price_minor: Mapped[int]
    promotion: Mapped[str | None]
    note: Mapped[str]
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    expires_at: Mapped[datetime]
    offered_at: Mapped[datetime]


class OfferRelease(Base):
    """An offer as its customer sees it, once the integrator passed it on, countered it, or let its days pass.

    ``price_minor`` is None where the integrator collects: its price is in ``resale_price``.
    """

    __tablename__ = "offer_release"
    __table_args__ = (
        UniqueConstraint("offer_id"),
        Index("ix_offer_release_customer_id", "customer_id", "id"),
        CheckConstraint("price_minor > 0", name="price"),
        CheckConstraint("(collector = 'integrator') = (price_minor IS NULL)", name="resale_apart"),
        CheckConstraint(_WITH_CODE, name="promotion"),
        ForeignKeyConstraint(
            ["manufacturer_id", "promotion"], ["promotion_code.manufacturer_id", "promotion_code.code"]
        ),
    )

    id: Mapped[Id]
    offer_id: Mapped[int] = mapped_column(ForeignKey("offer.id"))
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    integrator_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    customer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"))
    case_id: Mapped[int | None] = mapped_column(ForeignKey("support_case.id"))
    kind: Mapped[str]
    code: Mapped[str]
    name: Mapped[str]
    quantity: Mapped[int]
    interval: Mapped[str]
    collector: Mapped[str]
    offered_by_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    policy_version_id: Mapped[int] = mapped_column(ForeignKey("document_version.id"))
    currency: Mapped[str]
    list_minor: Mapped[int]
    price_minor: Mapped[int | None]
    promotion: Mapped[str | None]
    note: Mapped[str]
    person_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    expires_at: Mapped[datetime]
    released_at: Mapped[datetime]


class ResalePrice(Base):
    """What an integrator asks its customer where it collects itself: nobody else's to read."""

    __tablename__ = "resale_price"
    __table_args__ = (UniqueConstraint("offer_id"), CheckConstraint("price_minor > 0", name="price"))

    id: Mapped[Id]
    offer_id: Mapped[int] = mapped_column(ForeignKey("offer.id"))
    integrator_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    customer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    currency: Mapped[str]
    price_minor: Mapped[int]
    asked_at: Mapped[datetime]


class OfferEnd(Base):
    """How an offer ended: withdrawn, declined, expired by job, or accepted by a purchase."""

    __tablename__ = "offer_end"
    __table_args__ = (
        UniqueConstraint("offer_id"),
        CheckConstraint("outcome IN ('withdrawn', 'declined', 'expired', 'accepted')", name="outcome"),
        CheckConstraint("(outcome = 'expired') = (person_id IS NULL)", name="person"),
    )

    id: Mapped[Id]
    offer_id: Mapped[int] = mapped_column(ForeignKey("offer.id"))
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    integrator_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    customer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    outcome: Mapped[str]
    person_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    ended_at: Mapped[datetime]


class Purchase(Base):
    """A buyer's order, with the policy accepted by its hash; ``price_minor`` is all of it, without tax, before codes.

    Where the integrator collects there is no checkout and ``price_minor`` is what the integrator owes. Of it
    ``reinstatement_minor`` is for taking up a plan that lapsed, as ``reinstatement`` says. ``form_key`` makes a
    form that is sent twice one order.
    """

    __tablename__ = "purchase"
    __table_args__ = (
        UniqueConstraint("intent_id"),
        UniqueConstraint("offer_id"),
        UniqueConstraint("customer_id", "form_key"),
        Index("ix_purchase_site_id", "site_id", "manufacturer_id"),
        CheckConstraint(_KIND, name="kind"),
        CheckConstraint(_INTERVAL, name="interval"),
        CheckConstraint(_COLLECTOR, name="collector"),
        CheckConstraint("(collector = 'operator') = (intent_id IS NOT NULL)", name="checkout"),
        CheckConstraint("reinstatement_minor >= 0 AND reinstatement_minor < price_minor", name="reinstatement"),
        CheckConstraint("quantity > 0 AND list_minor > 0 AND price_minor > 0", name="amounts"),
    )

    id: Mapped[Id]
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    integrator_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    customer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"))
    case_id: Mapped[int | None] = mapped_column(ForeignKey("support_case.id"))
    offer_id: Mapped[int | None] = mapped_column(ForeignKey("offer.id"))
    kind: Mapped[str]
    code: Mapped[str]
    name: Mapped[str]
    quantity: Mapped[int]
    interval: Mapped[str]
    collector: Mapped[str]
    seller_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    policy_version_id: Mapped[int] = mapped_column(ForeignKey("document_version.id"))
    sha256: Mapped[str]
    currency: Mapped[str]
    list_minor: Mapped[int]
    price_minor: Mapped[int]
    reinstatement_minor: Mapped[int] = mapped_column(default=0, server_default="0")
    reinstatement: Mapped[Json] = mapped_column(default=dict, server_default="{}")
    intent_id: Mapped[UUID | None] = mapped_column(ForeignKey("intent.id"))
    form_key: Mapped[UUID]
    ordered_by: Mapped[int] = mapped_column(ForeignKey("person.id"))
    ordered_at: Mapped[datetime]


class PurchaseStep(Base):
    """What became of a purchase, each once, by job: a debit under way, paid, sold, or one of the ways to fail."""

    __tablename__ = "purchase_step"
    __table_args__ = (
        UniqueConstraint("purchase_id", "kind"),
        CheckConstraint(
            "kind IN ('paying', 'paid', 'failed', 'expired', 'sold', 'unsaleable', 'lapsed', 'ended', 'returned',"
            " 'left_early', 'let_go')",
            name="kind",
        ),
    )

    id: Mapped[Id]
    purchase_id: Mapped[int] = mapped_column(ForeignKey("purchase.id"))
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    integrator_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    customer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    kind: Mapped[str]
    details: Mapped[Json]
    happened_at: Mapped[datetime]
    recorded_at: Mapped[datetime]


class PromotionCode(Base):
    """A code that takes a part or an amount off the first payment for what a manufacturer sells.

    ``goods`` are kind and code of what it is for ("pack:hours_10"), all of the catalogue where none is named. It holds
    from ``starts_at`` until before ``ends_at``, ``most_uses`` times in all, both without limit where nothing stands.
    """

    __tablename__ = "promotion_code"
    __table_args__ = (
        UniqueConstraint("manufacturer_id", "code"),
        CheckConstraint("code ~ '^[A-Z0-9-]{4,40}$'", name="code"),
        CheckConstraint("num_nonnulls(percent, amount_minor) = 1", name="one_reduction"),
        CheckConstraint("percent BETWEEN 1 AND 100", name="percent"),
        CheckConstraint("amount_minor > 0", name="amount"),
        CheckConstraint("most_uses > 0", name="uses"),
        CheckConstraint("ends_at > starts_at", name="order"),
    )

    id: Mapped[Id]
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    code: Mapped[str]
    percent: Mapped[int | None]
    amount_minor: Mapped[int | None]
    currency: Mapped[str]
    goods: Mapped[Json]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime | None]
    most_uses: Mapped[int | None]
    once_per_customer: Mapped[bool]
    made_by: Mapped[int] = mapped_column(ForeignKey("person.id"))
    made_at: Mapped[datetime]


class PromotionCodeEnd(Base):
    """A code withdrawn: orders made with it keep their price."""

    __tablename__ = "promotion_code_end"
    __table_args__ = (UniqueConstraint("promotion_code_id"),)

    id: Mapped[Id]
    promotion_code_id: Mapped[int] = mapped_column(ForeignKey("promotion_code.id"))
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    ended_by: Mapped[int] = mapped_column(ForeignKey("person.id"))
    ended_at: Mapped[datetime]


class PromotionUse(Base):
    """A code within an order: what it took off ``list_minor``, in words. The database refuses one use too many."""

    __tablename__ = "promotion_use"
    __table_args__ = (
        UniqueConstraint("purchase_id"),
        Index("ix_promotion_use_promotion_code_id", "promotion_code_id"),
        CheckConstraint("discount_minor > 0 AND discount_minor <= list_minor", name="discount"),
    )

    id: Mapped[Id]
    promotion_code_id: Mapped[int] = mapped_column(ForeignKey("promotion_code.id"))
    purchase_id: Mapped[int] = mapped_column(ForeignKey("purchase.id"))
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    integrator_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    customer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    code: Mapped[str]
    currency: Mapped[str]
    list_minor: Mapped[int]
    discount_minor: Mapped[int]
    words: Mapped[str]
    used_at: Mapped[datetime]


class PromotionUseEnd(Base):
    """A use given back, because its order was never paid; by job."""

    __tablename__ = "promotion_use_end"
    __table_args__ = (UniqueConstraint("use_id"),)

    id: Mapped[Id]
    use_id: Mapped[int] = mapped_column(ForeignKey("promotion_use.id"))
    manufacturer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    integrator_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    customer_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    ended_at: Mapped[datetime]
