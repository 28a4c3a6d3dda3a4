"""Forms of a year for whoever pays: who is reported, by whom, why not, what is missing; the certification."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from flask import flash, redirect, render_template, request, send_file, url_for
from flask.typing import ResponseReturnValue
from wtforms import DateField, RadioField, SelectField
from wtforms.validators import InputRequired

from portal.errors import NotFound
from portal.identity import queries as people
from portal.settlement import filing, yearly
from portal.taxes import queries
from portal.taxes.certifying import certify
from portal.taxes.rules import taxpayer as said
from portal.taxes.rules.identity import LONGEST_NAME
from portal.taxes.rules.year_forms import FILE, NONE, UNDER, box_amounts
from portal.taxes.tables import known_forms, known_layouts
from portal.web.exports import csv_pieces, csv_response, spooled
from portal.web.forms import Form, line_field, page, refusals_of
from portal.web.gate import current_actor, current_edges, current_now, current_session, current_zone, open_to
from portal.web.settlement.blueprint import blueprint, may_settle
from portal.web.stepping import confirmed

KINDS = {FILE: ("To file", "accent"), UNDER: ("Under the threshold", "plain"), NONE: ("No form", "plain")}
FILERS = {"payer": "The payer", "processor": "The payment processor"}
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
FIRST_YEAR, LAST_YEAR = 2020, 2100
CSV_HEAD = (
    "year", "payer", "recipient", "legal_name", "address", "country", "tax_number", "certified_by", "certified_on",
    "currency", "paid_minor", "gross_minor", "transactions", *(f"month_{month:02d}_minor" for month in range(1, 13)),
    "form", "outcome", "filed_by", "reasons", "missing",
)  # fmt: skip


class CertificationForm(Form):
    form = RadioField(
        "Certification",
        choices=list(said.CERTIFICATES.items()),
        validators=[InputRequired("Choose what you certify by.")],
    )
    classification = SelectField("Classification", choices=list(said.CLASSES.items()))
    certified_name = line_field(
        "Name on the certification", required="The name as it is certified.", limit=LONGEST_NAME
    )
    number_type = SelectField("Kind of number", choices=list(said.NUMBERS.items()))
    number = line_field("Tax number", required="The number that is certified.", limit=said.LONGEST_NUMBER)
    certified_on = DateField("Signed on", validators=[InputRequired("The day of its signature.")])


@blueprint.get("/tax-forms")
@open_to(may_settle)
def tax_forms() -> ResponseReturnValue:
    session, actor = current_session(), current_actor()
    years = yearly.years_paid(session, actor)
    wanted = request.args.get("year", "")
    year = _year(wanted) if wanted else current_now().astimezone(current_zone()).year
    rows = yearly.recipients(session, actor, year)
    return render_template(
        "settlement/tax_forms.html",
        year=year,
        years=sorted({*years, year}, reverse=True),
        rows=rows,
        unready=[row for row in rows if row.is_unready],
        kinds=KINDS,
        filers=FILERS,
        **_filing(year, rows),
    )


def _filing(year: int, rows: Sequence[yearly.Recipient]) -> dict[str, Any]:
    """What the page shows of the year's files: what they hold, who asked, who allowed, and what the reader may do."""
    session, actor, now = current_session(), current_actor(), current_now()
    found, ready = filing.filings(session, actor, year), filing.prepared(session, actor, rows)
    known = {each.request.asked_by for each in found}
    known |= {each.approval.approved_by for each in found if each.approval is not None}
    return {
        "filings": [(each, each.may_be_taken(now) and each.is_for(actor.person_id)) for each in found],
        "ready": ready,
        "returns": {form: _returns(form, of_form) for form, of_form in ready.forms.items()},
        "compared": known_layouts().last_year_compared,
        "me": actor.person_id,
        "now": now,
        "names": people.names(session, known),
    }


def _returns(form: str, ready: Sequence[filing.Ready]) -> tuple[list[tuple[str, str]], list[tuple[Any, list[Any]]]]:
    """The columns of a form's returns, and of each return its recipient and what stands in its boxes."""
    boxes = [box for box in known_forms()[form].boxes if box.holds == "paid"]
    columns = [("Company", ""), ("Tax number", ""), *((f"Box {box.number}", "money") for box in boxes)]
    return columns, [
        (
            each.recipient,
            [held for held in box_amounts(each.recipient.outcome.form, each.recipient.paid) if held[0] in boxes],
        )
        for each in ready
    ]


@blueprint.post("/tax-forms/<int:year>/filing-requests")
@open_to(may_settle)
@confirmed("ask for the tax numbers of a year")
def ask_for_filing(year: int) -> ResponseReturnValue:
    filing.ask(current_session(), current_actor(), _year(str(year)), now=current_now())
    flash("Another person of finance has to allow it.", "good")
    return redirect(url_for("settlement.tax_forms", year=year), code=303)


