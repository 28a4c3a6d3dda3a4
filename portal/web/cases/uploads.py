"""Files before their case: kept as they are chosen, fetched back by whoever chose them, removed again.

Forms keep their files by themselves; these addresses let a script keep them while the person still types.
"""

from __future__ import annotations

from uuid import UUID

from flask import Response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from portal.cases import actions
from portal.cases.models import Upload
from portal.errors import Invalid, NotFound
from portal.web import uploads
from portal.web.cases.blueprint import blueprint
from portal.web.gate import anyone, current_actor, current_session, open_to

PURPOSE_LIMIT = 40


@blueprint.post("/uploads")
@open_to(anyone)
def upload() -> ResponseReturnValue:
    sent = request.files.get("file")
    purpose = request.form.get("purpose", "")
    if sent is None or not sent.filename or len(purpose) > PURPOSE_LIMIT:
        raise Invalid("Choose a file.", {"file": "Choose a file."})
    kept = _own(uploads.keep_file(sent, purpose))
    return render_template("cases/_kept_file.html", upload=kept), 201


@blueprint.get("/uploads/<uuid:upload_id>")
@open_to(anyone)
def own_file(upload_id: UUID) -> Response:
    found = _own(upload_id)
    return uploads.download(found.storage_key, found.file_name)


@blueprint.post("/uploads/<uuid:upload_id>/removal")
@open_to(anyone)
def remove_upload(upload_id: UUID) -> ResponseReturnValue:
    actions.drop_upload(current_session(), current_actor(), _own(upload_id).id)
    return redirect(url_for("today.today"), code=303)


def _own(upload_id: UUID) -> Upload:
    found = actions.own_uploads(current_session(), current_actor(), [upload_id], must_exist=False)
    if not found:
        raise NotFound
    return found[0]
