"""The verbs of what-if: ask, and, by job, find out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, update
from sqlalchemy.orm import Session

from portal.access import Actor, Side
from portal.contracts.agreement import Agreement, agreement_against_policy, parse_agreement
from portal.contracts.copying import with_holidays
from portal.contracts.policy import Policy, parse_policy
from portal.db import transaction
from portal.errors import DocumentInvalid, Invalid, NotAllowed, NotFound, RuleBroken
from portal.jobs import enqueue
from portal.whatif.models import WhatIf
from portal.whatif.queries import Text, may_ask
from portal.whatif.question import Question
from portal.whatif.running import compare

AS_SIGNED = "as it was signed"


@dataclass(frozen=True)
class Asked:
    """What somebody asks: a partnership, a period, and the texts that stand in; None for what was signed."""

    manufacturer_id: int
    integrator_id: int | None
    from_at: datetime
    until_at: datetime
    policy: Text | None = None
    agreement: Text | None = None


def ask(session: Session, actor: Actor, wanted: Asked, *, now: datetime) -> WhatIf:
    """Keep the question and have the worker answer it.

    *Raises*: NotAllowed; Invalid for a partnership that is not the actor's, a text with problems, or no text at all.
    """
    if not may_ask(actor):
        raise NotAllowed("What a document would change is asked by who signs it.")
    own = wanted.manufacturer_id if actor.side is Side.MANUFACTURER else wanted.integrator_id
    if own != actor.organisation_id:
        raise NotFound
    _check(wanted)
    row = WhatIf(
        organisation_id=actor.organisation_id,
        person_id=actor.person_id,
        manufacturer_id=wanted.manufacturer_id,
        integrator_id=wanted.integrator_id,
        from_at=wanted.from_at,
        until_at=wanted.until_at,
        policy_toml=wanted.policy.body_toml if wanted.policy else "",
        policy_words=wanted.policy.words if wanted.policy else AS_SIGNED,
        agreement_toml=wanted.agreement.body_toml if wanted.agreement else "",
        agreement_words=wanted.agreement.words if wanted.agreement else AS_SIGNED,
        state="waiting",
        cases_done=0,
        cases_total=0,
        problem="",
        asked_at=now,
    )
    session.add(row)
    session.flush()
    enqueue(session, "run_what_if", what_if_id=row.id)
    return row


def _check(wanted: Asked) -> None:
    if wanted.policy is None and wanted.agreement is None:
        raise Invalid("Choose a draft or a version to try.", {"policy": "Choose at least one text to try."})
    if wanted.until_at <= wanted.from_at:
        raise Invalid("The period ends before it begins.", {"until_on": "This has to be after the first day."})
    if wanted.agreement is not None and wanted.agreement.integrator_id != wanted.integrator_id:
        sentence = "An agreement is tried over its own partnership."
        raise Invalid(sentence, {"agreement": sentence})
    for field, text in (("policy", wanted.policy), ("agreement", wanted.agreement)):
        try:
            _value(text)
        except DocumentInvalid as invalid:
            first = invalid.problems[0]
            sentence = f"This text has {_count(len(invalid.problems))}, the first in line {first.line}: {first.message}"
            raise Invalid("Only a text without problems can be tried.", {field: sentence}) from invalid


def _count(problems: int) -> str:
    return "a problem" if problems == 1 else f"{problems} problems"


def _value(text: Text | None) -> Policy | Agreement | None:
    if text is None:
        return None
    return policy_from(text.body_toml) if text.kind == "policy" else agreement_from(text.body_toml)


def policy_from(body_toml: str) -> Policy | None:
    """The policy of a text as it would be signed; None for no text. *Raises*: DocumentInvalid."""
    return with_holidays(parse_policy(body_toml), body_toml) if body_toml else None


def agreement_from(body_toml: str, policy: Policy | None = None) -> Agreement | None:
    """The agreement of a text; None for no text. *Raises*: DocumentInvalid, also where it does not fit the policy."""
    if not body_toml:
        return None
    agreement = with_holidays(parse_agreement(body_toml), body_toml)
    if policy is not None and (problems := agreement_against_policy(agreement, policy, body_toml)):
        raise DocumentInvalid(problems)
    return agreement


def run(engine: Engine, what_if_id: int, *, now: datetime) -> None:
    """Answer a question that waits; one that is answered stays as it is. A refusal is kept as its answer."""
    with transaction(engine) as session:
        row = session.get(WhatIf, what_if_id)
        if row is None or row.state in ("done", "failed"):
            return
        row.state = "running"

    def progress(done: int, total: int) -> None:
        _set(engine, what_if_id, cases_done=done, cases_total=total)

    try:
        result = compare(engine, _question(row), progress=progress)
    except RuleBroken as error:
        _set(engine, what_if_id, state="failed", problem=error.sentence, finished_at=now)
    else:
        _set(engine, what_if_id, state="done", result=result, finished_at=now)


def _question(row: WhatIf) -> Question:
    policy = policy_from(row.policy_toml)
    return Question(
        row.manufacturer_id,
        row.from_at,
        row.until_at,
        integrator_id=row.integrator_id,
        policy=policy,
        agreement=agreement_from(row.agreement_toml),
    )


def _set(engine: Engine, what_if_id: int, **values: Any) -> None:
    with transaction(engine) as session:
        session.execute(update(WhatIf).where(WhatIf.id == what_if_id).values(**values))
