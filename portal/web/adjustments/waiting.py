"""Money that came in and is no sale, and what was made at Stripe itself: listed with age, reason, and who acts."""

from __future__ import annotations

from typing import Any

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from wtforms import SelectField

from portal.adjustments import queries
from portal.adjustments.actions import adopting as actions
from portal.adjustments.actions.adopting import ADOPTED_BEARERS, Change
from portal.adjustments.actions.asking import LONGEST_EXPLANATION, LONGEST_REASON, Preview
from portal.directory.queries import organisation_names
from portal.identity import queries as people
from portal.payments.payers.losing import lost_customers
from portal.selling import leaving
from portal.selling import waiting as selling
from portal.selling.queries import purchases_by_intent
from portal.settlement import tie_out
from portal.web.adjustments.asking import names_of_preview
from portal.web.adjustments.blueprint import BEARERS, blueprint, may_decide_any, page_of_subject
from portal.web.forms import Form, page, refusals_of, text_field
from portal.web.gate import current_actor, current_now, current_session, open_to
from portal.web.stepping import confirmed


class SaleForm(Form):
    reason = text_field("Why the sale is made", required="Say why.", limit=LONGEST_REASON)


class AdoptForm(Form):
    bearer = SelectField("Who bears it", choices=[(each, BEARERS[each]) for each in ADOPTED_BEARERS])
    reason = text_field("Why it was made", required="Say why: the payer reads it.", limit=LONGEST_REASON)
    beyond = text_field("Why more than the unused rest", limit=LONGEST_REASON)


class ExplainForm(Form):
    explanation = text_field("Why the books stay as they are", required="Say why.", limit=LONGEST_EXPLANATION)


class AgreedForm(Form):
    explanation = text_field("What was agreed", required="Say what was agreed.", limit=leaving.LONGEST_EXPLANATION)


@blueprint.get("/waiting-money")
@open_to(may_decide_any)
def waiting() -> ResponseReturnValue:
    session, actor = current_session(), current_actor()
    rows, left_early = selling.unsold_payments(session, actor), leaving.early_ends(session, actor)
    lost = lost_customers(session, actor.organisation_id)
    payers = {row.receipt.payer_id for row in rows} | {row.purchase.customer_id for row in left_early}
    payers |= {row.end.payer_id for row in lost}
    differences = tie_out.open_differences(session, actor)
    return render_template(
        "adjustments/waiting.html",
        rows=rows,
        left_early=left_early,
        lost=lost,
        ended_plans=purchases_by_intent(session, [each.intent_id for row in lost for each in row.ended]),
        unknown=[row for row in differences if row.kind == "movement_unposted" and row.expected_minor > 0],
        names=organisation_names(session, sorted(payers)),
    )


@blueprint.route("/waiting-money/<int:purchase_id>/release", methods=["GET", "POST"])
@open_to(may_decide_any)
def close_early_end(purchase_id: int) -> ResponseReturnValue:
    """Close what is owed for a minimum term, with what was agreed."""
    session, actor = current_session(), current_actor()
    found = leaving.early_end(session, actor, purchase_id)
    form = AgreedForm()
    if form.validate_on_submit():
        with refusals_of(form):
            words = form.explanation.data or ""
            leaving.close_early_end(session, actor, purchase_id, explanation=words, now=current_now())
            flash("It is closed, with what was agreed.", "good")
            return redirect(url_for("adjustments.waiting"), code=303)
    return page("adjustments/close_early_end.html", form, found=found)


@blueprint.route("/waiting-money/<int:purchase_id>/sale", methods=["GET", "POST"])
@open_to(may_decide_any)
@confirmed("make this sale after all")
def make_sale(purchase_id: int) -> ResponseReturnValue:
    """Make a sale that was refused, with a reason."""
    session, actor = current_session(), current_actor()
    found = selling.unsold_purchase(session, actor, purchase_id)
    form = SaleForm()
    if form.validate_on_submit():
        with refusals_of(form):
            selling.sell_after_all(session, actor, purchase_id, reason=form.reason.data or "", now=current_now())
            flash("It is tried again now. What still stands in its way stays listed.", "good")
            return redirect(url_for("adjustments.waiting"), code=303)
    reason = str(found.steps["unsaleable"].details.get("reason", ""))
    return page("adjustments/make_sale.html", form, found=found, reason=reason)


