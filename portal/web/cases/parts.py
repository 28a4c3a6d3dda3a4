"""Parts fitted on a case: the form that records one, the page of one, its confirmation, the list beside the work."""

from __future__ import annotations

from dataclasses import dataclass

from flask import flash, redirect, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from wtforms import DateTimeLocalField, RadioField, SelectField
from wtforms.validators import InputRequired

from portal.access import Actor
from portal.billing.gathering import Gathered
from portal.calendars import resolve_local
from portal.cases.models import SupportCase
from portal.cases.queries import case_by_id
from portal.contracts.blocks import Company
from portal.contracts.owing import Disposition
from portal.errors import NotFound
from portal.metering import parts
from portal.metering.models import FittedPart, PartConfirmation
from portal.metering.parts import NewPart
from portal.metering.queries import unconfirmed_parts
from portal.metering.rules import may_approve, may_log_time
from portal.web.cases.acting import Act, take
from portal.web.cases.blueprint import blueprint, case_named, to_case
from portal.web.cases.opening_forms import AMOUNT_LIMIT, typed_minor
from portal.web.cases.resolution import terms_of
from portal.web.forms import Form, line_field, page, refusals_of, seq_field
from portal.web.gate import current_actor, current_now, current_session, current_zone, open_to
from portal.web.work_forms import MINUTE_FORM

PART = Act(
    "A part was fitted",
    "Record the part",
    "The part is recorded.",
    "What the customer bears is a line of its bill, within what it authorized.",
    helps={
        "bearer": "Where the policy says who bears such a part, the policy holds.",
        "amount": "Its list price, without tax.",
    },
)
SUPPLIERS = {Company.MANUFACTURER.value: "The factory", Company.INTEGRATOR.value: "The integrator"}


class PartForm(Form):
    seq = seq_field()
    part = line_field("The part", required="Name the part.", limit=parts.LONGEST_WORD)
    serial = line_field("Its serial number", limit=parts.LONGEST_WORD)
    rma = line_field("RMA number", limit=parts.LONGEST_WORD)
    disposition = SelectField(
        "What became of the old part",
        choices=[("", "Choose"), *((each.value, each.value.capitalize()) for each in Disposition)],
        default="",
    )
    supplier = RadioField("Whose it was", choices=list(SUPPLIERS.items()), validators=[InputRequired("Choose.")])
    bearer = RadioField(
        "Who bears it",
        choices=[("customer", "The customer"), ("companies", "The companies")],
        validators=[InputRequired("Choose who bears the part.")],
    )
    amount = line_field("List price", required="Give its list price.", limit=AMOUNT_LIMIT)
    fitted_at = DateTimeLocalField("Fitted", format=MINUTE_FORM, validators=[InputRequired("Say when.")])


class TakeBackForm(Form):
    reason = line_field("Why it was recorded by mistake", required="A correction needs its reason.", limit=500)


@dataclass(frozen=True)
class PartLine:
    """A part as the case page lists it; ``href`` where the reader may open it, ``waits`` for a second person."""

    part: FittedPart
    supplier: str
    href: str
    waits: bool


@blueprint.route("/cases/<name>/parts", methods=["GET", "POST"])
@open_to(may_log_time)
def record_part(name: str) -> ResponseReturnValue:
    session, actor, now = current_session(), current_actor(), current_now()
    case = case_named(name)
    here = now.astimezone(current_zone()).replace(tzinfo=None, second=0, microsecond=0)
    form, currency = PartForm(supplier=actor.side.value, fitted_at=here), terms_of(case).policy.currency
    form.amount.label.text = f"List price ({currency})"

    def act(held: SupportCase) -> object:
        fitted_at = resolve_local(current_zone().key, form.fitted_at.data)
        return parts.record_part(session, actor, held, _new(form, currency), fitted_at=fitted_at, now=now)

    return take(name, PART, form, act)


@blueprint.route("/parts/<int:part_id>", methods=["GET", "POST"])
@open_to(may_log_time)
def fitted_part(part_id: int) -> ResponseReturnValue:
    session, actor = current_session(), current_actor()
    found = session.get(FittedPart, part_id)
    if found is None or found.organisation_id != actor.organisation_id:
        raise NotFound
    case = case_by_id(session, actor, found.case_id)
    confirmed = session.scalars(select(PartConfirmation).where(PartConfirmation.part_id == part_id)).one_or_none()
    form, waits = TakeBackForm(), found.needs_second and confirmed is None
    if form.validate_on_submit():
        with refusals_of(form):
            parts.take_back_part(session, actor, part_id, reason=form.reason.data, now=current_now())
            flash("The part is taken back.", "good")
            return to_case(case.name)
    may_confirm = waits and may_approve(actor, worker_id=found.recorded_by, company_id=found.organisation_id)
    return page(
        "cases/part.html", form, part=found, case=case, supplier=_supplier(found), waits=waits, confirmed=confirmed,
        may_confirm=may_confirm,
    )  # fmt: skip


@blueprint.post("/parts/<int:part_id>/confirmation")
@open_to(may_log_time)
def confirm_part(part_id: int) -> ResponseReturnValue:
    new = parts.confirm_part(current_session(), current_actor(), part_id, now=current_now())
    flash("The part is confirmed." if new else "The part was confirmed before.", "good")
    return redirect(url_for("cases.fitted_part", part_id=part_id), code=303)


def part_lines(actor: Actor, read: Gathered) -> list[PartLine]:
    """The parts of a case that stand, in the order they were fitted."""
    waiting = {row.id for row in unconfirmed_parts(read.rows)}
    return [PartLine(row, _supplier(row), _page_of(actor, row), row.id in waiting) for row in read.live_parts]


def _page_of(actor: Actor, row: FittedPart) -> str:
    mine = may_log_time(actor) and row.organisation_id == actor.organisation_id
    return url_for("cases.fitted_part", part_id=row.id) if mine else ""


def _supplier(row: FittedPart) -> str:
    side = Company.MANUFACTURER if row.supplier_id == row.manufacturer_id else Company.INTEGRATOR
    return SUPPLIERS[side.value]


def _new(form: PartForm, currency: str) -> NewPart:
    return NewPart(
        form.part.data or "",
        typed_minor(form.amount.data, currency, "amount"),
        form.supplier.data or "",
        form.disposition.data or "",
        form.bearer.data == "customer",
        form.serial.data or "",
        form.rma.data or "",
    )
