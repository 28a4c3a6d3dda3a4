"""What is said and attached, each to one audience; files are stored before a case exists and outlive every form error.

A first substantive reply by the company that was offered the case accepts it; any such reply by the factory stops its
response clock and renews its promise to keep the other side told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from portal.access import Actor, Audience, Side
from portal.cases import rules
from portal.cases.actions.core import Held, hold, parties, person_id, record
from portal.cases.actions.movement import accept_now, acknowledge, respond
from portal.cases.models import Attachment, CaseReference, Note, SupportCase, Upload
from portal.errors import Invalid, NotAllowed

LONGEST_NOTE = 50_000
LONGEST_REFERENCE = 80
# An upload that no form has taken is removed after this long.
UPLOAD_AGE = timedelta(days=1)


@dataclass(frozen=True)
class NewNote:
    """What is written: ``substantive`` says that it is more than "received", so it counts as an answer."""

    body: str
    audience: Audience
    upload_ids: Sequence[UUID] = ()
    substantive: bool = True


@dataclass(frozen=True)
class NewUpload:
    """A file that was stored: its key and hash from the store, its name and type from the browser."""

    storage_key: str
    sha256: str
    size_bytes: int
    file_name: str
    content_type: str
    purpose: str = ""


def keep_upload(session: Session, actor: Actor, new: NewUpload, *, now: datetime) -> Upload:
    """Remember a stored file until a form takes it; ``purpose`` is the checklist field it answers."""
    upload = Upload(
        storage_key=new.storage_key,
        sha256=new.sha256,
        size_bytes=new.size_bytes,
        file_name=_plain_name(new.file_name),
        content_type=new.content_type,
        purpose=new.purpose,
        organisation_id=actor.organisation_id,
        person_id=actor.person_id,
        uploaded_at=now,
    )
    session.add(upload)
    session.flush()
    return upload


def drop_upload(session: Session, actor: Actor, upload_id: UUID) -> None:
    """Forget a file that was not attached; again is harmless. Its bytes go with the next sweep of the store."""
    for upload in own_uploads(session, actor, [upload_id], must_exist=False):
        session.delete(upload)
    session.flush()


def own_uploads(session: Session, actor: Actor, ids: Sequence[UUID], *, must_exist: bool = True) -> Sequence[Upload]:
    """The actor's own stored files that no case has yet. *Raises*: Invalid when one is gone."""
    if not ids:
        return ()
    found = session.scalars(
        select(Upload).where(
            Upload.id.in_(ids), Upload.person_id == actor.person_id, Upload.organisation_id == actor.organisation_id
        )
    ).all()
    if must_exist and len(found) != len(set(ids)):
        raise Invalid("A file is no longer here: choose it again.", {"files": "Choose the file again."})
    return found


def stale_uploads(session: Session, *, now: datetime, limit: int = 500) -> list[str]:
    """Remove rows of files that no form has taken for a day; the storage keys whose bytes can go. A job's."""
    old = select(Upload.id).where(Upload.uploaded_at < now - UPLOAD_AGE).limit(limit)
    return list(session.scalars(delete(Upload).where(Upload.id.in_(old)).returning(Upload.storage_key)))


def add_note(
    session: Session, actor: Actor, case: SupportCase, new: NewNote, *, seq: int | None = None, now: datetime
) -> Note:
    """Write to one audience; the first substantive reply of the company that was offered the case accepts it.

    A note never goes stale unless the form says so with ``seq``: nothing is lost because somebody else wrote meanwhile.
    *Raises*: NotFound, NotAllowed, Invalid.
    """
    held = hold(session, actor, case.id, seq=seq, now=now)
    held.check(rules.Verb.NOTE)
    _check_audience(actor, new.audience)
    situation = held.situation
    takes = (
        rules.reply_accepts(situation, rules.company_of(actor), new.audience, substantive=new.substantive)
        and not held.case.is_fyi
    )
    note = say(session, held, "noted", "note", new)
    if takes:
        accept_now(session, held, "reply")
    elif new.audience is not Audience.OWN and actor.side is Side.MANUFACTURER:
        (respond if new.substantive else acknowledge)(session, held)
    return note


