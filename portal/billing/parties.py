"""Which organisation each word of a signed document means on a case: the companies, the operator, further parties."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.billing.models import BillItem, PlanSale
from portal.billing.packs.models import PackSale
from portal.billing.supplements.models import Supplement
from portal.cases.models import SupportCase
from portal.contracts.agreement import Agreement
from portal.contracts.blocks import Company
from portal.contracts.models import PlanChoice
from portal.contracts.sharing import OPERATOR
from portal.directory.models import Organisation
from portal.entitlement.models import UsageGrant
from portal.errors import RuleBroken


def parties_of(
    session: Session,
    case: SupportCase | PlanChoice | PlanSale | PackSale | UsageGrant | BillItem | Supplement,
    agreement: Agreement | None,
) -> dict[str, int]:
    """Every party's organisation by its name in the documents. *Raises*: RuleBroken for one that is not known here."""
    codes = {party.organisation: party.code for party in agreement.parties.further} if agreement else {}
    rows = session.execute(
        select(Organisation.id, Organisation.code, Organisation.is_operator).where(
            Organisation.is_operator | Organisation.code.in_(codes)
        )
    ).all()
    parties: dict[str, int] = {
        Company.MANUFACTURER: case.manufacturer_id,
        Company.INTEGRATOR: case.integrator_id or case.manufacturer_id,
        **{codes[row.code]: row.id for row in rows if row.code in codes},
    }
    parties.update((OPERATOR, row.id) for row in rows if row.is_operator)
    unknown = {OPERATOR, *codes.values()} - parties.keys()
    if unknown:
        raise RuleBroken(f"Nobody here is known as {', '.join(sorted(unknown))}.")
    return parties


def plain_parties(case: SupportCase, operator_id: int) -> dict[str, int]:
    """The parties where the documents name no further ones."""
    return {
        Company.MANUFACTURER: case.manufacturer_id,
        Company.INTEGRATOR: case.integrator_id,
        OPERATOR: operator_id,
    }


def organisation_of(parties: Mapping[str, int], name: str) -> int:
    """The organisation that a document's word means. *Raises*: RuleBroken."""
    if name not in parties:
        raise RuleBroken(f"Nobody here is called {name}.")
    return parties[name]


def role_of(parties: Mapping[str, int], organisation_id: int) -> str:
    """The document's word for an organisation; one that is no party stands with the manufacturer."""
    return next((name for name, found in parties.items() if found == organisation_id), Company.MANUFACTURER)
