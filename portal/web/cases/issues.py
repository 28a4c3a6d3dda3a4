"""Known issues: the factory's list of faults that many cases share."""

from __future__ import annotations

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from wtforms import SelectField
from wtforms.validators import InputRequired

from portal.cases import actions
from portal.cases.queries import records
from portal.contracts.queries import policy_in_force
from portal.directory.queries import product_lines
from portal.web.cases.blueprint import blueprint
from portal.web.cases.lists import works_the_queue
from portal.web.forms import Form, line_field, page, refusals_of, text_field
from portal.web.gate import current_actor, current_now, current_session, open_to


class IssueForm(Form):
    title = line_field("What goes wrong", required="Name the issue.")
    product_line = SelectField("Product line", coerce=int, validators=[InputRequired("Choose the product line.")])
    cause = SelectField("Cause", validators=[InputRequired("Choose the cause.")])
    advice = text_field("Advice", required="Say what to do about it.", limit=10_000)


@blueprint.get("/known-issues")
@open_to(works_the_queue)
def known_issues() -> ResponseReturnValue:
    found = records.known_issues(current_session(), current_actor())
    return render_template(
        "cases/known_issues.html",
        issues=found,
        counts=records.case_counts(current_session(), [issue.id for issue in found]),
        lines={line.id: line.name for line in product_lines(current_session(), current_actor().organisation_id)},
    )


@blueprint.route("/known-issues/new", methods=["GET", "POST"])
@open_to(works_the_queue)
def open_known_issue() -> ResponseReturnValue:
    session, actor = current_session(), current_actor()
    form = IssueForm()
    form.product_line.choices = [(line.id, line.name) for line in product_lines(session, actor.organisation_id)]
    policy = policy_in_force(session, actor.organisation_id, current_now()).policy
    form.cause.choices = [(cause.code, cause.label) for cause in policy.causes]
    if form.validate_on_submit():
        with refusals_of(form):
            issue = actions.open_known_issue(
                session,
                actor,
                product_line_id=form.product_line.data,
                title=form.title.data,
                advice=form.advice.data,
                cause=form.cause.data,
                now=current_now(),
            )
            flash("The issue is known now: link the cases it explains.", "good")
            return redirect(url_for("cases.known_issue", issue_id=issue.id), code=303)
    return page("cases/known_issue_form.html", form)


@blueprint.get("/known-issues/<int:issue_id>")
@open_to(works_the_queue)
def known_issue(issue_id: int) -> ResponseReturnValue:
    issue = records.known_issue(current_session(), current_actor(), issue_id)
    return render_template(
        "cases/known_issue.html", issue=issue, cases=records.cases_of_issue(current_session(), issue)
    )


@blueprint.post("/known-issues/<int:issue_id>/confirmation")
@open_to(works_the_queue)
def confirm_known_issue(issue_id: int) -> ResponseReturnValue:
    actions.confirm_known_issue(current_session(), current_actor(), issue_id, now=current_now())
    flash("The issue is confirmed: its cases are priced again.", "good")
    return redirect(url_for("cases.known_issue", issue_id=issue_id), code=303)
