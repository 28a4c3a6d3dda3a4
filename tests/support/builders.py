"""Rows that a test needs and does not test: a case as it stands right after it was opened."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from portal.cases.models import CaseEvent, CustodyAcceptance, SupportCase
from portal.directory.models import System
from tests.support.cast import NOW, Cast


def opened_case(
    session: Session, cast: Cast, *, system: System | None = None, severity: int = 3, at: datetime = NOW
) -> SupportCase:
    """A case that the integrator's technician opened and holds, without coverage or clocks."""
    about = system or cast.system
    parties = {
        "manufacturer_id": cast.factory.id,
        "integrator_id": cast.integrator.id,
        "customer_id": cast.customer.id,
    }
    number = session.scalar(text("SELECT next_number(:who, 'case')"), {"who": cast.factory.id})
    case = SupportCase(
        **parties,
        number=number,
        name=f"{cast.factory.code}-{number}",
        system_id=about.id,
        site_id=about.site_id,
        product_line_id=about.product_line_id,
        system_serial=about.serial,
        system_name=about.name,
        title="Door 4 stays locked",
        symptom="The reader blinks red, the lock does not release.",
        intake={},
        severity=severity,
        task_class="support",
        state="open",
        seq=1,
        holder_side="integrator",
        holder_id=cast.integrator.id,
        entitlement_rank=50,
        opened_at=at,
        opened_by=cast.tom.person_id,
        opened_by_name=cast.tom.display_name,
        opener_side="integrator",
        changed_at=at,
    )
    session.add(case)
    session.flush()
    session.add_all(
        [
            CaseEvent(
                **parties,
                case_id=case.id,
                seq=1,
                kind="opened",
                audience="customer",
                owner_id=cast.integrator.id,
                person_id=cast.tom.person_id,
                person_name=cast.tom.display_name,
                occurred_at=at,
                recorded_at=at,
                details={},
            ),
            CustodyAcceptance(
                **parties,
                case_id=case.id,
                seq=1,
                company_id=cast.integrator.id,
                from_at=at,
                channel="opening",
                accepted_by=cast.tom.person_id,
                accepted_name=cast.tom.display_name,
                recorded_at=at,
            ),
        ]
    )
    session.flush()
    return case
