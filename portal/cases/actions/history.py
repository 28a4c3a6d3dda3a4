"""What a new integrator is handed of the systems it takes over: the technical side of cases, as rows of its own.

The cases stay with the integrator that had them. A row says dates, symptom, cause and what was done, in the words that
the customer has read; no price, no internal note, no name. A case that was open at the change follows once it is
resolved and can no longer be reopened.
"""

from __future__ import annotations

from datetime import datetime, time, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from portal.directory.models import ServiceRelationship, Site
from portal.errors import NotFound
from portal.jobs import enqueue
from portal.zones import resolve_local

# A sweep looks back over this; a case that closed longer ago had its chance many times.
SWEEP_DAYS = 8

# The resolution's event holds the cause in words; a challenge may have ended in another cause of the policy.
_HAND_OVER = text(
    """
    INSERT INTO technical_history (
        system_id, manufacturer_id, integrator_id, customer_id, case_id, case_name, opened_on, resolved_on,
        symptom, cause, work_done, handed_over_at)
    SELECT old.system_id, old.manufacturer_id, service.integrator_id, old.customer_id, old.id, old.name,
           (old.opened_at AT TIME ZONE site.zone)::date, (last.resolved_at AT TIME ZONE site.zone)::date,
           old.symptom, coalesce(decided.label, told.details ->> 'cause_label', last.cause), last.summary,
           CAST(:now AS timestamptz)
    FROM service_relationship service
    JOIN site ON site.id = service.site_id
    JOIN support_case old ON old.site_id = service.site_id AND old.product_line_id = service.product_line_id
        AND old.manufacturer_id = service.manufacturer_id AND old.integrator_id <> service.integrator_id
    JOIN LATERAL (
        SELECT resolution.* FROM resolution WHERE resolution.case_id = old.id ORDER BY resolution.seq DESC LIMIT 1
    ) last ON true
    LEFT JOIN case_event told ON told.case_id = old.id AND told.seq = last.seq
    LEFT JOIN LATERAL (
        SELECT named.cause ->> 'label' AS label
        FROM challenge
        JOIN challenge_decision decision ON decision.challenge_id = challenge.id
        JOIN document_in_force held ON held.kind = 'policy' AND held.manufacturer_id = old.manufacturer_id
        JOIN document_version signed ON signed.id = held.version_id,
        jsonb_array_elements(signed.canonical_json::jsonb -> 'causes') AS named (cause)
        WHERE challenge.resolution_id = last.id AND decision.cause <> last.cause
          AND named.cause ->> 'code' = decision.cause
        ORDER BY decision.id DESC, held.effective_from DESC LIMIT 1
    ) decided ON true
    WHERE (old.state = 'closed' OR (old.state = 'resolved' AND old.reopen_until <= CAST(:now AS timestamptz)))
      AND (CAST(:relationship_id AS bigint) IS NULL OR service.id = CAST(:relationship_id AS bigint))
      AND (CAST(:closed_since AS timestamptz) IS NULL OR old.changed_at >= CAST(:closed_since AS timestamptz))
      AND service.from_on <= (CAST(:now AS timestamptz) AT TIME ZONE site.zone)::date
      AND (service.to_on IS NULL OR service.to_on > (CAST(:now AS timestamptz) AT TIME ZONE site.zone)::date)
    ORDER BY old.id
    ON CONFLICT (integrator_id, case_id) DO NOTHING
    """
)


def hand_over_history(session: Session, relationship_id: int, *, now: datetime) -> int:
    """The job of a change of integrator, on its first day at the site; how many rows are new. Again is harmless.

    *Raises*: NotFound.
    """
    service = session.get(ServiceRelationship, relationship_id)
    site = session.get(Site, service.site_id) if service is not None else None
    if service is None or site is None:
        raise NotFound()
    begins_at = resolve_local(site.zone, datetime.combine(service.from_on, time.min))
    if now < begins_at:
        enqueue(session, "hand_over_history", run_at=begins_at, relationship_id=relationship_id)
        return 0
    return _insert(session, now, relationship_id=relationship_id)


def hand_over_later_cases(session: Session, *, now: datetime) -> int:
    """The sweep: cases that closed lately at a site which somebody else services by now; how many rows are new."""
    return _insert(session, now, closed_since=now - timedelta(days=SWEEP_DAYS))


def _insert(
    session: Session, now: datetime, *, relationship_id: int | None = None, closed_since: datetime | None = None
) -> int:
    wanted = {"now": now, "relationship_id": relationship_id, "closed_since": closed_since}
    inserted: int = session.execute(_HAND_OVER, wanted).rowcount  # type: ignore[attr-defined]
    return inserted