@blueprint.post("/filing-requests/<int:filing_request_id>/approval")
@open_to(may_settle)
@confirmed("give out the tax numbers of a year")
def approve_filing(filing_request_id: int) -> ResponseReturnValue:
    session, actor = current_session(), current_actor()
    year = filing.filing_seen(session, actor, filing_request_id).request.year
    filing.approve(session, actor, filing_request_id, now=current_now())
    flash("The files can be taken for a day.", "good")
    return redirect(url_for("settlement.tax_forms", year=year), code=303)


@blueprint.post("/filing-requests/<int:filing_request_id>/file")
@open_to(may_settle)
@confirmed("read the tax numbers of a year")
def filing_file(filing_request_id: int) -> ResponseReturnValue:
    """A post, because each taking is written down."""
    session, actor = current_session(), current_actor()
    year = filing.filing_seen(session, actor, filing_request_id).request.year
    secret = current_edges().settings.secret_key
    form, part = request.form.get("form", ""), request.form.get("part", "")
    if not re.fullmatch(r"[0-9]{1,6}", part, re.ASCII):
        raise NotFound
    taken = filing.take(session, actor, filing_request_id, form=form, part=int(part), secret=secret, now=current_now())
    # Without the mark of UTF-8: the receiver compares the first heading letter by letter.
    file = spooled(csv_pieces(taken.head, taken.rows))
    name = f"filing-{year}-{form}-{part}.csv"
    return send_file(file, mimetype="text/csv; charset=utf-8", as_attachment=True, download_name=name)


@blueprint.get("/tax-forms/<int:year>/<int:organisation_id>/<currency>")
@open_to(may_settle)
def tax_form(year: int, organisation_id: int, currency: str) -> ResponseReturnValue:
    session, actor = current_session(), current_actor()
    wanted = request.args.get("form", "")
    paid = yearly.payments(session, actor, _year(str(year)), organisation_id, currency, form=wanted)
    form = wanted or paid[0].form
    rows = [
        each
        for each in yearly.recipients(session, actor, year)
        if (each.party_id, each.paid.currency) == (organisation_id, currency)
    ]
    row = next(each for each in rows if each.outcome.form.code == form)
    return render_template(
        "settlement/tax_form.html",
        row=row,
        others=[each for each in rows if each is not row],
        paid=[each for each in paid if each.form == form],
        boxes=box_amounts(row.outcome.form, row.paid),
        months=list(zip(MONTHS, row.paid.months, strict=True)),
        kinds=KINDS,
        filers=FILERS,
        classes=said.CLASSES,
    )


@blueprint.get("/tax-forms/<int:year>/csv")
@open_to(may_settle)
def tax_forms_csv(year: int) -> ResponseReturnValue:
    session, actor = current_session(), current_actor()
    rows = yearly.recipients(session, actor, _year(str(year)))
    if not rows:
        raise NotFound
    payer = queries.tax_identity(session, actor.organisation_id)
    return csv_response(
        f"tax-forms-{year}", CSV_HEAD, (_csv_row(row, payer.legal_name if payer else "") for row in rows)
    )


def _csv_row(row: yearly.Recipient, payer: str) -> tuple[str | int, ...]:
    identity, certified = row.identity, row.taxpayer
    return (
        row.paid.year,
        payer,
        row.name,
        *((identity.legal_name, identity.address, identity.country) if identity else ("", "", "")),
        *((certified.masked, certified.form, certified.certified_on.isoformat()) if certified else ("", "", "")),
        row.paid.currency,
        row.paid.paid_minor,
        row.paid.gross_minor,
        row.paid.count,
        *row.paid.months,
        row.outcome.form.code if row.outcome.kind != NONE else "",
        KINDS[row.outcome.kind][0],
        FILERS[row.outcome.filer] if row.outcome.kind == FILE else "",
        " ".join(row.outcome.reasons),
        ", ".join(row.outcome.missing),
    )


def _year(wanted: str) -> int:
    if not wanted.isascii() or not wanted.isdigit() or not FIRST_YEAR <= int(wanted[:5]) <= LAST_YEAR:
        raise NotFound
    return int(wanted)


@blueprint.route("/finance-details/tax-form", methods=["GET", "POST"])
@open_to(queries.may_keep_details)
@confirmed("certify a tax number")
def certification() -> ResponseReturnValue:
    session, actor, edges = current_session(), current_actor(), current_edges()
    form = CertificationForm()
    if form.validate_on_submit():
        with refusals_of(form):
            certify(
                session,
                actor,
                form=form.form.data,
                classification=form.classification.data,
                certified_name=form.certified_name.data,
                number_type=form.number_type.data,
                number=form.number.data,
                certified_on=form.certified_on.data,
                secret=edges.settings.secret_key,
                now=current_now(),
            )
            flash("The certification is kept; of the number only its end is shown.", "good")
            return redirect(url_for("settlement.finance_details"), code=303)
    known = queries.taxpayer(session, actor, actor.organisation_id)
    return page("settlement/certification.html", form, known=known)
