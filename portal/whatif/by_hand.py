"""A question from the command line and its answer: documents from files, companies by their codes, nothing stored."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from portal.db import transaction
from portal.directory.models import Organisation
from portal.directory.queries import organisation_names
from portal.errors import NotFound
from portal.whatif.actions import agreement_from, policy_from
from portal.whatif.printing import as_table
from portal.whatif.question import Question
from portal.whatif.running import compare


def question(
    engine: Engine,
    manufacturer: str,
    *,
    period: tuple[datetime, datetime],
    integrator: str | None = None,
    policy_file: Path | None = None,
    agreement_file: Path | None = None,
) -> Question:
    """What the options ask. *Raises*: NotFound for a code nobody has, DocumentInvalid, RuleBroken."""
    policy = policy_from(_text(policy_file))
    with transaction(engine) as session:
        return Question(
            _company(session, manufacturer),
            *period,
            integrator_id=_company(session, integrator) if integrator else None,
            policy=policy,
            agreement=agreement_from(_text(agreement_file), policy),
        )


def answer(engine: Engine, asked: Question, *, as_json: bool, progress: Callable[[str, int, int], None]) -> str:
    """The comparison in words or as JSON."""
    result = compare(engine, asked, progress=lambda done, total: progress("Cases", done, total))
    with transaction(engine) as session:
        names = organisation_names(session, sorted(_ids(result)))
    if as_json:
        return json.dumps({**result, "organisations": {str(key): name for key, name in names.items()}}, indent=2)
    return as_table(result, names)


def _text(file: Path | None) -> str:
    return file.read_text(encoding="utf-8") if file is not None else ""


def _company(session: Session, code: str) -> int:
    found = session.scalars(select(Organisation.id).where(Organisation.code == code)).one_or_none()
    if found is None:
        raise NotFound(f"Nobody here has the code {code}.")
    return found


def _ids(result: dict[str, Any]) -> set[int]:
    lists = ("parties", "customers", "payers", "integrators", "warnings")
    return {row["id"] for name in lists for row in result[name] if row["id"] is not None}
