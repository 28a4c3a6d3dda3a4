"""A pack is sold: the site gets its hours or incidents, somebody owes or has paid them, and all of it is deferred.

Invariants: one sale per grant, one grant per source: a repeated event, page or job finds what is there. Tax is posted
beside the price and never shared. Hours that were bought serve the site's running cases at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from portal.billing.packs.earning import AT_ONCE, Part, earn
from portal.billing.packs.models import PackSale
from portal.billing.packs.rules import BY_INVOICE, PACK_PAIRS, sale_legs
from portal.billing.parties import parties_of, role_of
from portal.billing.rules.postings import CASH
from portal.contracts.blocks import WHOLE_BP, TaskClass
from portal.contracts.discounts import commission_with_discount, discount_bearer
from portal.contracts.rules import PayerFacts, bill_to_row
from portal.directory.models import Site
from portal.entitlement.actions import grant_pack
from portal.entitlement.models import UsageGrant
from portal.entitlement.queries import Terms, terms_in_force
from portal.errors import Conflict, NotFound, RuleBroken
from portal.jobs import enqueue
from portal.ledger.actions import lock_open_period, post
from portal.ledger.rules import Document
from portal.money import Money

SOLD = "pack_sold"
COMMISSION = "commission"
# How a commission is called beside the document's revenue kinds.
SELLING_COMMISSION = "selling_commission"

# Cases that may use hours bought now: their work is not all billed.
_RUNNING = text(
    "SELECT id FROM support_case WHERE site_id = :site_id AND manufacturer_id = :manufacturer_id"
    " AND state <> 'closed' ORDER BY id"
)


@dataclass(frozen=True)
class PackOrder:
    """What was bought: packs of a policy for a site, at which moment, and by which ``source`` it is known.

    ``source`` names the purchase once and for all ("checkout:cs_123"); ``integrator_id`` services the site then, None
    where nobody does.
    """

    site_id: int
    integrator_id: int | None
    policy_version_id: int
    pack_code: str
    quantity: int
    bought_at: datetime
    source: str


@dataclass(frozen=True)
class PackPrice:
    """What it cost, without tax, and how it is paid.

    ``price_minor`` is what is deferred and shared: the wholesale price where the integrator collects. ``paid_by`` is
    "stripe" or "bank" where the money is there (posted against clearing or the bank, with ``cash`` as the leg's
    document), "ahead" where the receipt ``receipt_id`` holds the price and has posted the tax, "invoice" where it
    stands on the payer's next invoice, which knows its own tax. ``discount_minor`` is what a promotion code took off.
    """

    price_minor: int
    currency: str
    seller_id: int
    paid_by: str = BY_INVOICE
    tax_minor: int = 0
    integrator_collects: bool = False
    cash: Document | None = None
    receipt_id: int | None = None
    discount_minor: int = 0


def sell_pack(
    session: Session, order: PackOrder, price: PackPrice, *, now: datetime, livemode: bool = False
) -> tuple[UsageGrant, PackSale]:
    """Grant what was bought, record the sale, and let the site's running cases use it. Again is harmless.

    *Raises*: as ``grant_pack`` and ``record_pack_sale``.
    """
    grant = grant_pack(
        session,
        site_id=order.site_id,
        integrator_id=order.integrator_id,
        policy_version_id=order.policy_version_id,
        pack_code=order.pack_code,
        quantity=order.quantity,
        bought_at=order.bought_at,
        source=order.source,
        now=now,
    )
    sale = record_pack_sale(session, grant, price, quantity=order.quantity, now=now, livemode=livemode)
    return grant, sale


def record_pack_sale(
    session: Session, grant: UsageGrant, price: PackPrice, *, quantity: int, now: datetime, livemode: bool = False
) -> PackSale:
    """Record and post what a granted pack was sold for, once per grant: paid or owed against deferred revenue.

    The seller's commission, where the agreement in force at the purchase has one, is earned at once, and payable as the
    price is paid: at once too where the money is there. Run with a work
    session, in the transaction of ``grant_pack``.

    *Raises*: RuleBroken for a price of nothing, another currency than the policy's, or tax on an invoice that is yet to
    be made; Conflict when the grant was sold otherwise before; PeriodClosed without open books.
    """
    known = session.scalars(select(PackSale).where(PackSale.grant_id == grant.id)).one_or_none()
    if known is not None:
        return _same(known, price)
    terms = terms_in_force(
        session, manufacturer_id=grant.manufacturer_id, integrator_id=grant.integrator_id, at=grant.starts_at
    )
    _check(price, terms)
    parties = parties_of(session, grant, terms.agreement)
    commission, left = commission_with_discount(
        terms.agreement, price.price_minor, price.discount_minor, seller=role_of(parties, price.seller_id)
    )
    resold = price.integrator_collects and grant.integrator_id != grant.manufacturer_id
    sale = PackSale(
        grant_id=grant.id,
        manufacturer_id=grant.manufacturer_id,
        integrator_id=grant.integrator_id,
        customer_id=grant.customer_id,
        site_id=grant.site_id,
        payer_id=grant.integrator_id if resold else grant.customer_id,
        collector_id=grant.integrator_id if resold else parties["operator"],
        seller_id=price.seller_id,
        seller_of_record_id=_seller_of_record(terms, parties),
        policy_version_id=grant.policy_version_id,
        agreement_version_id=terms.agreement_version_id,
        quantity=quantity,
        currency=price.currency,
        amount_minor=price.price_minor,
        tax_minor=price.tax_minor,
        discount_minor=price.discount_minor,
        discount_left_minor=left,
        paid_by=price.paid_by,
        receipt_id=price.receipt_id,
        period_id=lock_open_period(session, grant.manufacturer_id),
        sold_at=grant.starts_at,
        recorded_at=now,
    )
    session.add(sale)
    session.flush()
    _post_sale(session, sale, price, now=now, livemode=livemode)
    if commission:
        _pay_commission(session, sale, terms, commission, parties=parties, now=now, livemode=livemode)
    values = {"site_id": grant.site_id, "manufacturer_id": grant.manufacturer_id}
    for case_id in session.scalars(_RUNNING, values):
        enqueue(session, "reserve_case_hours", case_id=case_id)
    return sale


def pack_words(session: Session, sale: PackSale) -> str:
    """What a sale is called on an invoice and in the ledger."""
    grant = session.get_one(UsageGrant, sale.grant_id)
    label = str((grant.terms or {}).get("label", grant.pack_code))
    site = session.get(Site, sale.site_id)
    if site is None:
        raise NotFound()
    return f"{f'{sale.quantity} × ' if sale.quantity > 1 else ''}{label}, {site.name}"


def _same(known: PackSale, price: PackPrice) -> PackSale:
    if (known.amount_minor, known.currency, known.tax_minor) != (price.price_minor, price.currency, price.tax_minor):
        raise Conflict("These packs were sold at another price before.")
    return known


def _check(price: PackPrice, terms: Terms) -> None:
    if price.price_minor <= 0 or price.tax_minor < 0:
        raise RuleBroken("A pack is sold at a price; one that costs nothing is only granted.")
    if price.currency != terms.policy.currency:
        raise RuleBroken(f"The policy's prices are in {terms.policy.currency}.")
    if price.paid_by == BY_INVOICE and price.tax_minor:
        raise RuleBroken("The tax of a pack that is yet to be invoiced is the invoice's.")


def _seller_of_record(terms: Terms, parties: dict[str, int]) -> int:
    facts = PayerFacts(TaskClass.SUPPORT, "", before_day1=False, in_warranty=False, certified=True)
    return parties[bill_to_row(terms.policy, facts).seller_of_record]


def _post_sale(session: Session, sale: PackSale, price: PackPrice, *, now: datetime, livemode: bool) -> None:
    post(
        session,
        manufacturer_id=sale.manufacturer_id,
        currency=sale.currency,
        kind=SOLD,
        document=Document("pack_sale", str(sale.id)),
        legs=sale_legs(
            sale.paid_by,
            sale.payer_id,
            sale.customer_id,
            price_minor=sale.amount_minor,
            tax_minor=sale.tax_minor,
            cash=price.cash,
        ),
        allowed_pairs=PACK_PAIRS,
        occurred_at=sale.sold_at,
        now=now,
        description=pack_words(session, sale),
        livemode=livemode,
    )


def _pay_commission(
    session: Session,
    sale: PackSale,
    terms: Terms,
    minor: int,
    *,
    parties: dict[str, int],
    now: datetime,
    livemode: bool,
) -> None:
    seller = role_of(parties, sale.seller_id)
    sentences = ["to who sold it, when it was sold; payable as it is paid"]
    if sale.discount_minor and (bearer := discount_bearer(terms.agreement, seller)):
        whole = Money(sale.amount_minor + sale.discount_minor, sale.currency)
        off = Money(sale.discount_minor - sale.discount_left_minor, sale.currency)
        sentences.append(f"of {whole}, the price without the code, whose discount the {bearer} bears")
        sentences += [f"less {off} of that discount"] if off else []
    part = Part(seller, SELLING_COMMISSION, minor, WHOLE_BP, tuple(sentences))
    earn(
        session,
        sale,
        kind=COMMISSION,
        amount_minor=minor,
        shares=(part,),
        parties=parties,
        terms=terms,
        explanation={"price_minor": sale.amount_minor, "commission_minor": minor},
        now=now,
        livemode=livemode,
        funding=CASH if sale.paid_by == BY_INVOICE else AT_ONCE,
    )