@blueprint.get("/outside-changes")
@open_to(may_decide_any)
def outside_changes() -> ResponseReturnValue:
    session, actor = current_session(), current_actor()
    rows = actions.outside_changes(session, actor)
    owners = {row.owner_id for row in rows if row.owner_id is not None}
    return render_template("adjustments/outside_changes.html", rows=rows, names=people.names(session, owners))


@blueprint.get("/outside-changes/<int:change_id>")
@open_to(may_decide_any)
def outside_change(change_id: int) -> ResponseReturnValue:
    return _change_page(_change(change_id), AdoptForm(formdata=None), ExplainForm(formdata=None), None)


@blueprint.post("/outside-changes/<int:change_id>/owner")
@open_to(may_decide_any)
def own_change(change_id: int) -> ResponseReturnValue:
    actions.own_change(current_session(), current_actor(), change_id, now=current_now())
    flash("It is yours.", "good")
    return redirect(url_for("adjustments.outside_change", change_id=change_id), code=303)


@blueprint.post("/outside-changes/<int:change_id>/preview")
@open_to(may_decide_any)
def preview_adoption(change_id: int) -> ResponseReturnValue:
    """What adopting it takes from whom; nothing is stored yet."""
    change, form = _change(change_id), AdoptForm()
    shown: Preview | None = None
    if form.validate_on_submit():
        with refusals_of(form):
            session, actor = current_session(), current_actor()
            shown = actions.preview_adoption(session, actor, change_id, _wanted(change, form), now=current_now())
    return _change_page(change, form, ExplainForm(formdata=None), shown)


@blueprint.post("/outside-changes/<int:change_id>/adoption")
@open_to(may_decide_any)
@confirmed("adopt this into the books")
def adopt(change_id: int) -> ResponseReturnValue:
    change, form = _change(change_id), AdoptForm()
    if form.validate_on_submit():
        with refusals_of(form):
            session, actor = current_session(), current_actor()
            made = actions.adopt(session, actor, change_id, _wanted(change, form), now=current_now())
            flash("Another person of finance decides; then the books take it in.", "good")
            return redirect(url_for("adjustments.adjustment", adjustment_id=made.id), code=303)
    return _change_page(change, form, ExplainForm(formdata=None), None)


@blueprint.post("/outside-changes/<int:change_id>/explanation")
@open_to(may_decide_any)
def explain(change_id: int) -> ResponseReturnValue:
    change, form = _change(change_id), ExplainForm()
    if form.validate_on_submit():
        with refusals_of(form):
            session, actor = current_session(), current_actor()
            actions.explain(session, actor, change_id, explanation=form.explanation.data or "", now=current_now())
            flash("Your explanation is kept.", "good")
            return redirect(url_for("adjustments.outside_change", change_id=change_id), code=303)
    return _change_page(change, AdoptForm(formdata=None), form, None)


def _change(change_id: int) -> Change:
    return actions.change_seen(current_session(), current_actor(), change_id)


def _wanted(change: Change, form: AdoptForm) -> Any:
    return actions.wanted_of(
        change.row, reason=form.reason.data or "", bearer=form.bearer.data or "", beyond=form.beyond.data or ""
    )


def _change_page(
    change: Change, form: AdoptForm, explaining: ExplainForm, shown: Preview | None
) -> ResponseReturnValue:
    session, row = current_session(), change.row
    known = row.invoice_id is not None or row.receipt_id is not None
    people_known = {each for each in (change.owner_id, change.end.ended_by if change.end else None) if each is not None}
    wrong = explaining if explaining.is_refused or explaining.errors else form
    return page(
        "adjustments/outside_change.html",
        wrong,
        adopting=form,
        explaining=explaining,
        change=change,
        row=row,
        about=queries.subject_of(session, row.invoice_id, row.receipt_id) if known else None,
        about_page=page_of_subject(row.invoice_id, row.receipt_id) if known else url_for("settlement.reconciliation"),
        shown=shown,
        losing=names_of_preview(shown),
        names=people.names(session, people_known),
    )
