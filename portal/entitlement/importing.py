"""The payer's yes for cases of another support system: a standing authorization for each site, and a yes per case.

The customer's buyer has signed the standing authorization for all imported work, without limit; each case that has
billable work gets the authorization that follows from it, so that billing finds what it asks of every case.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.access import Actor, Side, may_authorize_spending
from portal.audit import actions as audit
from portal.contracts.models import PlanChoice
from portal.db import CASE_PARTIES, copy_rows, next_ids
from portal.entitlement.models import StandingAuthorization
from portal.errors import NotAllowed

# "Without limit" in minor units of any currency: more than any case can cost, and sums of many still fit a bigint.
WITHOUT_LIMIT_MINOR = 1_000_000_000_000

_PARTIES = ("case_id", *CASE_PARTIES)
_YES = (
    "id", *_PARTIES, "audience", "standing_authorization_id", "payer_id", "currency", "nte_minor",
    "price_per_hour_minor", "basis", "person_id", "person_name", "covers_from", "authorized_at", "recorded_at",
)  # fmt: skip


@dataclass(frozen=True)
class PastYes:
    """A case whose work its customer had authorized; ``parties`` are case and companies, in order."""

    parties: tuple[int, int, int, int]
    standing: StandingAuthorization
    signer_name: str
    covers_from: datetime


def sign_without_limit(
    session: Session, actor: Actor, choice: PlanChoice, *, integrator_id: int, currency: str, now: datetime
) -> StandingAuthorization:
    """The buyer's standing yes for a site, without limit, from its choice of plan on; again finds the first.

    *Raises*: NotAllowed.
    """
    if actor.side is not Side.CUSTOMER or not may_authorize_spending(actor):
        raise NotAllowed("A standing authorization is signed by the customer's buyer.")
    found = session.scalars(
        select(StandingAuthorization).where(
            StandingAuthorization.site_id == choice.site_id,
            StandingAuthorization.manufacturer_id == choice.manufacturer_id,
            StandingAuthorization.from_at == choice.from_at,
        )
    ).one_or_none()
    if found is not None:
        return found
    standing = StandingAuthorization(
        manufacturer_id=choice.manufacturer_id,
        integrator_id=integrator_id,
        customer_id=choice.customer_id,
        payer_id=choice.customer_id,
        site_id=choice.site_id,
        currency=currency,
        nte_incident_minor=WITHOUT_LIMIT_MINOR,
        nte_month_minor=WITHOUT_LIMIT_MINOR,
        severities=[1, 2, 3, 4],
        grant_seconds_per_case=0,
        approver_ids=[actor.person_id],
        from_at=choice.from_at,
        until_at=None,
        signed_by=actor.person_id,
        signed_at=now,
    )
    session.add(standing)
    session.flush()
    audit.record(session, actor, "sign_standing", "standing_authorization", standing.id, now=now)
    return standing


def store_yeses(session: Session, yeses: Sequence[PastYes], *, price_per_hour_minor: int, now: datetime) -> None:
    """One authorization and its balance for each case, as recorded now for work from the case's opening on."""
    ids = next_ids(session, "authorization", len(yeses))
    rows = [
        (
            yes_id, *yes.parties, "customer", yes.standing.id, yes.standing.payer_id, yes.standing.currency,
            WITHOUT_LIMIT_MINOR, price_per_hour_minor, "import", yes.standing.signed_by, yes.signer_name,
            yes.covers_from, now, now,
        )
        for yes_id, yes in zip(ids, yeses, strict=True)
    ]  # fmt: skip
    copy_rows(session, "authorization", _YES, rows)
    balances = [(yes_id, *yes.parties, "customer", WITHOUT_LIMIT_MINOR) for yes_id, yes in zip(ids, yeses, strict=True)]
    copy_rows(session, "authorization_balance", ("authorization_id", *_PARTIES, "audience", "left_minor"), balances)