def attach_files(
    session: Session,
    actor: Actor,
    case: SupportCase,
    upload_ids: Sequence[UUID],
    *,
    audience: Audience,
    seq: int | None = None,
    now: datetime,
) -> Sequence[Attachment]:
    """Put stored files on a case. *Raises*: NotFound, NotAllowed, Invalid; Stale where the form says its ``seq``."""
    held = hold(session, actor, case.id, seq=seq, now=now)
    held.check(rules.Verb.NOTE)
    _check_audience(actor, audience)
    uploads = own_uploads(session, actor, upload_ids)
    if not uploads:
        raise Invalid("Choose a file.", {"files": "Choose a file."})
    record(session, held, "attached", audience=audience.value, details={"count": len(uploads)})
    return attach(session, actor, held.case, uploads, seq=held.case.seq, audience=audience, now=now)


def set_reference(
    session: Session, actor: Actor, case: SupportCase, reference: str, *, seq: int | None = None, now: datetime
) -> CaseReference:
    """Give the case the number it has in the actor's own system.

    *Raises*: NotFound, NotAllowed, Invalid; Stale where the form says its ``seq``.
    """
    held = hold(session, actor, case.id, seq=seq, now=now)
    held.check(rules.Verb.SET_REFERENCE)
    text = reference.strip()
    if not text or len(text) > LONGEST_REFERENCE:
        raise Invalid("Check the number.", {"reference": f"Enter 1 to {LONGEST_REFERENCE} characters."})
    given = CaseReference(
        **parties(held.case),
        organisation_id=actor.organisation_id,
        reference=text,
        given_by=actor.person_id,
        given_at=now,
    )
    session.add(given)
    record(session, held, "reference_set", details={"reference": text})
    return given


def say(session: Session, held: Held, event_kind: str, note_kind: str, new: NewNote) -> Note:
    """Store a note with its event and files; the caller has checked the step. *Raises*: Invalid."""
    body = new.body.strip()
    if not body:
        raise Invalid("Write something.", {"body": "Write something."})
    if len(body) > LONGEST_NOTE:
        sentence = f"Keep this below {LONGEST_NOTE} characters; attach the rest as a file."
        raise Invalid(sentence, {"body": sentence})
    actor, case = held.actor, held.case
    uploads = own_uploads(session, actor, new.upload_ids) if actor is not None else ()
    record(session, held, event_kind, audience=new.audience.value)
    note = Note(
        **parties(case),
        seq=case.seq,
        kind=note_kind,
        audience=new.audience.value,
        owner_id=actor.organisation_id if actor is not None else case.manufacturer_id,
        person_id=person_id(actor),
        person_name=actor.display_name if actor is not None else "",
        body=body,
        written_at=held.now,
    )
    session.add(note)
    session.flush()
    if actor is not None and uploads:
        attach(session, actor, case, uploads, seq=case.seq, audience=new.audience, now=held.now, note_id=note.id)
    return note


def attach(
    session: Session,
    actor: Actor,
    case: SupportCase,
    uploads: Sequence[Upload],
    *,
    seq: int,
    audience: Audience,
    now: datetime,
    note_id: int | None = None,
) -> list[Attachment]:
    """Turn stored files into attachments of the event ``seq``."""
    added = [
        Attachment(
            id=upload.id,
            **parties(case),
            seq=seq,
            note_id=note_id,
            audience=audience.value,
            owner_id=actor.organisation_id,
            storage_key=upload.storage_key,
            sha256=upload.sha256,
            size_bytes=upload.size_bytes,
            file_name=upload.file_name,
            content_type=upload.content_type,
            purpose=upload.purpose,
            uploaded_by=actor.person_id,
            attached_at=now,
        )
        for upload in uploads
    ]
    session.add_all(added)
    taken = [upload.id for upload in uploads]
    gone = session.scalars(delete(Upload).where(Upload.id.in_(taken)).returning(Upload.id)).all()
    if len(gone) != len(taken):
        raise Invalid("A file is no longer here: choose it again.", {"files": "Choose the file again."})
    session.flush()
    return added


def _check_audience(actor: Actor, audience: Audience) -> None:
    if audience not in rules.audiences_for(actor.side):
        raise NotAllowed("You cannot write to these readers.")


def _plain_name(file_name: str) -> str:
    """The last part of what the browser says, without control characters, of a length that lists can show."""
    name = file_name.replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(character for character in name if character.isprintable())[-200:] or "file"
