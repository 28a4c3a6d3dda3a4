"""The second reading of a log: each case that the first one passed is stored with everything that hangs on it.

A batch of cases is one transaction, with the run's progress in it: a case is in the database as a whole or not at all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from sqlalchemy import Engine, func, select, update
from sqlalchemy.orm import Session

from portal.billing.importing import PastClosing, store_closing_cuts
from portal.calendars import Calendar
from portal.cases.importing import (
    CaseHistory,
    Parties,
    PastAcceptance,
    PastEvent,
    PastPause,
    PastResolution,
    StoredCase,
    store_histories,
)
from portal.contracts.blocks import Company
from portal.db import transaction
from portal.entitlement.importing import PastYes, store_yeses
from portal.errors import RuleBroken
from portal.identity.importing import know_workers
from portal.importing.mapping import Mapping
from portal.importing.models import ImportCase, ImportRun, ImportWork
from portal.importing.reading import Group, Position, groups, size_of
from portal.importing.rules import Happened, ReadCase
from portal.importing.setting import Setting, resolver_of
from portal.importing.staging import Progress, batches, read_group
from portal.metering.importing import PastWork, store_work

CASES_AT_ONCE = 250

# What the customer reads of its case; the states of the other system stay between the companies.
_TO_CUSTOMER = frozenset({"opened", "accepted", "paused", "resumed", "resolved", "reopened", "closed"})


def store(
    engine: Engine, run: ImportRun, mapping: Mapping, setting: Setting, path: Path, *, progress: Progress
) -> None:
    """Store the staged cases from where the run stands, in the order of the file."""
    calendar = mapping.work.calendar.opened_in(mapping.manufacturer.zone)
    fresh = (group for group in groups(path, mapping, Position(0, size_of(path))) if group.ordinal > run.stored_ordinal)
    with transaction(engine) as session:
        total = session.scalar(select(func.count()).select_from(ImportCase).where(ImportCase.run_id == run.id)) or 0
    for batch in batches(fresh, CASES_AT_ONCE):
        with transaction(engine) as session:
            _Batch(session, run, mapping, setting, calendar).store(batch)
            row = session.get_one(ImportRun, run.id)
            row.stored_ordinal = batch[-1].ordinal
        progress("Storing", min(batch[-1].ordinal, total), total)


class _Batch:
    """What storing one batch of cases needs; it stores one batch."""

    def __init__(
        self, session: Session, run: ImportRun, mapping: Mapping, setting: Setting, calendar: Calendar
    ) -> None:
        self.session, self.run, self.mapping, self.setting, self.calendar = session, run, mapping, setting, calendar
        self.now = run.started_at

    def store(self, batch: Sequence[Group]) -> None:
        """Store what the first reading staged of these groups."""
        staged = self._staged(batch)
        read = [(group.ordinal, self._read_again(group)) for group in batch if group.ordinal in staged]
        stored = store_histories(
            self.session,
            [self._history(case) for _, case in read],
            code=self.setting.manufacturer.code,
            importer_id=self.setting.importer.person_id,
            now=self.now,
        )
        by_ordinal = {ordinal: case for (ordinal, _), case in zip(read, stored, strict=True)}
        self._store_work(by_ordinal)
        closings = [
            PastClosing(parties_of(case), case.history.closed_at)
            for case in stored
            if case.history.closed_at is not None
        ]
        store_closing_cuts(self.session, closings)
        self.session.execute(
            update(ImportCase)
            .where(ImportCase.run_id == self.run.id, ImportCase.ordinal.in_(by_ordinal))
            .values(state="stored")
        )

    def _staged(self, batch: Sequence[Group]) -> set[int]:
        return set(
            self.session.scalars(
                select(ImportCase.ordinal).where(
                    ImportCase.run_id == self.run.id,
                    ImportCase.ordinal.between(batch[0].ordinal, batch[-1].ordinal),
                    ImportCase.state == "staged",
                )
            )
        )

    def _read_again(self, group: Group) -> ReadCase:
        read = read_group(group, self.mapping, self.calendar)
        if read is None:
            raise RuleBroken(f"The file reads otherwise than before at line {group.first_line}.")
        return read

    def _history(self, read: ReadCase) -> CaseHistory:
        first, setting = read.first, self.setting
        parties = Parties(setting.manufacturer.id, setting.integrator.id, setting.places[first.customer].customer_id)
        return CaseHistory(
            parties=parties,
            about=setting.systems[first.customer, first.product],
            source=self.mapping.source,
            source_key=first.case,
            title=f"{first.product}: case {first.case} of {self.mapping.source}",
            symptom=f"Imported from {self.mapping.source}, which said: {first.status}.",
            severity=first.severity,
            state=read.state.value,
            holder=read.holder,
            entitlement_rank=setting.rank,
            plan_code=self.mapping.documents.plan,
            events=tuple(_events(read)),
            acceptances=tuple(
                PastAcceptance(held.seq, held.company, held.from_at, row.worker_name) for held, row in read.acceptances
            ),
            pauses=tuple(PastPause(each.start.status, each.start.at, each.end) for each in read.pauses),
            resolutions=tuple(self._resolutions(read)),
            closed_at=read.closed_at,
        )

    def _resolutions(self, read: ReadCase) -> Iterator[PastResolution]:
        for each in read.resolutions:
            said, weights = resolver_of(self.mapping, each.by), self.setting.weights[each.by]
            yield PastResolution(
                each.seq, said.cause, said.last_action, each.by, weights.integrator_bp, weights.manufacturer_bp,
                f"{self.mapping.source} said: {each.row.status}.", each.row.company, each.row.worker_name, each.row.at,
            )  # fmt: skip

    def _store_work(self, stored: dict[int, StoredCase]) -> None:
        """The work that was left after overlaps, and the yes of each case that has any."""
        pieces = self.session.execute(
            select(ImportWork)
            .where(
                ImportWork.run_id == self.run.id,
                ImportWork.ordinal.in_(stored),
                ImportWork.kept_from < ImportWork.ended_at,
            )
            .order_by(ImportWork.ordinal, ImportWork.started_at, ImportWork.id)
        ).scalars()
        by_case: dict[int, list[ImportWork]] = defaultdict(list)
        for piece in pieces:
            by_case[piece.ordinal].append(piece)
        workers = {each.worker: each.worker_name for some in by_case.values() for each in some}
        people = know_workers(
            self.session,
            workers,
            domain=self.mapping.work.mail_domain,
            visible_to=[self.setting.manufacturer.id, self.setting.integrator.id],
            now=self.now,
        )
        work = [self._past_work(stored[ordinal], each, people) for ordinal, some in by_case.items() for each in some]
        store_work(self.session, work, approver_id=self.setting.approver.person_id, now=self.now)
        yeses = [self._yes(stored[ordinal]) for ordinal in by_case]
        store_yeses(self.session, yeses, price_per_hour_minor=self.setting.price_per_hour_minor, now=self.now)

    def _past_work(self, case: StoredCase, piece: ImportWork, people: dict[str, int]) -> PastWork:
        if piece.kept_from is None:
            raise RuleBroken("Work was to be stored before its overlaps were cut.")
        company: Company = self.mapping.work.company
        return PastWork(
            parties_of(case), case.parties.of(company), people[piece.worker], piece.worker_name, piece.kept_from,
            piece.ended_at, self.mapping.work.mode.value, piece.note,
        )  # fmt: skip

    def _yes(self, case: StoredCase) -> PastYes:
        place = next(place for place in self.setting.places.values() if place.site_id == case.history.about.site_id)
        return PastYes(parties_of(case), place.standing, place.buyer_name, case.history.events[0].at)


def parties_of(case: StoredCase) -> tuple[int, int, int, int]:
    """The case and its companies, as every row about it carries them."""
    parties = case.parties
    return case.case_id, parties.manufacturer_id, parties.integrator_id, parties.customer_id


def _events(read: ReadCase) -> Iterator[PastEvent]:
    """Every event; the first one of a row carries what the row says beside."""
    told: int | None = None
    for event in read.events:
        details = {"line": event.row.line, "status": event.row.status} if event.row.line != told else {}
        told = event.row.line
        yield _event(event, details | (dict(event.row.details) if details else {}))


def _event(event: Happened, details: dict[str, object]) -> PastEvent:
    audience = "customer" if event.kind in _TO_CUSTOMER else "companies"
    row = event.row
    return PastEvent(event.seq, event.kind, audience, row.company, row.worker_name, row.at, details)
