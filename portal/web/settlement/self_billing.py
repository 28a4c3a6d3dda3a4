"""Self-billing in the browser: agreements offered, accepted and ended; documents by period; the own invoice."""

from __future__ import annotations

from flask import Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import DateField, HiddenField, SelectField
from wtforms.validators import InputRequired

from portal.access import Side, may_see_shares
from portal.directory.queries import organisation_names, organisations
from portal.identity import queries as people
from portal.settlement import printing
from portal.settlement import queries as settled
from portal.settlement.selfbilling import actions, billing, queries, rules
from portal.settlement.selfbilling import printing as papers
from portal.taxes.rules.identity import LONGEST_NUMBER
from portal.taxes.rules.treatment import TREATMENTS
from portal.web import paging
from portal.web.forms import Form, line_field, page, refusals_of, text_field
from portal.web.gate import current_actor, current_now, current_session, current_zone, open_to
from portal.web.settlement.blueprint import blueprint, may_answer, may_settle

STATES = {
    rules.OFFERED: ("Waits for the party's yes", "warn"),
    rules.WAITING: ("Accepted, not begun", "accent"),
    rules.IN_FORCE: ("In force", "good"),
    rules.EXPIRED: ("Expired", "plain"),
    rules.ENDED: ("Ended", "plain"),
}
KINDS = {rules.INVOICE: ("Invoice", "accent"), rules.CREDIT_NOTE: ("Credit note", "warn")}


class OfferForm(Form):
    party_id = SelectField("With", coerce=int, validate_choice=False)
    starts_on = DateField("Holds from", validators=[InputRequired("Say from which day it holds.")])
    expires_on = DateField("Does not hold from", validators=[InputRequired("Say on which day it expires.")])


class AcceptanceForm(Form):
    sha256 = HiddenField()


class EndForm(Form):
    reason = text_field("Why it ends", required="Say why.", limit=rules.LONGEST_REASON)


class OwnInvoiceForm(Form):
    number = line_field("Number of your invoice", required="The number on your invoice.", limit=LONGEST_NUMBER)
    dated_on = DateField("Its date", validators=[InputRequired("The date on your invoice.")])


@blueprint.get("/self-billing")
@open_to(may_answer)
def agreements() -> ResponseReturnValue:
    session, actor = current_session(), current_actor()
    rows = queries.agreements(session, actor, current_now())
    companies = {each for row in rows for each in (row.agreement.manufacturer_id, row.agreement.party_id)}
    return render_template(
        "settlement/agreements.html",
        rows=rows,
        names=organisation_names(session, list(companies)),
        states=STATES,
        may_offer=may_settle(actor),
    )


@blueprint.route("/self-billing/offer", methods=["GET", "POST"])
@open_to(may_settle)
def offer_agreement() -> ResponseReturnValue:
    session, actor, form = current_session(), current_actor(), OfferForm()
    form.party_id.choices = [
        (each.id, each.name) for each in organisations(session, actor) if each.side != Side.CUSTOMER
    ]
    if form.validate_on_submit():
        with refusals_of(form):
            made = actions.offer_agreement(
                session,
                actor,
                party_id=form.party_id.data,
                starts_on=form.starts_on.data,
                expires_on=form.expires_on.data,
                now=current_now(),
            )
            flash("The agreement is offered; the party's finance is told.", "good")
            return redirect(url_for("settlement.agreement", agreement_id=made.id), code=303)
    return page("settlement/agreement_offer.html", form)


@blueprint.route("/self-billing/<int:agreement_id>", methods=["GET", "POST"])
@open_to(may_answer)
def agreement(agreement_id: int) -> ResponseReturnValue:
    """Its text; a POST is the party's yes to exactly that text."""
    session, actor, now = current_session(), current_actor(), current_now()
    found = queries.agreement_seen(session, actor, agreement_id, now)
    form = AcceptanceForm(sha256=found.agreement.text_sha256)
    if form.validate_on_submit():
        with refusals_of(form):
            actions.accept_agreement(session, actor, agreement_id, shown_sha256=form.sha256.data or "", now=now)
            flash("The agreement is accepted.", "good")
            return redirect(url_for("settlement.agreement", agreement_id=agreement_id), code=303)
    parties = [found.agreement.manufacturer_id, found.agreement.party_id]
    return page(
        "settlement/agreement.html",
        form,
        found=found,
        names=organisation_names(session, parties),
        state=STATES[found.state],
        ended_by=people.names(session, {found.end.ended_by}).get(found.end.ended_by, "") if found.end else "",
        may_accept=found.state == rules.OFFERED and actor.organisation_id == found.agreement.party_id,
        may_end=found.end is None and found.state != rules.EXPIRED,
    )


