"""Completing the checklist of a case that was opened without all of it."""

from __future__ import annotations

from flask import flash
from flask.typing import ResponseReturnValue

from portal.cases import actions
from portal.cases.models import SupportCase
from portal.web.cases.acting import Act, take
from portal.web.cases.blueprint import blueprint, case_named, may_complete_checklist, to_case
from portal.web.cases.opening_forms import checklist_field
from portal.web.forms import Form, seq_field
from portal.web.gate import current_actor, current_now, current_session, open_to
from portal.web.uploads import ANSWERS

CHECKLIST = Act(
    "Complete the checklist",
    "Keep the answers",
    "The answers are kept with the case.",
    "What the factory still needs to know. Promises that count from a complete checklist begin with the last answer.",
)


class ChecklistForm(Form):
    seq = seq_field()


@blueprint.route("/cases/<name>/checklist", methods=["GET", "POST"])
@open_to(may_complete_checklist)
def complete_checklist(name: str) -> ResponseReturnValue:
    session, actor, now = current_session(), current_actor(), current_now()
    missing = actions.unanswered(session, case_named(name), now=now)
    if not missing:
        flash("The checklist is complete: nothing is missing.", "good")
        return to_case(name)
    fields = {ANSWERS + each.code: checklist_field(each) for each in missing}
    form: ChecklistForm = type("MissingForm", (ChecklistForm,), fields)()

    def answer(case: SupportCase) -> object:
        answers = {each.code: form[ANSWERS + each.code].data or "" for each in missing}
        return actions.answer_checklist(session, actor, case, answers, seq=form.seq.data, now=now)

    return take(name, CHECKLIST, form, answer)
