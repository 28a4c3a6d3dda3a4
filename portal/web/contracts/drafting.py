"""The editor of a document: its text, every problem by line while somebody types, what changes, three typical bills.

Without scripts the buttons do the same: the page comes back with everything that is typed, and with its check.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import DateField
from wtforms.validators import Optional

from portal.calendars import resolve_local
from portal.contracts import actions, queries
from portal.contracts.agreement import Agreement
from portal.contracts.differences import Difference, differences
from portal.contracts.models import Document
from portal.contracts.policy import Policy
from portal.contracts.reading import LONGEST_DOCUMENT
from portal.contracts.style import agreement_remarks, policy_remarks
from portal.errors import Invalid, NotFound, Problem
from portal.quoting.library import ready
from portal.quoting.typical import TypicalBill, typical_bills
from portal.web.contracts.blueprint import KINDS, blueprint, may_write_documents, own_document
from portal.web.contracts.library import begun_with
from portal.web.forms import Form, page, refusals_of, text_field
from portal.web.gate import current_actor, current_now, current_session, current_zone, open_to


class DraftForm(Form):
    text = text_field("The document, in TOML", required="Write the document.", limit=LONGEST_DOCUMENT)
    effective_on = DateField("Holds from", validators=[Optional()])


@dataclass(frozen=True)
class Spot:
    """A problem beside the line of the text that it is about."""

    problem: Problem
    written: str


@dataclass(frozen=True)
class Checked:
    """What is to be said about a text: its problems, or what it changes and would cost; ``before`` what holds now.

    ``remarks`` are on what is right and could mislead.
    """

    spots: Sequence[Spot] = ()
    remarks: Sequence[Spot] = ()
    changes: Sequence[Difference] = ()
    bills: Sequence[TypicalBill] = ()
    before: str = ""

    @property
    def is_right(self) -> bool:
        """Whether the text could be proposed as it is."""
        return not self.spots


@blueprint.route("/contracts/<int:contract_id>/draft", methods=["GET", "POST"])
@open_to(may_write_documents)
def draft(contract_id: int) -> ResponseReturnValue:
    session, actor, now = current_session(), current_actor(), current_now()
    found = own_document(contract_id)
    form = DraftForm(text=_text_to_begin_with(found), effective_on=now.astimezone(current_zone()).date())
    if form.validate_on_submit():
        actions.save_draft(session, actor, found, form.text.data, now)
        # A text is kept however wrong it is; the proposal after it may be refused.
        session.commit()
        with refusals_of(form):
            effective_from = _effective_from(form, found)
            problems = actions.problems_of_text(session, found, form.text.data, effective_from)
            if problems:
                form.refusal = f"The draft is kept. It has {len(problems)} problem{'s' if len(problems) > 1 else ''}."
            elif request.form.get("step") == "propose":
                proposed = actions.propose_version(
                    session, actor, found, body_toml=form.text.data, effective_from=effective_from, now=now
                )
                flash(f"Version {proposed.number} is proposed. It holds once it is signed.", "good")
                return redirect(url_for("contracts.version", version_id=proposed.id), code=303)
            else:
                flash("The draft is kept. Nothing is wrong with it.", "good")
                return redirect(url_for("contracts.draft", contract_id=contract_id), code=303)
    checked = checked_text(found, form.text.data or "", now) if form.text.data else None
    return page("contracts/draft.html", form, document=found, checked=checked, kinds=KINDS)


@blueprint.post("/contracts/<int:contract_id>/draft/check")
@open_to(may_write_documents)
def check(contract_id: int) -> ResponseReturnValue:
    """The check alone, of a text that is not kept: what the page asks for while somebody types."""
    found = own_document(contract_id)
    form = DraftForm()
    if not form.validate():
        sentences = [sentence for field in form for sentence in field.errors]
        spots = [Spot(Problem(None, "", sentence), "") for sentence in sentences]
        return render_template("contracts/_check.html", checked=Checked(spots))
    return render_template("contracts/_check.html", checked=checked_text(found, form.text.data, current_now()))


def checked_text(found: Document, text: str, now: datetime) -> Checked:
    """The check of a text as of ``now``."""
    session = current_session()
    problems = actions.problems_of_text(session, found, text, now)
    if problems:
        return Checked(_spots(problems, text))
    on = now.astimezone(current_zone()).date()
    value = actions.value_of_text(found, text)
    if isinstance(value, Policy):
        return replace(_checked_policy(found, value, now, on), remarks=_spots(policy_remarks(value, text), text))
    return replace(_checked_agreement(found, value, now, on), remarks=_spots(agreement_remarks(value, text), text))


def _checked_policy(found: Document, policy: Policy, now: datetime, on: date) -> Checked:
    try:
        holding = queries.policy_in_force(current_session(), found.manufacturer_id, now)
    except NotFound:
        return Checked(bills=typical_bills((policy, None), None, on))
    before = holding.policy
    return Checked(
        changes=differences(before, policy),
        bills=typical_bills((policy, None), (before, None), on),
        before=f"version {holding.version.number}",
    )


def _checked_agreement(found: Document, agreement: Agreement, now: datetime, on: date) -> Checked:
    session = current_session()
    policy = queries.policy_in_force(session, found.manufacturer_id, now).policy
    holding = queries.agreement_in_force(session, found.manufacturer_id, found.integrator_id or 0, now)
    if holding is None:
        return Checked(bills=typical_bills((policy, agreement), (policy, None), on))
    before = holding.agreement
    return Checked(
        changes=differences(before, agreement),
        bills=typical_bills((policy, agreement), (policy, before), on),
        before=f"version {holding.version.number}",
    )


def _spots(problems: Iterable[Problem], text: str) -> list[Spot]:
    written = text.splitlines()
    return [Spot(each, _line(written, each.line)) for each in problems]


def _line(written: Sequence[str], number: int | None) -> str:
    return written[number - 1].strip() if number is not None and 0 < number <= len(written) else ""


def _text_to_begin_with(found: Document) -> str:
    """The ready document that the address names, else what is kept, else the newest version."""
    session, name = current_session(), request.args.get("begin")
    if name:
        return begun_with(ready(name), found)
    kept = queries.draft(session, current_actor(), found.id)
    if kept is not None:
        return kept.body_toml
    versions = queries.versions(session, found.id)
    return versions[0].body_toml if versions else ""


def _effective_from(form: DraftForm, found: Document) -> datetime:
    """The first instant of the day; what holds already is not changed backwards. *Raises*: Invalid."""
    now = current_now()
    on: date = form.effective_on.data or now.astimezone(current_zone()).date()
    at = resolve_local(current_zone().key, datetime.combine(on, time()))
    if queries.versions_in_force(current_session(), found.id) and on < now.astimezone(current_zone()).date():
        sentence = "Choose today or a later day: what was agreed for the past stands."
        raise Invalid(sentence, {"effective_on": sentence})
    return at
