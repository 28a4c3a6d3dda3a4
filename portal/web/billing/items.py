"""Bill items: from the amount to its lines, to the pieces of work, to the note; shares; questions about a line."""

from __future__ import annotations

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from portal.access import may_see_prices
from portal.billing import actions, overviews, plan_reading, reading
from portal.billing.models import BillItem, PlanSale
from portal.billing.packs.models import PackSale
from portal.billing.packs.reading import sold_pack
from portal.identity import queries as people
from portal.metering.rules import MODES, may_log_time
from portal.web import paging
from portal.web.billing.blueprint import blueprint, may_read_invoices
from portal.web.forms import Form, page, refusals_of, text_field
from portal.web.gate import current_actor, current_now, current_session, open_to

BEARERS = {"payer": "The payer", "manufacturer": "The manufacturer", "integrator": "The integrator"}


class QuestionForm(Form):
    question = text_field("What do you want to know?", required="Say what you want to know.", limit=2_000)


class AnswerForm(Form):
    answer = text_field("Answer", required="Write the answer.", limit=2_000)


@blueprint.get("/bill-items")
@open_to(may_see_prices)
def items() -> ResponseReturnValue:
    key = paging.key_from(request.args.get("after"), 1)
    before_id = key[0] if key and isinstance(key[0], int) else None
    rows = reading.bill_items(current_session(), current_actor(), before_id=before_id, most=paging.PAGE_SIZE + 1)
    page_of_items = paging.page_of(rows, lambda row: (row.item.id,))
    return render_template("billing/items.html", page=page_of_items, opens_invoice=_opens_invoice)


@blueprint.get("/bill-items/<int:item_id>")
@open_to(may_see_prices)
def item(item_id: int) -> ResponseReturnValue:
    session, actor = current_session(), current_actor()
    tree = reading.item_tree(session, actor, item_id)
    asked = [query.asked_by for line in tree.lines for query, _ in line.questions]
    return render_template(
        "billing/item.html",
        tree=tree,
        item=tree.row.item,
        replaced_by=overviews.replacement_of(session, item_id),
        names=people.names(session, set(asked)),
        may_ask=overviews.may_ask_about(actor, tree.row.item),
        may_answer=overviews.may_answer_questions(actor),
        may_open_entries=may_log_time(actor),
        bearers=BEARERS,
        modes=MODES,
        opens_invoice=_opens_invoice(tree.row.item),
    )


@blueprint.get("/plan-months/<int:plan_sale_id>")
@open_to(may_see_prices)
def plan_month(plan_sale_id: int) -> ResponseReturnValue:
    month = plan_reading.plan_month(current_session(), current_actor(), plan_sale_id)
    return render_template("billing/plan_month.html", month=month, opens_invoice=_opens_invoice(month.sale))


@blueprint.get("/packs/<int:pack_sale_id>")
@open_to(may_see_prices)
def pack_sale(pack_sale_id: int) -> ResponseReturnValue:
    pack = sold_pack(current_session(), current_actor(), pack_sale_id)
    return render_template("billing/pack_sale.html", pack=pack, opens_invoice=_opens_invoice(pack.sale))


def _opens_invoice(billed: BillItem | PlanSale | PackSale) -> bool:
    """Whether the actor finds the invoice of it among its own."""
    actor = current_actor()
    return may_read_invoices(actor) and actor.organisation_id in (billed.manufacturer_id, billed.payer_id)


@blueprint.route("/bill-lines/<int:line_id>/question", methods=["GET", "POST"])
@open_to(may_see_prices)
def ask(line_id: int) -> ResponseReturnValue:
    session, actor = current_session(), current_actor()
    line, of_item = overviews.line_to_ask_about(session, actor, line_id)
    form = QuestionForm()
    if form.validate_on_submit():
        with refusals_of(form):
            actions.ask(session, actor, line_id, form.question.data, now=current_now())
            flash("Your question is with the manufacturer.", "good")
            return redirect(url_for("billing.item", item_id=of_item.id), code=303)
    return page("billing/question.html", form, line=line, item=of_item)


@blueprint.route("/line-questions/<int:query_id>/answer", methods=["GET", "POST"])
@open_to(overviews.may_answer_questions)
def answer(query_id: int) -> ResponseReturnValue:
    session, actor = current_session(), current_actor()
    found = overviews.question(session, actor, query_id)
    if found.answer is not None and request.method == "GET":
        return redirect(url_for("billing.item", item_id=found.line.bill_item_id), code=303)
    form = AnswerForm()
    if form.validate_on_submit():
        with refusals_of(form):
            actions.answer(session, actor, query_id, form.answer.data, now=current_now())
            flash("The question is answered.", "good")
            return redirect(url_for("billing.item", item_id=found.line.bill_item_id), code=303)
    return page("billing/answer.html", form, question=found)
