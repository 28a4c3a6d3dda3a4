"""What is said on a case: notes with their readers and files, each company's own number; files are downloads."""

from __future__ import annotations

from uuid import UUID

from flask import Response
from flask.typing import ResponseReturnValue
from wtforms import RadioField

from portal.access import Audience
from portal.cases import actions
from portal.cases.actions import NewNote
from portal.cases.actions.notes import LONGEST_NOTE, LONGEST_REFERENCE
from portal.cases.models import SupportCase
from portal.cases.queries import records
from portal.cases.rules import audiences_for
from portal.web import uploads
from portal.web.cases.acting import Act, take
from portal.web.cases.blueprint import blueprint, case_named
from portal.web.cases.words import audience_choices
from portal.web.forms import Form, line_field, seq_field, text_field
from portal.web.gate import anyone, current_actor, current_now, current_session, open_to


class NoteForm(Form):
    seq = seq_field()
    body = text_field("Note", limit=LONGEST_NOTE)
    audience = RadioField("Who reads it")
    files = uploads.files_field()
    kept = uploads.kept_field()


class ReferenceForm(Form):
    seq = seq_field()
    reference = line_field("Your own number", required="Type the number.", limit=LONGEST_REFERENCE)


NOTE = Act("Write a note", "Save the note", "The note is saved.", template="cases/note.html")
REFERENCE = Act(
    "Your own number",
    "Save the number",
    "The number is saved.",
    "The number this case has in your company's own system. All parties of the case see it.",
)


def note_form(case: SupportCase) -> NoteForm:
    """The form for a note, with the usual readers chosen: never the customer unless somebody says so."""
    form = NoteForm(seq=case.seq)
    audiences = audiences_for(current_actor().side)
    form.audience.choices = audience_choices(current_actor().side, audiences)
    form.audience.data = form.audience.data or audiences[0].value
    return form


@blueprint.route("/cases/<name>/notes", methods=["GET", "POST"])
@open_to(anyone)
def add_note(name: str) -> ResponseReturnValue:
    found = case_named(name)
    form = note_form(found)
    if form.is_submitted():
        uploads.keep(form)
    return take(name, NOTE, form, lambda case: _say(case, form), found=found)


@blueprint.route("/cases/<name>/references", methods=["GET", "POST"])
@open_to(anyone)
def set_reference(name: str) -> ResponseReturnValue:
    form = ReferenceForm()
    return take(
        name,
        REFERENCE,
        form,
        lambda case: actions.set_reference(
            current_session(), current_actor(), case, form.reference.data, seq=form.seq.data, now=current_now()
        ),
    )


@blueprint.get("/cases/<name>/files/<uuid:attachment_id>")
@open_to(anyone)
def download(name: str, attachment_id: UUID) -> Response:
    case = case_named(name)
    found = records.attachment(current_session(), current_actor(), case, attachment_id)
    return uploads.download(found.storage_key, found.file_name)


def _say(case: SupportCase, form: NoteForm) -> None:
    """A note with its files, or files alone."""
    session, actor, now = current_session(), current_actor(), current_now()
    audience, ids = Audience(form.audience.data), uploads.kept_ids(form)
    if not form.body.data and ids:
        actions.attach_files(session, actor, case, ids, audience=audience, seq=form.seq.data, now=now)
        return
    actions.add_note(session, actor, case, NewNote(form.body.data or "", audience, ids), seq=form.seq.data, now=now)
