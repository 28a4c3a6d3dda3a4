"""Tables of an import's progress: the run, its cases, their work before and after overlaps are cut, rejected rows.

Only the command line reads and writes them. A run is one file read by one mapping; what it has done is committed with
the rows it did, so a run that was killed goes on where it stood.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base, Id, Json


class ImportRun(Base):
    """One file read by one mapping; every fact it stores is recorded as of ``started_at``."""

    __tablename__ = "import_run"
    __table_args__ = (
        UniqueConstraint("file_sha256", "mapping_sha256"),
        CheckConstraint("state IN ('staging', 'storing', 'done')", name="state"),
    )

    id: Mapped[Id]
    source: Mapped[str]
    file_name: Mapped[str]
    file_sha256: Mapped[str]
    mapping_sha256: Mapped[str]
    state: Mapped[str]
    rows_read: Mapped[int]
    staged_line: Mapped[int]
    stored_ordinal: Mapped[int]
    figures: Mapped[Json | None]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class ImportCase(Base):
    """A case of the log, numbered in the order of the file; ``known`` was stored before this run."""

    __tablename__ = "import_case"
    __table_args__ = (
        UniqueConstraint("run_id", "source_key"),
        CheckConstraint("state IN ('staged', 'known', 'rejected', 'stored')", name="state"),
    )

    run_id: Mapped[int] = mapped_column(ForeignKey("import_run.id"), primary_key=True)
    ordinal: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    source_key: Mapped[str]
    first_line: Mapped[int]
    state: Mapped[str]
    customer: Mapped[str]
    product: Mapped[str]
    changes: Mapped[int]
    hand_overs: Mapped[int]
    begins_with: Mapped[str]
    reopenings: Mapped[int]
    resolver: Mapped[str | None]
    is_closed: Mapped[bool]
    system_seconds: Mapped[int]


class ImportWork(Base):
    """A piece of work as the log says it; from ``kept_from`` on no earlier piece of the worker has the time."""

    __tablename__ = "import_work"
    __table_args__ = (
        ForeignKeyConstraint(["run_id", "ordinal"], ["import_case.run_id", "import_case.ordinal"]),
        Index("ix_import_work_run_id_ordinal", "run_id", "ordinal"),
        CheckConstraint("ended_at > started_at", name="order"),
    )

    id: Mapped[Id]
    run_id: Mapped[int]
    ordinal: Mapped[int]
    line: Mapped[int]
    worker: Mapped[str]
    worker_name: Mapped[str]
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime]
    note: Mapped[str]
    kept_from: Mapped[datetime | None]


class ImportRejection(Base):
    """A row that was not imported, and why."""

    __tablename__ = "import_rejection"
    __table_args__ = (Index("ix_import_rejection_run_id", "run_id", "line"),)

    id: Mapped[Id]
    run_id: Mapped[int] = mapped_column(ForeignKey("import_run.id"))
    line: Mapped[int]
    source_key: Mapped[str]
    reason: Mapped[str]
    recorded_at: Mapped[datetime]
