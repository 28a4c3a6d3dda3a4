"""What was said and attached, each to one audience."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base, CaseScoped, Id, UuidId, case_foreign_key

AUDIENCE_CHECK = "audience IN ('own', 'companies', 'customer')"


class Note(CaseScoped, Base):
    """Something written or said, to one audience; ``kind`` tells a reply, question, answer, call or import apart."""

    __tablename__ = "note"
    __table_args__ = (
        Index("ix_note_case_id", "case_id", "id"),
        CheckConstraint(AUDIENCE_CHECK, name="audience"),
        CheckConstraint("kind IN ('note', 'question', 'answer', 'call', 'system')", name="kind"),
        case_foreign_key(),
    )

    id: Mapped[Id]
    seq: Mapped[int]
    kind: Mapped[str]
    audience: Mapped[str]
    owner_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    person_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    person_name: Mapped[str]
    body: Mapped[str]
    written_at: Mapped[datetime]


class Upload(Base):
    """A stored file that is not attached yet; swept after a day."""

    __tablename__ = "upload"
    __table_args__ = (Index("ix_upload_person_id", "person_id"),)

    id: Mapped[UuidId]
    storage_key: Mapped[str]
    sha256: Mapped[str]
    size_bytes: Mapped[int]
    file_name: Mapped[str]
    content_type: Mapped[str]
    purpose: Mapped[str] = mapped_column(default="", server_default="")
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    uploaded_at: Mapped[datetime]


class Attachment(CaseScoped, Base):
    """A file on a case, to one audience; always served as a download."""

    __tablename__ = "attachment"
    __table_args__ = (
        Index("ix_attachment_case_id", "case_id"),
        CheckConstraint(AUDIENCE_CHECK, name="audience"),
        case_foreign_key(),
    )

    id: Mapped[UuidId]
    seq: Mapped[int]
    note_id: Mapped[int | None] = mapped_column(ForeignKey("note.id"))
    audience: Mapped[str]
    owner_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    storage_key: Mapped[str]
    sha256: Mapped[str]
    size_bytes: Mapped[int]
    file_name: Mapped[str]
    content_type: Mapped[str]
    purpose: Mapped[str] = mapped_column(default="", server_default="")
    uploaded_by: Mapped[int] = mapped_column(ForeignKey("person.id"))
    attached_at: Mapped[datetime]
