"""The bank's statement uploaded: its lines kept once, each matched with the posting it answers to.

Invariants: the same file again adds nothing; a line answers to one posting and a posting to one line; what has no
posting is looked for again whenever differences are, and is a difference of its own after some days.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from portal.access import Actor
from portal.errors import Invalid
from portal.settlement import bank_files, differences
from portal.settlement.bank_matching import match_entries
from portal.settlement.models import BankEntry


@dataclass(frozen=True)
class Taken:
    """What an upload came to: lines in the file, those known before, and those that found their posting now."""

    read: int
    known: int
    matched: int

    @property
    def waiting(self) -> int:
        """New lines that no posting answers to yet."""
        return self.read - self.known - self.matched


def take_bank_file(session: Session, actor: Actor, raw: bytes, *, now: datetime) -> Taken:
    """Keep the lines of a bank's file and match them. *Raises*: NotAllowed, Invalid."""
    differences.check_reconciler(actor)
    entries = bank_files.read_bank_file(raw)
    if any(entry.booked_on > differences.today_of(session, actor, now) for entry in entries):
        sentence = "The bank cannot have booked a line in the future: is it another account's forecast?"
        raise Invalid(sentence, {"file": sentence})
    rows = [
        {
            "manufacturer_id": actor.organisation_id,
            "currency": entry.currency,
            "amount_minor": entry.amount_minor,
            "booked_on": entry.booked_on,
            "reference": entry.reference,
            "words": entry.words,
            "nth": entry.nth,
            "uploaded_by": actor.person_id,
            "uploaded_at": now,
        }
        for entry in entries
    ]
    made = session.scalars(insert(BankEntry).on_conflict_do_nothing().returning(BankEntry.id), rows).all()
    found = match_entries(session, actor.organisation_id, now=now)
    return Taken(len(entries), len(entries) - len(made), len(found.intersection(made)))
