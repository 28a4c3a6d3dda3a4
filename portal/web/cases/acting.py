"""The one shape of a step: show its form, take it, or say why not without losing what was typed.

A step that somebody else overtook is answered with 409, the list of what happened since, and the same form made from
the present version, so that it can be sent again as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flask import flash, render_template, request
from flask.typing import ResponseReturnValue

from portal.cases import queries
from portal.cases.models import SupportCase
from portal.cases.rules import Verb
from portal.errors import Conflict
from portal.web import uploads
from portal.web.cases.blueprint import case_named, to_case
from portal.web.forms import Form, page, refusals_of, seq_field
from portal.web.gate import current_actor, current_now, current_session

NOT_NOW = "This step is not open at the moment: the case has moved on, or it is the other side's turn."


@dataclass(frozen=True)
class Act:
    """How a step is named on its page: ``done`` is said after it, ``helps`` stand at the fields."""

    title: str
    button: str
    done: str
    lead: str = ""
    verb: Verb | None = None
    template: str = "cases/act.html"
    helps: Mapping[str, str] = field(default_factory=dict)


class SeqForm(Form):
    """A step without typing."""

    seq = seq_field()


def take(
    name: str,
    act: Act,
    form: Form,
    perform: Callable[[SupportCase], object],
    *,
    found: SupportCase | None = None,
    **context: Any,
) -> ResponseReturnValue:
    """Show the form of a step on GET, take the step on POST; ``form`` knows its seq or gets the present one.

    ``found`` is the case where the view has loaded it already.
    """
    case = found or case_named(name)
    if request.method == "GET":
        _must_be_open(case, act)
        renew(form, case)
    elif form.validate():
        try:
            with refusals_of(form):
                uploads.refuse_if_unkept(form)
                perform(case)
                flash(act.done, "good")
                return to_case(case.name)
        except Conflict as conflict:
            return overtaken(name, act, form, conflict, **context)
    uploads.say_refused(form)
    return page(act.template, form, act=act, case=case_named(name), conflict=None, **context)


def take_typed(name: str, act: Act, form: Form, action: Callable[..., object]) -> ResponseReturnValue:
    """A step whose action takes what its form's fields hold, by the fields' names."""
    return take(
        name,
        act,
        form,
        lambda case: action(current_session(), current_actor(), case, now=current_now(), **_typed(form)),
    )


def overtaken(name: str, act: Act, form: Form, conflict: Conflict, **context: Any) -> ResponseReturnValue:
    """The same form once more, made from the present version, with what happened since."""
    current_session().rollback()
    case = case_named(name)
    renew(form, case)
    return render_template(act.template, form=form, act=act, case=case, conflict=conflict, **context), 409


def renew(form: Form, case: SupportCase) -> None:
    """Have the form say that it was made from the present version."""
    form.seq.data = case.seq
    form.seq.raw_data = None


def _typed(form: Form) -> dict[str, Any]:
    return {key: value for key, value in form.data.items() if key != "csrf_token"}


def _must_be_open(case: SupportCase, act: Act) -> None:
    if act.verb is None:
        return
    verbs = queries.dossier(current_session(), current_actor(), case, now=current_now()).verbs
    if act.verb not in verbs:
        raise Conflict(NOT_NOW)
