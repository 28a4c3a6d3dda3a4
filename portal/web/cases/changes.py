"""What else changes on a case: how bad it is, what kind of help it is, which known issue it belongs to."""

from __future__ import annotations

from flask.typing import ResponseReturnValue
from wtforms import RadioField, SelectField
from wtforms.validators import InputRequired

from portal.access import may_work_cases
from portal.cases import actions
from portal.cases.queries import records
from portal.cases.rules import Verb
from portal.contracts.blocks import TaskClass
from portal.metering.rules import TASK_CLASSES
from portal.web.cases.acting import Act, take, take_typed
from portal.web.cases.blueprint import blueprint, case_named
from portal.web.cases.lists import works_the_queue
from portal.web.cases.opening_forms import MINUTES_LIMIT, typed_minor, typed_seconds
from portal.web.cases.resolution import terms_of
from portal.web.cases.words import SEVERITIES
from portal.web.forms import Form, line_field, seq_field, text_field
from portal.web.gate import current_actor, current_now, current_session, open_to


class SeverityForm(Form):
    seq = seq_field()
    severity = RadioField("Severity", coerce=int, choices=list(SEVERITIES.items()))
    reason = text_field("Reason", required="Say why the severity changes.", limit=4_000)


class TaskClassForm(Form):
    seq = seq_field()
    task_class = RadioField("Kind of help", coerce=TaskClass, choices=list(TASK_CLASSES.items()))
    reason = text_field("Reason", required="Say why.", limit=4_000)


class KnownIssueForm(Form):
    seq = seq_field()
    issue = SelectField("Known issue", coerce=int, validators=[InputRequired("Choose the issue.")])


class PayerForm(Form):
    seq = seq_field()
    nte = line_field("Authorize up to", limit=20)
    minutes = line_field("More minutes of the hours left", limit=MINUTES_LIMIT)
    reason = text_field("What it is for", required="Say what it is for: the payer reads this.", limit=4_000)


PAYER = Act(
    "Ask for authorization",
    "Ask the payer",
    "The payer is asked.",
    "Nothing is billed beyond what the payer has said yes to. Ask for money, for more of the customer's hours than the "
    "case may use without asking, or for both.",
    helps={"minutes": "Only where a case may not use all hours left without asking."},
)
SEVERITY = Act(
    "Change the severity",
    "Change the severity",
    "The severity is changed; the clocks follow it.",
    "Promises that differ are closed and counted anew from now.",
    Verb.CHANGE_SEVERITY,
)
TASK_CLASS = Act(
    "Change the kind of help",
    "Change the kind of help",
    "The kind of help is changed.",
    "It decides who pays; the other company and the payer may challenge it with the resolution.",
    Verb.CHANGE_TASK_CLASS,
)
KNOWN_ISSUE = Act(
    "Link a known issue",
    "Link the issue",
    "The issue is linked.",
    "The other side reads its title and advice. Cases of one issue do not see each other.",
)


@blueprint.route("/cases/<name>/severity-changes", methods=["GET", "POST"])
@open_to(may_work_cases)
def change_severity(name: str) -> ResponseReturnValue:
    return take_typed(name, SEVERITY, SeverityForm(severity=case_named(name).severity), actions.change_severity)


@blueprint.route("/cases/<name>/task-class-changes", methods=["GET", "POST"])
@open_to(may_work_cases)
def change_task_class(name: str) -> ResponseReturnValue:
    return take_typed(
        name, TASK_CLASS, TaskClassForm(task_class=case_named(name).task_class), actions.change_task_class
    )


@blueprint.route("/cases/<name>/known-issues", methods=["GET", "POST"])
@open_to(works_the_queue)
def link_known_issue(name: str) -> ResponseReturnValue:
    case = case_named(name)
    form = KnownIssueForm()
    found = records.known_issues(current_session(), current_actor(), product_line_id=case.product_line_id)
    form.issue.choices = [(issue.id, f"{issue.number}: {issue.title}") for issue in found]
    return take(
        name,
        KNOWN_ISSUE,
        form,
        lambda held: actions.link_known_issue(
            current_session(), current_actor(), held, form.issue.data, seq=form.seq.data, now=current_now()
        ),
    )


@blueprint.route("/cases/<name>/authorization-requests", methods=["GET", "POST"])
@open_to(may_work_cases)
def ask_authorization(name: str) -> ResponseReturnValue:
    form = PayerForm()
    currency = terms_of(case_named(name)).policy.currency
    form.nte.label.text = f"Authorize up to ({currency})"
    return take(
        name,
        PAYER,
        form,
        lambda case: actions.ask_authorization(
            current_session(),
            current_actor(),
            case,
            nte_minor=typed_minor(form.nte.data, currency) if form.nte.data or not form.minutes.data else 0,
            hours_seconds=typed_seconds(form.minutes.data),
            reason=form.reason.data,
            now=current_now(),
        ),
    )
