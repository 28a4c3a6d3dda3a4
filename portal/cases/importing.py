"""Cases with all their history at once, as another support system tells it.

Each comes as it stands at the end, with the events, custody, pauses and resolutions that led there; the caller has
taken them through the transition rules. Rows are added by COPY, all of a batch or none.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from portal.contracts.blocks import Company
from portal.db import CASE_PARTIES, copy_rows, next_ids

_PARTIES = ("case_id", *CASE_PARTIES)
_HEADER = (
    "id", *CASE_PARTIES, "number", "name", "system_id", "site_id", "product_line_id", "system_serial", "system_name",
    "title", "symptom", "intake", "severity", "task_class", "state", "seq", "holder_side", "holder_id",
    "entitlement_rank", "plan_code", "opened_at", "opened_by", "opened_by_name", "opener_side", "changed_at",
    "resolved_at", "closed_at", "source", "source_key",
)  # fmt: skip
_EVENT = (
    *_PARTIES, "seq", "kind", "audience", "owner_id", "person_id", "person_name", "occurred_at", "recorded_at",
    "details",
)  # fmt: skip
_ACCEPTANCE = (*_PARTIES, "seq", "company_id", "from_at", "channel", "accepted_name", "recorded_at")
_RESOLUTION = (
    "id", *_PARTIES, "seq", "cause", "last_action", "resolved_by", "integrator_bp", "manufacturer_bp", "summary",
    "company_id", "person_name", "resolved_at",
)  # fmt: skip
_ANSWER = (*_PARTIES, "resolution_id", "basis", "company_id", "answered_at")
_NUMBERS = text("SELECT next_number(:manufacturer_id, 'case') FROM generate_series(1, :count)")


@dataclass(frozen=True)
class Parties:
    """The three companies of a case."""

    manufacturer_id: int
    integrator_id: int
    customer_id: int

    def of(self, company: Company) -> int:
        """Which organisation one of the two companies is."""
        return self.manufacturer_id if company is Company.MANUFACTURER else self.integrator_id


@dataclass(frozen=True)
class About:
    """The system a case is about, as its header keeps it."""

    system_id: int
    site_id: int
    product_line_id: int
    serial: str
    name: str


@dataclass(frozen=True)
class PastEvent:
    """Something that happened, in the order of the case."""

    seq: int
    kind: str
    audience: str
    company: Company
    name: str
    at: datetime
    details: Mapping[str, Any]


@dataclass(frozen=True)
class PastAcceptance:
    """From ``at`` on this company held the case."""

    seq: int
    company: Company
    at: datetime
    name: str


@dataclass(frozen=True)
class PastPause:
    """The case waited, until ``end`` or still."""

    reason: str
    start: datetime
    end: datetime | None


@dataclass(frozen=True)
class PastResolution:
    """A resolution with its weights; the last one of a closed case counts as confirmed."""

    seq: int
    cause: str
    last_action: str
    resolved_by: Company
    integrator_bp: int
    manufacturer_bp: int
    summary: str
    company: Company
    name: str
    at: datetime


@dataclass(frozen=True)
class CaseHistory:
    """One case from its opening to where it stands; events are numbered from 1 without gaps."""

    parties: Parties
    about: About
    source: str
    source_key: str
    title: str
    symptom: str
    severity: int
    state: str
    holder: Company
    entitlement_rank: int
    plan_code: str
    events: tuple[PastEvent, ...]
    acceptances: tuple[PastAcceptance, ...]
    pauses: tuple[PastPause, ...]
    resolutions: tuple[PastResolution, ...]
    closed_at: datetime | None


@dataclass(frozen=True)
class StoredCase:
    """What others need to add to a stored case."""

    case_id: int
    parties: Parties
    history: CaseHistory


def store_histories(
    session: Session, histories: Sequence[CaseHistory], *, code: str, importer_id: int, now: datetime
) -> list[StoredCase]:
    """Store cases of one manufacturer, whose ``code`` their names begin with, in the order given."""
    if not histories:
        return []
    ids = next_ids(session, "support_case", len(histories))
    manufacturer_id = histories[0].parties.manufacturer_id
    numbers = session.scalars(_NUMBERS, {"manufacturer_id": manufacturer_id, "count": len(histories)}).all()
    stored = [StoredCase(case_id, past.parties, past) for case_id, past in zip(ids, histories, strict=True)]
    headers = [
        _header(case, number, f"{code}-{number}", importer_id) for case, number in zip(stored, numbers, strict=True)
    ]
    copy_rows(session, "support_case", _HEADER, headers)
    copy_rows(session, "case_event", _EVENT, [row for case in stored for row in _events(case, now)])
    copy_rows(session, "custody_acceptance", _ACCEPTANCE, [row for case in stored for row in _acceptances(case, now)])
    _store_pauses(session, stored, importer_id)
    _store_resolutions(session, stored)
    closings = [
        (*_parties(case), case.history.events[-1].seq, "import", case.history.closed_at)
        for case in stored
        if case.history.closed_at is not None
    ]
    copy_rows(session, "case_closing", (*_PARTIES, "seq", "basis", "closed_at"), closings)
    return stored


def _parties(case: StoredCase) -> tuple[int, int, int, int]:
    parties = case.parties
    return case.case_id, parties.manufacturer_id, parties.integrator_id, parties.customer_id


def _header(case: StoredCase, number: int, name: str, importer_id: int) -> tuple[Any, ...]:
    past, about, (case_id, *companies) = case.history, case.history.about, _parties(case)
    opened = past.events[0]
    return (
        case_id, *companies, number, name, about.system_id, about.site_id, about.product_line_id, about.serial,
        about.name, past.title, past.symptom, "{}", past.severity, "support", past.state, past.events[-1].seq,
        past.holder.value, past.parties.of(past.holder), past.entitlement_rank, past.plan_code, opened.at, importer_id,
        opened.name, opened.company.value, past.events[-1].at,
        past.resolutions[-1].at if past.closed_at is not None else None, past.closed_at, past.source, past.source_key,
    )  # fmt: skip


def _events(case: StoredCase, now: datetime) -> Iterator[tuple[Any, ...]]:
    for event in case.history.events:
        owner_id = case.parties.of(event.company)
        details = json.dumps(event.details)
        yield (
            *_parties(case), event.seq, event.kind, event.audience, owner_id, None, event.name, event.at, now, details,
        )  # fmt: skip


def _acceptances(case: StoredCase, now: datetime) -> Iterator[tuple[Any, ...]]:
    for held in case.history.acceptances:
        yield (*_parties(case), held.seq, case.parties.of(held.company), held.at, "import", held.name, now)


def _store_pauses(session: Session, stored: Sequence[StoredCase], importer_id: int) -> None:
    pauses = [(case, pause) for case in stored for pause in case.history.pauses]
    ids = next_ids(session, "case_pause", len(pauses))
    numbered = list(zip(ids, pauses, strict=True))
    rows = [(pause_id, *_parties(case), pause.reason, pause.start, importer_id) for pause_id, (case, pause) in numbered]
    copy_rows(session, "case_pause", ("id", *_PARTIES, "reason", "from_at", "paused_by"), rows)
    ends = [(*_parties(case), pause_id, pause.end) for pause_id, (case, pause) in numbered if pause.end is not None]
    copy_rows(session, "pause_end", (*_PARTIES, "pause_id", "ended_at"), ends)


def _store_resolutions(session: Session, stored: Sequence[StoredCase]) -> None:
    """The resolutions; the last one of a closed case has the other company's answer, by import."""
    found = [(case, each) for case in stored for each in case.history.resolutions]
    numbered = list(zip(next_ids(session, "resolution", len(found)), found, strict=True))
    rows = [
        (
            row_id, *_parties(case), each.seq, each.cause, each.last_action, each.resolved_by.value,
            each.integrator_bp, each.manufacturer_bp, each.summary, case.parties.of(each.company), each.name, each.at,
        )
        for row_id, (case, each) in numbered
    ]  # fmt: skip
    copy_rows(session, "resolution", _RESOLUTION, rows)
    answers = [
        (*_parties(case), row_id, "import", case.parties.of(_other(each.company)), case.history.closed_at)
        for row_id, (case, each) in numbered
        if case.history.closed_at is not None and each is case.history.resolutions[-1]
    ]
    copy_rows(session, "resolution_answer", _ANSWER, answers)


def _other(company: Company) -> Company:
    return Company.INTEGRATOR if company is Company.MANUFACTURER else Company.MANUFACTURER
