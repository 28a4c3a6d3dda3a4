"""Promises on a case: what keeps one before the end, and why a deadline is what it is, as a file to count again."""

from __future__ import annotations

import json

from flask import Response
from flask.typing import ResponseReturnValue
from wtforms import RadioField

from portal.access import may_work_cases
from portal.cases import actions, queries
from portal.cases.rules import Verb
from portal.contracts.targets import Clock
from portal.web.cases.acting import Act, take
from portal.web.cases.blueprint import blueprint, case_named
from portal.web.forms import Form, seq_field, text_field
from portal.web.gate import anyone, current_actor, current_now, current_session, open_to

KEPT = {
    Clock.WORKAROUND.value: "The customer can work again by a workaround",
    Clock.ON_SITE.value: "We are on site",
    Clock.DELIVERY.value: "The part is there",
}


class PromiseForm(Form):
    seq = seq_field()
    clock = RadioField("What is done", choices=list(KEPT.items()), default=Clock.WORKAROUND.value)
    words = text_field("What the customer reads", required="Say what was done.", limit=20_000)


KEEPING = Act(
    "A workaround is given",
    "Say so",
    "It is said, and its clock has ended.",
    "The case goes on; the customer reads this, and the clock of the promise ends.",
    Verb.KEEP_PROMISE,
)


@blueprint.route("/cases/<name>/kept-promises", methods=["GET", "POST"])
@open_to(may_work_cases)
def keep_promise(name: str) -> ResponseReturnValue:
    form = PromiseForm()
    return take(
        name,
        KEEPING,
        form,
        lambda case: actions.keep_promise(
            current_session(),
            current_actor(),
            case,
            clock=Clock(form.clock.data),
            words=form.words.data,
            seq=form.seq.data,
            now=current_now(),
        ),
    )


@blueprint.get("/cases/<name>/clocks/<int:clock_id>")
@open_to(anyone)
def why_deadline(name: str, clock_id: int) -> ResponseReturnValue:
    """Everything the deadline is counted from, as JSON; ``portal why-deadline`` counts it again from the file."""
    case = case_named(name)
    proof = queries.deadline_proof(current_session(), current_actor(), case, clock_id, now=current_now())
    response = Response(json.dumps(proof, indent=2), mimetype="application/json")
    response.headers["Content-Disposition"] = f'attachment; filename="{case.name}-{proof["clock"]}.json"'
    return response
