"""A case's timeline for one actor: events in words with their notes and files, and clocks where they ended."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import and_, bindparam, select
from sqlalchemy.orm import Session

from portal.access import Actor
from portal.cases import words
from portal.cases.clocks import ClockLine
from portal.cases.models import Attachment, CaseClock, CaseEvent, ClockClosing, Note, SupportCase
from portal.cases.queries.scope import readable_rows, reader
from portal.rows import Together, read_together, together

TIMELINE_PAGE = 200

# What a timeline is narrowed to, by kinds of events.
FILTERS = {
    "notes": ("noted", "asked", "answered"),
    "custody": (
        *("opened", "call_logged", "offered", "offer_withdrawn", "accepted", "taken_up", "taken_back"),
        *("declined", "handed_back", "paused", "resumed"),
    ),
    "files": ("attached", "noted", "answered", "opened"),
    "money": (
        *("authorization_asked", "authorized", "authorization_refused", "emergency_begun", "ratified"),
        *("ratification_refused", "authorization_withdrawn"),
    ),
    "promises": (
        *("workaround_given", "arrived_on_site", "part_delivered"),
        *("promise_at_risk", "promise_missed", "management_told"),
    ),
    "resolution": (
        *("resolved", "confirmed", "deemed_confirmed", "deemed_undone", "second_notice", "silence_to_manager"),
        *("challenged", "outcome_proposed", "ladder_climbed", "challenge_decided", "reopened", "closed"),
        "fixed_confirmed",
    ),
}


@dataclass(frozen=True)
class Entry:
    """One line of the timeline: the event, in words, with its note and files; or a clock that ended."""

    at: datetime
    seq: int | None
    kind: str
    person_name: str
    sentence: str
    audience: str
    details: Mapping[str, Any]
    note: Note | None = None
    attachments: tuple[Attachment, ...] = ()
    clock: CaseClock | None = None
    closing: ClockClosing | None = None


def timeline(
    session: Session,
    actor: Actor,
    case: SupportCase,
    *,
    only: str | None = None,
    before_seq: int | None = None,
    limit: int = TIMELINE_PAGE,
    ended: Sequence[ClockLine] = (),
) -> list[Entry]:
    """What happened, as the actor may read it, oldest first: the last ``limit`` events before ``before_seq``.

    *Shape*: ``only`` is one of ``FILTERS``; ``ended`` are clock lines of the dossier, shown where they ended.
    """
    narrowed = only if only in FILTERS else None
    values = {"case_id": case.id, "before_seq": before_seq, "most": limit, **reader(actor)}
    rows = read_together(session, _story(narrowed, continued=before_seq is not None), values)
    events = rows[CaseEvent]
    if not events:
        return []
    said = {note.seq: note for note in rows[Note]}
    files = _by_event(rows[Attachment])
    entries = [_entry(event, said.get(event.seq), files.get(event.seq, ())) for event in events]
    if only == "files":
        entries = [entry for entry in entries if entry.attachments]
    if only in (None, "custody"):
        first = events[0].occurred_at if before_seq is not None or len(events) == limit else None
        entries += [entry for line in ended if (entry := _clock_entry(line)) and (first is None or entry.at >= first)]
    return sorted(entries, key=lambda entry: (entry.at, entry.seq or 0))


@cache
def _story(only: str | None, *, continued: bool) -> Together:
    """The last events of a kind with their notes and files, as far as their reader may read them, in one statement."""
    of_case = {
        model: and_(model.case_id == bindparam("case_id"), readable_rows(model))
        for model in (CaseEvent, Note, Attachment)
    }
    shown = select(CaseEvent.seq).where(of_case[CaseEvent])
    if continued:
        shown = shown.where(CaseEvent.seq < bindparam("before_seq"))
    if only is not None:
        shown = shown.where(CaseEvent.kind.in_(FILTERS[only]))
    seqs = shown.order_by(CaseEvent.seq.desc()).limit(bindparam("most")).cte("shown")
    return together({model: and_(claim, model.seq.in_(select(seqs.c.seq))) for model, claim in of_case.items()})


def _by_event(rows: Sequence[Attachment]) -> dict[int, tuple[Attachment, ...]]:
    found: dict[int, list[Attachment]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row.file_name):
        found[row.seq].append(row)
    return {seq: tuple(files) for seq, files in found.items()}


def _entry(event: CaseEvent, note: Note | None, attachments: tuple[Attachment, ...]) -> Entry:
    return Entry(
        at=event.occurred_at,
        seq=event.seq,
        kind=event.kind,
        person_name=event.person_name,
        sentence=words.sentence(event.kind),
        audience=event.audience,
        details=event.details,
        note=note,
        attachments=attachments,
    )


def _clock_entry(line: ClockLine) -> Entry | None:
    if line.closing is None or line.closing.outcome == "void":
        return None
    return Entry(
        at=line.closing.closed_at,
        seq=None,
        kind=f"clock_{line.closing.outcome}",
        person_name="",
        sentence=f"{line.clock.kind} {line.closing.outcome}",
        audience="customer",
        details={},
        clock=line.clock,
        closing=line.closing,
    )
