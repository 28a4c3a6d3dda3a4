"""What pages read of supplements, scoped by the actor; who bears and who gains is for those who may see shares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from portal.access import Actor, Audience, Side, may_see_prices, may_see_shares
from portal.billing.models import Invoice, InvoiceItem
from portal.billing.supplements.models import Supplement, SupplementShare
from portal.cases.models import SupportCase
from portal.directory.queries import organisation_names
from portal.errors import NotFound


@dataclass(frozen=True)
class SupplementView:
    """A supplement with its case, its invoice and who gains or bears; ``shares`` None for those who may not see."""

    supplement: Supplement
    case_name: str
    payer_name: str
    invoice: tuple[int, str] | None
    shares: tuple[tuple[str, int], ...] | None

    @property
    def sentences(self) -> Sequence[str]:
        """Why, in words."""
        return list(self.supplement.explanation.get("sentences", ()))


def supplements_of_case(session: Session, actor: Actor, case_id: int) -> list[SupplementView]:
    """What moved beside the bill of a case, as far as the actor may read it, in order."""
    if not may_see_prices(actor):
        return []
    return _views(session, actor, Supplement.case_id == case_id)


def supplement(session: Session, actor: Actor, supplement_id: int) -> SupplementView:
    """One supplement. *Raises*: NotFound."""
    found = _views(session, actor, Supplement.id == supplement_id) if may_see_prices(actor) else []
    if not found:
        raise NotFound
    return found[0]


def _views(session: Session, actor: Actor, wanted: ColumnElement[bool]) -> list[SupplementView]:
    own = {
        Side.MANUFACTURER: Supplement.manufacturer_id,
        Side.INTEGRATOR: Supplement.integrator_id,
        Side.CUSTOMER: Supplement.customer_id,
    }[actor.side]
    mine = [wanted, own == actor.organisation_id]
    if actor.side is Side.CUSTOMER:
        mine.append(Supplement.audience == Audience.CUSTOMER)
    rows = session.execute(
        select(Supplement, SupportCase.name, Invoice.id, Invoice.name)
        .join(SupportCase, SupportCase.id == Supplement.case_id)
        .outerjoin(InvoiceItem, InvoiceItem.supplement_id == Supplement.id)
        .outerjoin(Invoice, Invoice.id == InvoiceItem.invoice_id)
        .where(*mine)
        .order_by(Supplement.id)
    ).all()
    parts = _parts(session, [row[0].id for row in rows]) if may_see_shares(actor) else None
    ids = [row[0].payer_id for row in rows] + [each.party_id for each in parts or ()]
    names = organisation_names(session, ids)
    return [
        SupplementView(
            row[0],
            row[1],
            names.get(row[0].payer_id, ""),
            (row[2], row[3]) if row[2] is not None else None,
            None
            if parts is None
            else tuple((names.get(x.party_id, ""), x.amount_minor) for x in parts if x.supplement_id == row[0].id),
        )
        for row in rows
    ]


def _parts(session: Session, ids: Sequence[int]) -> Sequence[SupplementShare]:
    mine = SupplementShare.supplement_id.in_(ids)
    return session.scalars(select(SupplementShare).where(mine).order_by(SupplementShare.id)).all()
