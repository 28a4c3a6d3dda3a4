"""A sold pack as pages read it: its price, which bills used of it, what it earned otherwise, and whose that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, false, or_, select
from sqlalchemy.orm import Session

from portal.access import Actor, Side, may_see_shares
from portal.billing.models import BillItemReversal, Invoice, InvoiceItem
from portal.billing.packs.models import PackEarning, PackSale, PackShare, PackUse
from portal.billing.packs.selling import pack_words
from portal.cases.models import SupportCase
from portal.directory.queries import organisation_names
from portal.entitlement.models import GrantBalance, UsageGrant
from portal.errors import NotFound


@dataclass(frozen=True)
class SoldPack:
    """A sale with what became of its price; uses, earnings and shares are for those who may see shares."""

    sale: PackSale
    grant: UsageGrant
    balance: GrantBalance
    words: str
    payer_name: str
    seller_name: str
    invoice: tuple[int, str] | None
    uses: Sequence[tuple[PackUse, str]]
    earnings: Sequence[PackEarning]
    shares: Sequence[tuple[PackShare, str]]
    shows_shares: bool

    @property
    def earned_minor(self) -> int:
        """What stands as earned so far."""
        return sum(use.amount_minor for use, _ in self.uses) + sum(each.amount_minor for each in self.earnings)

    @property
    def deferred_minor(self) -> int:
        """What is still to be earned."""
        return self.sale.amount_minor - self.earned_minor


def sold_pack(session: Session, actor: Actor, pack_sale_id: int) -> SoldPack:
    """One sale, for its companies and who pays it. *Raises*: NotFound."""
    sale = session.get(PackSale, pack_sale_id)
    if sale is None or not may_read_sold_pack(actor, sale):
        raise NotFound
    shown = may_see_shares(actor)
    names = organisation_names(session, [sale.payer_id, sale.seller_id])
    earnings = select(PackEarning).where(PackEarning.pack_sale_id == sale.id).order_by(PackEarning.seq)
    return SoldPack(
        sale=sale,
        grant=session.get_one(UsageGrant, sale.grant_id),
        balance=session.get_one(GrantBalance, sale.grant_id),
        words=pack_words(session, sale),
        payer_name=names.get(sale.payer_id, ""),
        seller_name=names.get(sale.seller_id, ""),
        invoice=_invoice(session, sale),
        uses=_uses(session, PackUse.pack_sale_id == sale.id if shown else false()),
        earnings=session.scalars(earnings).all() if shown else (),
        shares=_shares(session, sale) if shown else (),
        shows_shares=shown,
    )


def may_read_sold_pack(actor: Actor, sale: PackSale) -> bool:
    """Whether the actor's company is one of the three whose sale it is."""
    if actor.side is Side.MANUFACTURER:
        return sale.manufacturer_id == actor.organisation_id
    return actor.organisation_id == (sale.integrator_id if actor.side is Side.INTEGRATOR else sale.payer_id)


def _invoice(session: Session, sale: PackSale) -> tuple[int, str] | None:
    row = session.execute(
        select(Invoice.id, Invoice.name)
        .join(InvoiceItem, InvoiceItem.invoice_id == Invoice.id)
        .where(InvoiceItem.pack_sale_id == sale.id)
    ).one_or_none()
    return (row.id, row.name) if row is not None else None


def _uses(session: Session, condition: ColumnElement[bool]) -> Sequence[tuple[PackUse, str]]:
    """The uses that stand, with their cases' names, in the order they were recorded."""
    rows = session.execute(
        select(PackUse, SupportCase.name)
        .join(SupportCase, SupportCase.id == PackUse.case_id)
        .where(condition, PackUse.bill_item_id.not_in(select(BillItemReversal.bill_item_id)))
        .where(or_(PackUse.seconds != 0, PackUse.incidents != 0))
        .order_by(PackUse.id)
    )
    return [(use, name) for use, name in rows.tuples()]


def _shares(session: Session, sale: PackSale) -> Sequence[tuple[PackShare, str]]:
    shares = session.scalars(select(PackShare).where(PackShare.pack_sale_id == sale.id).order_by(PackShare.id)).all()
    names = organisation_names(session, [share.party_id for share in shares])
    return [(share, names.get(share.party_id, "")) for share in shares]
