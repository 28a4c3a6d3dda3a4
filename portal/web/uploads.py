"""Files of a form: stored before anything else is looked at, so that they outlive every error of the form.

A form that takes files has one or more ``files_field`` and a field ``kept`` (``kept_field``); its view calls ``keep``
first. Files are handed out as downloads only, whatever they hold.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from flask import Response, request, send_file
from werkzeug.datastructures import FileStorage
from wtforms import Field, MultipleFileField

from portal.cases import actions
from portal.cases.actions import NewUpload
from portal.errors import Invalid
from portal.files import Store, store_at
from portal.web.display import size_text
from portal.web.forms import CheckboxesField, Form
from portal.web.gate import current_actor, current_edges, current_now, current_session

LARGEST_FILE_BYTES = 25 * 1024 * 1024
MOST_FILES = 20
CONTENT_TYPE_LIMIT = 100
LONGEST_SHOWN_NAME = 80
# Fields of the product line's checklist are named by this and their code.
ANSWERS = "answers."

_PLAIN_TYPE = re.compile(r"\A[a-z0-9.+-]+/[a-z0-9.+-]+\Z")


def files_field(label: str = "Files", **options: Any) -> Field:
    """Files to send along."""
    return MultipleFileField(label, **options)


def kept_field() -> Field:
    """Files of this form that are stored already."""
    return CheckboxesField("Stored files", coerce=_file_id, validate_choice=False)


def store() -> Store:
    """Where the bytes lie."""
    settings = current_edges().settings
    return store_at(settings.files_url, settings.files_dir)


def keep(form: Form) -> None:
    """Store what was sent, and commit it: a form that is refused shows the files as kept.

    A file that is too large is said at the field; the others are kept.
    """
    ids = [each for each in (form.kept.data or ()) if each is not None][:MOST_FILES]
    before = len(ids)
    for field in form:
        if isinstance(field, MultipleFileField):
            ids += _keep_field(field, MOST_FILES - len(ids))
    if len(ids) > before:
        # Here and not with the form's own act: what is undone when the form is refused must not take the files with it.
        current_session().commit()
    own = actions.own_uploads(current_session(), current_actor(), ids, must_exist=False)
    form.kept.choices = [(str(each.id), f"{each.file_name} ({size_text(each.size_bytes)})") for each in own]
    form.kept.data = [each.id for each in own]


def say_refused(form: Form) -> None:
    """Put what could not be kept at its field; after validating, which empties a field's list."""
    for field in form:
        refused = getattr(field, "refused", ())
        if refused:
            field.errors = [*field.errors, *(each for each in refused if each not in field.errors)]


def refuse_if_unkept(form: Form) -> None:
    """Stop where a file could not be kept, so that nobody believes it was sent. *Raises*: Invalid."""
    if any(getattr(field, "refused", ()) for field in form):
        raise Invalid("A file could not be kept.")


def kept_ids(form: Form) -> Sequence[UUID]:
    """The files that go with the form."""
    return form.kept.data or ()


def download(key: str, file_name: str) -> Response:
    """The bytes under a name, as a download that no browser opens as a page."""
    answer = send_file(
        store().open(UUID(key)),
        mimetype="application/octet-stream",
        as_attachment=True,
        download_name=safe_name(file_name),
        max_age=0,
    )
    answer.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return answer


def safe_name(file_name: str) -> str:
    """A name that no file system takes for a path or a command: no separators, control characters or leading dots."""
    name = "".join(character if character.isprintable() else "_" for character in file_name)
    name = re.sub(r'[\\/:*?"<>|]', "_", name).lstrip(". ").rstrip(". ")
    return name[-120:] or "file"


def purpose_of(field: Field) -> str:
    """What a field's files are for: the checklist's code where the field is one of its answers."""
    name = str(field.name)
    return name.removeprefix(ANSWERS) if name.startswith(ANSWERS) else ""


def _keep_field(field: Field, most: int) -> list[UUID]:
    ids: list[UUID] = []
    refused: list[str] = []
    for sent in request.files.getlist(field.name):
        if not sent.filename:
            continue
        if len(ids) >= most:
            refused.append(f"At most {MOST_FILES} files: the rest was not kept.")
            break
        try:
            ids.append(keep_file(sent, purpose_of(field)))
        except Invalid as error:
            refused.append(f"{sent.filename[-LONGEST_SHOWN_NAME:]}: {error.sentence}")
    # Beside the field's own list, which validating would empty again.
    field.refused = refused
    return ids


def keep_file(sent: FileStorage, purpose: str) -> UUID:
    """Store one file under a random key; its name and type are what the browser said, made harmless.

    *Raises*: Invalid when it is too large.
    """
    file_name, content_type = sent.filename or "file", sent.mimetype
    stored = store().put(sent.stream, limit_bytes=LARGEST_FILE_BYTES)
    kind = content_type.lower()[:CONTENT_TYPE_LIMIT]
    new = NewUpload(
        storage_key=str(stored.key),
        sha256=stored.sha256,
        size_bytes=stored.size,
        file_name=file_name,
        content_type=kind if _PLAIN_TYPE.match(kind) else "application/octet-stream",
        purpose=purpose,
    )
    return actions.keep_upload(current_session(), current_actor(), new, now=current_now()).id


def _file_id(text: str) -> UUID | None:
    try:
        return UUID(str(text))
    except ValueError:
        return None
