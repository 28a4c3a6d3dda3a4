"""Time entries of another support system: stored, taken as sold, and approved by one named person, a batch at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.types.range import TimestamptzRange
from sqlalchemy.orm import Session

from portal.db import CASE_PARTIES, copy_rows, next_ids
from portal.metering.rules import audience_of

_PARTIES = ("case_id", *CASE_PARTIES)
_ENTRY = (
    "id", *_PARTIES, "audience", "owner_id", "organisation_id", "person_id", "person_name", "started_at", "ended_at",
    "mode", "task_class", "note", "source", "recorded_at",
)  # fmt: skip


@dataclass(frozen=True)
class PastWork:
    """A stretch of work that somebody did for a company of the case; ``parties`` are case and companies, in order."""

    parties: tuple[int, int, int, int]
    organisation_id: int
    person_id: int
    person_name: str
    started_at: datetime
    ended_at: datetime
    mode: str
    note: str


def store_work(session: Session, work: Sequence[PastWork], *, approver_id: int, now: datetime) -> None:
    """Store approved time entries; the database refuses them all where two of one person overlap."""
    ids = next_ids(session, "time_entry", len(work))
    audience = audience_of("support").value
    entries = [
        (
            entry_id, *each.parties, audience, each.organisation_id, each.organisation_id, each.person_id,
            each.person_name, each.started_at, each.ended_at, each.mode, "support", each.note, "import", now,
        )
        for entry_id, each in zip(ids, work, strict=True)
    ]  # fmt: skip
    copy_rows(session, "time_entry", _ENTRY, entries)
    occupied = [
        (entry_id, each.organisation_id, each.person_id, TimestamptzRange(each.started_at, each.ended_at, "[)"))
        for entry_id, each in zip(ids, work, strict=True)
    ]
    copy_rows(session, "time_occupancy", ("entry_id", "organisation_id", "person_id", "during"), occupied)
    approvals = [
        (*each.parties, entry_id, each.person_id, approver_id, now) for entry_id, each in zip(ids, work, strict=True)
    ]
    columns = (*_PARTIES, "entry_id", "worker_id", "approved_by", "approved_at")
    copy_rows(session, "time_approval", columns, approvals)
