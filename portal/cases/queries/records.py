"""Single records of a case and of known issues, as the actor may read them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.access import Actor, Side
from portal.cases.models import Attachment, CaseKnownIssue, KnownIssue, Note, Resolution, SupportCase
from portal.cases.queries.scope import readable
from portal.errors import NotFound

LISTED = 200


def attachment(session: Session, actor: Actor, case: SupportCase, attachment_id: UUID) -> Attachment:
    """A file of the case that the actor may read. *Raises*: NotFound."""
    found = session.scalars(
        select(Attachment).where(
            Attachment.id == attachment_id, Attachment.case_id == case.id, readable(actor, Attachment)
        )
    ).one_or_none()
    if found is None:
        raise NotFound()
    return found


def known_issues(
    session: Session, actor: Actor, *, product_line_id: int | None = None, limit: int = LISTED
) -> Sequence[KnownIssue]:
    """The known issues of the actor's own make, newest first; nobody else lists them."""
    if actor.side is not Side.MANUFACTURER:
        return ()
    statement = select(KnownIssue).where(KnownIssue.manufacturer_id == actor.organisation_id)
    if product_line_id is not None:
        statement = statement.where(KnownIssue.product_line_id == product_line_id)
    return session.scalars(statement.order_by(KnownIssue.id.desc()).limit(limit)).all()


def known_issue(session: Session, actor: Actor, issue_id: int) -> KnownIssue:
    """One known issue of the actor's own make. *Raises*: NotFound."""
    found = session.get(KnownIssue, issue_id)
    if found is None or actor.side is not Side.MANUFACTURER or found.manufacturer_id != actor.organisation_id:
        raise NotFound()
    return found


def cases_of_issue(session: Session, issue: KnownIssue, *, limit: int = LISTED) -> Sequence[SupportCase]:
    """The cases linked to an issue of the actor's own make, newest first."""
    return session.scalars(
        select(SupportCase)
        .join(CaseKnownIssue, CaseKnownIssue.case_id == SupportCase.id)
        .where(CaseKnownIssue.known_issue_id == issue.id, SupportCase.manufacturer_id == issue.manufacturer_id)
        .order_by(SupportCase.id.desc())
        .limit(limit)
    ).all()


def case_counts(session: Session, issue_ids: Collection[int]) -> dict[int, int]:
    """How many cases are linked to each issue, in one statement."""
    if not issue_ids:
        return {}
    rows = session.execute(
        select(CaseKnownIssue.known_issue_id, func.count())
        .where(CaseKnownIssue.known_issue_id.in_(issue_ids))
        .group_by(CaseKnownIssue.known_issue_id)
    )
    return {row[0]: row[1] for row in rows}


def resolution(session: Session, resolution_id: int) -> Resolution:
    """A resolution that the scope may read. *Raises*: NotFound."""
    found = session.get(Resolution, resolution_id)
    if found is None:
        raise NotFound()
    return found


def case_names(session: Session, ids: Collection[int]) -> dict[int, str]:
    """The names of those cases that the scope may read."""
    if not ids:
        return {}
    rows = session.execute(select(SupportCase.id, SupportCase.name).where(SupportCase.id.in_(ids)))
    return {row.id: row.name for row in rows}


def said_between_companies(
    session: Session, case: SupportCase, *, until: datetime, limit: int = LISTED
) -> Sequence[Note]:
    """What both companies read of each other up to an instant: a company's own notes are no part of it."""
    return session.scalars(
        select(Note)
        .where(Note.case_id == case.id, Note.audience.in_(("companies", "customer")), Note.written_at <= until)
        .order_by(Note.seq)
        .limit(limit)
    ).all()
