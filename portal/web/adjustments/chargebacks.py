"""Chargebacks: what a payer's bank has taken, the evidence that answers it, and warnings that come before."""

from __future__ import annotations

from flask import Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from portal.adjustments import queries
from portal.adjustments.actions import chargebacks as actions
from portal.adjustments.actions import evidence as answers
from portal.adjustments.actions.evidence import Reader
from portal.adjustments.gathering import proof_for
from portal.directory.queries import organisation_names
from portal.payments.models import Chargeback
from portal.settlement.printing import locale_of
from portal.web.adjustments.blueprint import (
    CHARGEBACK_STATES,
    NOBODYS,
    blueprint,
    may_decide_any,
    page_of_subject,
    refund_page,
)
from portal.web.forms import Form, page, refusals_of, text_field
from portal.web.gate import current_actor, current_now, current_session, current_zone, open_to
from portal.web.stepping import confirmed


class KeepForm(Form):
    explanation = text_field("Why the payment is kept", required="Say why.", limit=actions.LONGEST_EXPLANATION)


@blueprint.get("/chargebacks")
@open_to(may_decide_any)
def chargebacks() -> ResponseReturnValue:
    session, actor = current_session(), current_actor()
    rows = answers.chargebacks(session, actor)
    warnings = actions.open_warnings(session, actor)
    payments = {
        **{row.receipt_id: row.invoice_id for row in rows},
        **{warning.receipt_id: warning.invoice_id for warning in warnings},
    }
    return render_template(
        "adjustments/chargebacks.html",
        rows=[(row, _state(row)) for row in rows],
        warnings=warnings,
        about={paid: queries.subject_of(session, invoice, paid) for paid, invoice in payments.items()},
        pages={paid: page_of_subject(invoice, paid) for paid, invoice in payments.items()},
        refunds={row.receipt_id: refund_page(row.invoice_id, row.receipt_id) for row in warnings},
        names=organisation_names(session, [row.payer_id for row in rows]),
    )


@blueprint.get("/chargebacks/<int:chargeback_id>")
@open_to(may_decide_any)
def chargeback(chargeback_id: int) -> ResponseReturnValue:
    session, actor = current_session(), current_actor()
    found = answers.chargeback_seen(session, actor, chargeback_id)
    losses = queries.losses(session, actor, "chargeback", found.id)
    return render_template(
        "adjustments/chargeback.html",
        found=found,
        state=_state(found),
        steps=answers.steps_of(session, found.id),
        step_words=CHARGEBACK_STATES,
        proof=proof_for(session, found),
        about_page=page_of_subject(found.invoice_id, found.receipt_id),
        sent=answers.sent_evidence(session, found.id),
        may_submit=answers.may_submit(session, found.id),
        losses=losses,
        nobodys=NOBODYS,
        names=organisation_names(session, [row.party_id for row in losses if row.party_id is not None]),
    )


@blueprint.get("/chargebacks/<int:chargeback_id>/evidence")
@open_to(may_decide_any)
def evidence(chargeback_id: int) -> ResponseReturnValue:
    """The document: as it was handed over, or as it would be now."""
    body = answers.evidence_pdf(current_session(), current_actor(), chargeback_id, _reader())
    name = f'attachment; filename="evidence-{chargeback_id}.pdf"'
    return Response(body, mimetype="application/pdf", headers={"Content-Disposition": name})


@blueprint.post("/chargebacks/<int:chargeback_id>/evidence")
@open_to(may_decide_any)
@confirmed("hand evidence to the bank")
def submit(chargeback_id: int) -> ResponseReturnValue:
    answers.submit(current_session(), current_actor(), chargeback_id, _reader(), now=current_now())
    flash("The evidence is on its way to the bank.", "good")
    return redirect(url_for("adjustments.chargeback", chargeback_id=chargeback_id), code=303)


@blueprint.route("/fraud-warnings/<int:warning_id>/end", methods=["GET", "POST"])
@open_to(may_decide_any)
def keep(warning_id: int) -> ResponseReturnValue:
    """Leave the payment as it is, and say why."""
    session, actor = current_session(), current_actor()
    warning = actions.warning_seen(session, actor, warning_id)
    form = KeepForm()
    if form.validate_on_submit():
        with refusals_of(form):
            actions.keep_payment(session, actor, warning_id, explanation=form.explanation.data, now=current_now())
            flash("The payment is kept.", "good")
            return redirect(url_for("adjustments.chargebacks"), code=303)
    about = queries.subject_of(session, warning.invoice_id, warning.receipt_id)
    about_page = page_of_subject(warning.invoice_id, warning.receipt_id)
    return page("adjustments/warning.html", form, warning=warning, about=about, about_page=about_page)


def _state(row: Chargeback) -> tuple[str, str]:
    """The words and tone of where a chargeback stands: the end, or the furthest step."""
    kinds = [step.kind for step in answers.steps_of(current_session(), row.id)]
    order = ("won", "lost", "closed", "submitted", "opened", "inquiry")
    return CHARGEBACK_STATES[next((kind for kind in order if kind in kinds), "inquiry")]


def _reader() -> Reader:
    locale = locale_of(current_session(), current_actor(), list(request.accept_languages.values()))
    return Reader(locale, current_zone())
