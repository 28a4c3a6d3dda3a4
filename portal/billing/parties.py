"""Which organisation each word of a signed document means on a case: the companies, the operator, further parties."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.billing.facts import BillingFacts
from portal.contracts.blocks import Company
from portal.contracts.sharing import OPERATOR
from portal.directory.models import Organisation
from portal.directory.queries import operator
from portal.errors import RuleBroken


def parties_of(session: Session, facts: BillingFacts) -> dict[str, int]:
    """Every party's organisation by its name in the documents. *Raises*: RuleBroken for one that is not known here."""
    case = facts.case
    parties: dict[str, int] = {
        Company.MANUFACTURER: case.manufacturer_id,
        Company.INTEGRATOR: case.integrator_id,
        OPERATOR: operator(session).id,
    }
    agreement = facts.documents.agreement
    further = agreement.agreement.parties.further if agreement else ()
    if further:
        codes = {party.organisation: party.code for party in further}
        rows = session.execute(select(Organisation.code, Organisation.id).where(Organisation.code.in_(codes)))
        parties.update({codes[row.code]: row.id for row in rows})
    unknown = {party.code for party in further} - parties.keys()
    if unknown:
        raise RuleBroken(f"The agreement names {', '.join(sorted(unknown))}, whose organisation is not known here.")
    return parties


def organisation_of(parties: Mapping[str, int], name: str) -> int:
    """The organisation that a document's word means. *Raises*: RuleBroken."""
    if name not in parties:
        raise RuleBroken(f"Nobody here is called {name}.")
    return parties[name]


def role_of(parties: Mapping[str, int], organisation_id: int) -> str:
    """The document's word for an organisation; one that is no party stands with the manufacturer."""
    return next((name for name, found in parties.items() if found == organisation_id), Company.MANUFACTURER)
