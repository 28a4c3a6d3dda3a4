"""A sold month of a plan as pages read it: its price, what its use was worth, what was left, and whose that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.access import Actor, Side, may_see_shares
from portal.billing.actions.months import GIVEN_UP, LEFT_EARLY, REINSTATEMENT, plan_words
from portal.billing.models import Invoice, InvoiceItem, PlanEarning, PlanSale, PlanShare
from portal.billing.rules.postings import CASH
from portal.contracts.models import PlanChoice
from portal.directory.queries import organisation_names
from portal.entitlement.models import GrantDraw, UsageGrant
from portal.errors import NotFound


@dataclass(frozen=True)
class PlanMonth:
    """A month with what became of its price; ``shares`` None for those who may not see them."""

    sale: PlanSale
    words: str
    payer_name: str
    invoice: tuple[int, str] | None
    granted_seconds: int
    drawn_seconds: int
    earnings: Sequence[PlanEarning]
    shares: tuple[tuple[PlanShare, str], ...] | None
    sentences: tuple[str, ...] = ()
    given_up: PlanSale | None = None

    @property
    def is_paid_with_cash(self) -> bool:
        """Whether its shares are payable as its invoice is paid."""
        return any(share.funding == CASH for share, _ in self.shares or ())

    @property
    def earned_minor(self) -> int:
        """What was earned beside its use."""
        return sum(each.amount_minor for each in self.earnings)


def plan_month(session: Session, actor: Actor, plan_sale_id: int) -> PlanMonth:
    """One month, for its three companies. *Raises*: NotFound."""
    sale = session.get(PlanSale, plan_sale_id)
    if sale is None or not may_read_month(actor, sale):
        raise NotFound
    granted, drawn = _seconds(session, sale)
    shown = may_see_shares(actor)
    earnings = select(PlanEarning).where(PlanEarning.plan_sale_id == sale.id).order_by(PlanEarning.seq)
    return PlanMonth(
        sale=sale,
        words=plan_words(session, sale),
        payer_name=organisation_names(session, [sale.payer_id]).get(sale.payer_id, ""),
        invoice=_invoice(session, sale),
        granted_seconds=granted,
        drawn_seconds=drawn,
        earnings=session.scalars(earnings).all() if shown else (),
        shares=_shares(session, sale) if shown else None,
        sentences=_sentences(session, sale),
        given_up=session.scalars(select(PlanSale).where(PlanSale.credits_id == sale.id)).one_or_none(),
    )


def may_read_month(actor: Actor, sale: PlanSale) -> bool:
    """Whether the actor's company is one of the three whose sale it is."""
    if actor.side is Side.MANUFACTURER:
        return sale.manufacturer_id == actor.organisation_id
    return actor.organisation_id == (sale.integrator_id if actor.side is Side.INTEGRATOR else sale.customer_id)


def reinstatement_sale_id(session: Session, plan_choice_id: int) -> int | None:
    """The sale of what taking a lapsed plan up again cost; None where nothing was due."""
    mine = (PlanSale.plan_choice_id == plan_choice_id, PlanSale.kind == REINSTATEMENT)
    return session.scalar(select(PlanSale.id).where(*mine))


def _sentences(session: Session, sale: PlanSale) -> tuple[str, ...]:
    """How a reinstatement, what goes back, or the rest of a term comes about; a month is its price."""
    if sale.kind in (GIVEN_UP, LEFT_EARLY):
        return tuple(sale.explanation.get("sentences", ()))
    if sale.kind != REINSTATEMENT:
        return ()
    kept = session.get_one(PlanChoice, sale.plan_choice_id).terms.get("reinstatement", {})
    return tuple(kept.get("sentences", ()))


def _invoice(session: Session, sale: PlanSale) -> tuple[int, str] | None:
    row = session.execute(
        select(Invoice.id, Invoice.name)
        .join(InvoiceItem, InvoiceItem.invoice_id == Invoice.id)
        .where(InvoiceItem.plan_sale_id == sale.id)
    ).one_or_none()
    return (row.id, row.name) if row is not None else None


def _seconds(session: Session, sale: PlanSale) -> tuple[int, int]:
    grant = session.scalars(
        select(UsageGrant).where(
            UsageGrant.plan_choice_id == sale.plan_choice_id, UsageGrant.starts_at == sale.starts_at
        )
    ).one_or_none()
    if grant is None:
        return 0, 0
    return grant.granted_seconds, sum(session.scalars(select(GrantDraw.seconds).where(GrantDraw.grant_id == grant.id)))


def _shares(session: Session, sale: PlanSale) -> tuple[tuple[PlanShare, str], ...]:
    shares = session.scalars(select(PlanShare).where(PlanShare.plan_sale_id == sale.id).order_by(PlanShare.id)).all()
    names = organisation_names(session, [share.party_id for share in shares])
    return tuple((share, names.get(share.party_id, "")) for share in shares)