@blueprint.route("/self-billing/<int:agreement_id>/end", methods=["GET", "POST"])
@open_to(may_answer)
def end_agreement(agreement_id: int) -> ResponseReturnValue:
    session, actor, now = current_session(), current_actor(), current_now()
    found = queries.agreement_seen(session, actor, agreement_id, now)
    form = EndForm()
    if form.validate_on_submit():
        with refusals_of(form):
            actions.end_agreement(session, actor, agreement_id, reason=form.reason.data, now=now)
            flash("The agreement has ended; the other company is told.", "good")
            return redirect(url_for("settlement.agreement", agreement_id=agreement_id), code=303)
    return page("settlement/agreement_end.html", form, agreement=found.agreement)


@blueprint.get("/self-billed")
@open_to(may_see_shares)
def documents() -> ResponseReturnValue:
    session, actor = current_session(), current_actor()
    key = paging.key_from(request.args.get("after"), 1)
    before_id = key[0] if key and isinstance(key[0], int) else None
    period = request.args.get("period", "")[:40].replace("\x00", "")
    rows = queries.documents(session, actor, period_label=period, before_id=before_id, most=paging.PAGE_SIZE + 1)
    companies = {each for row in rows for each in (row.document.manufacturer_id, row.document.party_id)}
    return render_template(
        "settlement/documents.html",
        page=paging.page_of(rows, lambda row: (row.document.id,)),
        names=organisation_names(session, list(companies)),
        kinds=KINDS,
        period=period,
        periods=queries.documented_periods(session, actor),
    )


@blueprint.get("/self-billed/<int:document_id>")
@open_to(may_see_shares)
def document(document_id: int) -> ResponseReturnValue:
    found = queries.document_seen(current_session(), current_actor(), document_id)
    return render_template(
        "settlement/document.html",
        document=found,
        said=found.content,
        is_whole=papers.is_whole(found),
        treatments=TREATMENTS,
        kinds=KINDS,
        may_read_agreement=may_answer(current_actor()),
    )


@blueprint.get("/self-billed/<int:document_id>/pdf")
@open_to(may_see_shares)
def document_pdf(document_id: int) -> ResponseReturnValue:
    session, actor = current_session(), current_actor()
    found = queries.document_seen(session, actor, document_id)
    locale = printing.locale_of(session, actor, list(request.accept_languages.values()))
    body = papers.document_pdf(found, printing.Reader(locale, current_zone()))
    return Response(body, mimetype="application/pdf", headers=_named(found.name, "pdf"))


@blueprint.get("/self-billed/<int:document_id>/csv")
@open_to(may_see_shares)
def document_csv(document_id: int) -> ResponseReturnValue:
    found = queries.document_seen(current_session(), current_actor(), document_id)
    return Response(papers.document_csv(found), mimetype="text/csv", headers=_named(found.name, "csv"))


def _named(name: str, ending: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}.{ending}"'}


@blueprint.route("/statements/<int:statement_id>/own-invoice", methods=["GET", "POST"])
@open_to(may_answer)
def own_invoice(statement_id: int) -> ResponseReturnValue:
    session, actor, now = current_session(), current_actor(), current_now()
    statement = settled.statement_seen(session, actor, statement_id)
    known = queries.party_invoice_of(session, statement_id)
    form = OwnInvoiceForm(obj=known)
    if form.validate_on_submit():
        with refusals_of(form):
            actions.record_own_invoice(
                session, actor, statement_id, number=form.number.data, dated_on=form.dated_on.data, now=now
            )
            flash("The number is kept; the statement is paid against it.", "good")
            return redirect(url_for("settlement.statement", statement_id=statement_id), code=303)
    answer = billing.billing_of(session, statement, now)
    return page("settlement/own_invoice.html", form, statement=statement, known=known, billing=answer.billing)
