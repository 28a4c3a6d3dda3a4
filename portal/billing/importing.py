"""Closing cuts of many cases at once; one job makes the bill item of each, of zero where nothing is owed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from portal.db import CASE_PARTIES, copy_rows, next_ids
from portal.jobs import enqueue

_CUT = ("id", "case_id", *CASE_PARTIES, "seq", "kind", "cut_at")


@dataclass(frozen=True)
class PastClosing:
    """A case that was closed; ``parties`` are case and companies, in order."""

    parties: tuple[int, int, int, int]
    closed_at: datetime


def store_closing_cuts(session: Session, closings: Sequence[PastClosing]) -> None:
    """Cut cases that had no cut before at their closing, and enqueue their bills as one job."""
    if not closings:
        return
    ids = next_ids(session, "billing_cut", len(closings))
    rows = [(cut_id, *each.parties, 1, "closing", each.closed_at) for cut_id, each in zip(ids, closings, strict=True)]
    copy_rows(session, "billing_cut", _CUT, rows)
    enqueue(session, "bill_cuts", first_id=ids[0], last_id=ids[-1])
