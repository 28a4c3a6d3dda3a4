"""The volume of a partnership, by which its documents may share: what its bill items came to in closed months.

It counts the months before an item's own period, with what was taken back in them, whenever that had been billed. Those
months are closed, so the volume of a period is the same for every item of it, however late the item is looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sqlalchemy import text
from sqlalchemy.orm import Session

from portal.billing.facts import BillingFacts

# Minor units by the number of months counted, by period.
Volumes = Mapping[int, Mapping[int, int]]
# Volumes that were asked for before: by manufacturer, integrator, currency, period and months.
Known = dict[tuple[int, int, str, int, int], int]

_VOLUME = text(
    """
    WITH counted AS (
        SELECT id FROM period
        WHERE manufacturer_id = :manufacturer_id
          AND ends_at <= (SELECT starts_at FROM period WHERE id = :period_id)
        ORDER BY ends_at DESC LIMIT :months
    )
    SELECT coalesce(sum(item.amount_minor + item.use_minor), 0)::bigint
         - coalesce(sum(before.amount_minor + before.use_minor), 0)::bigint
    FROM bill_item item
    LEFT JOIN bill_item before ON before.id = item.replaces_id
    WHERE item.period_id IN (SELECT id FROM counted) AND item.integrator_id = :integrator_id
      AND item.currency = :currency
    """
)


def with_volumes(
    session: Session, facts: BillingFacts, period_id: int | None, known: Known | None = None
) -> BillingFacts:
    """The facts with the volumes that the documents share by, for an item of a period; before any period, none.

    ``known`` keeps what was asked for, where many items of a period are billed together.
    """
    months = facts.documents.months_counted
    if not months or period_id is None:
        return facts
    found = {} if known is None else known
    return replace(facts, volumes={each: _volume(session, facts, period_id, each, found) for each in months})


def volumes_by_period(session: Session, facts: BillingFacts, period_ids: set[int], known: Known) -> Volumes:
    """The volumes for items of several periods."""
    return {each: with_volumes(session, facts, each, known).volumes for each in period_ids}


def _volume(session: Session, facts: BillingFacts, period_id: int, months: int, known: Known) -> int:
    case, currency = facts.case, facts.documents.policy.currency
    key = (case.manufacturer_id, case.integrator_id, currency, period_id, months)
    if key not in known:
        values = {
            "manufacturer_id": case.manufacturer_id,
            "integrator_id": case.integrator_id,
            "currency": currency,
            "period_id": period_id,
            "months": months,
        }
        known[key] = session.scalars(_VOLUME, values).one()
    return known[key]
