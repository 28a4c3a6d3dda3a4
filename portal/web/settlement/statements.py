"""Statements: listed, read line by line, taken away as CSV, accepted by their party, prepared and approved by two."""

from __future__ import annotations

from flask import Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import HiddenField

from portal.access import may_see_shares
from portal.directory.queries import organisation_names
from portal.errors import Conflict, Invalid
from portal.identity import queries as people
from portal.settlement import actions, cockpit, origins, printing, queries, rules
from portal.settlement.models import Statement
from portal.settlement.selfbilling import papers
from portal.settlement.selfbilling import queries as documents
from portal.settlement.selfbilling.billing import shown_billing
from portal.settlement.waiting import waiting_for_accounts
from portal.taxes.rules.treatment import TREATMENTS
from portal.web import paging
from portal.web.forms import CheckboxesField, Form, page, refusals_of
from portal.web.gate import current_actor, current_now, current_session, current_zone, open_to
from portal.web.settlement.blueprint import (
    BECAUSE,
    DISPOSALS,
    OUTCOMES,
    STAGES,
    blueprint,
    may_answer,
    may_settle,
)
from portal.web.stepping import confirmed

LINES_PER_PAGE = 100


class ShownForm(Form):
    """Carries the content hash of the statement that the page shows."""

    sha256 = HiddenField()


class ApprovalForm(ShownForm):
    opened = CheckboxesField("I have opened", coerce=int, validate_choice=False)


@blueprint.get("/statements")
@open_to(may_see_shares)
def statements() -> ResponseReturnValue:
    session, actor = current_session(), current_actor()
    key = paging.key_from(request.args.get("after"), 1)
    before_id = key[0] if key and isinstance(key[0], int) else None
    rows = cockpit.listed_statements(session, actor, now=current_now(), before_id=before_id, most=paging.PAGE_SIZE + 1)
    companies = {each for row in rows for each in (row.statement.party_id, row.statement.manufacturer_id)}
    return render_template(
        "settlement/statements.html",
        page=paging.page_of(rows, lambda row: (row.statement.id,)),
        names=organisation_names(session, list(companies)),
        words=STAGES,
    )


@blueprint.get("/statements/<int:statement_id>")
@open_to(may_see_shares)
def statement(statement_id: int) -> ResponseReturnValue:
    session, actor, now = current_session(), current_actor(), current_now()
    found = queries.statement_seen(session, actor, statement_id)
    key = paging.key_from(request.args.get("after"), 1)
    after = key[0] if key and isinstance(key[0], int) else 0
    lines = queries.lines(session, actor, statement_id, after=after, most=LINES_PER_PAGE + 1)
    is_approved = queries.approval_of(session, statement_id) is not None
    is_party = found.party_id == actor.organisation_id and may_answer(actor)
    acceptance = queries.acceptance_of(session, statement_id)
    reviews = is_party and rules.may_contest(found.review_until, now, is_approved=is_approved)
    return render_template(
        "settlement/statement.html",
        statement=found,
        page=paging.page_of(lines, lambda line: (line.position,), LINES_PER_PAGE),
        contested={contest.statement_line_id: (contest, end) for contest, end in queries.contests(session, found.id)},
        acceptance=acceptance,
        is_party=is_party,
        may_contest=reviews,
        may_accept=reviews and acceptance is None and found.party_id != found.manufacturer_id,
        may_name_invoice=is_party and not is_approved and found.party_id != found.manufacturer_id,
        **_invoiced(found),
        **_settling(found),
        **_names(found),
    )


@blueprint.get("/statements/<int:statement_id>/csv")
@open_to(may_see_shares)
def csv(statement_id: int) -> ResponseReturnValue:
    session, actor = current_session(), current_actor()
    found = queries.statement_seen(session, actor, statement_id)
    # Read to its end here: the session is closed before a generator would be.
    body = "".join(
        [*origins.statement_csv(session, actor, statement_id), *papers.tax_rows(session, found, current_now())]
    )
    return Response(
        body,
        mimetype="text/csv",
        headers={"Content-Disposition": f'attachment; filename="{found.name}.csv"'},
    )


@blueprint.get("/statements/<int:statement_id>/pdf")
@open_to(may_see_shares)
def pdf(statement_id: int) -> ResponseReturnValue:
    session, actor = current_session(), current_actor()
    found = queries.statement_seen(session, actor, statement_id)
    locale = printing.locale_of(session, actor, list(request.accept_languages.values()))
    said = printing.statement_said(session, actor, statement_id, printing.Reader(locale, current_zone()))
    body = printing.typeset({**said, **papers.tax_on_paper(session, found, current_now())})
    return Response(
        body,
        mimetype="application/pdf",
        headers={"Content-Disposition": f'attachment; filename="{found.name}.pdf"'},
    )


@blueprint.post("/statements/<int:statement_id>/acceptance")
@open_to(may_answer)
def accept(statement_id: int) -> ResponseReturnValue:
    session, actor = current_session(), current_actor()
    queries.statement_seen(session, actor, statement_id)
    actions.accept_statement(session, actor, statement_id, shown_sha256=_shown(), now=current_now())
    flash("The statement is accepted. Contested lines stay contested.", "good")
    return redirect(url_for("settlement.statement", statement_id=statement_id), code=303)


@blueprint.route("/statements/<int:statement_id>/preparation", methods=["GET", "POST"])
@open_to(may_settle)
def prepare(statement_id: int) -> ResponseReturnValue:
    session, actor, now = current_session(), current_actor(), current_now()
    found = queries.statement_seen(session, actor, statement_id)
    form = ShownForm(sha256=found.content_sha256)
    if form.validate_on_submit():
        with refusals_of(form):
            actions.prepare_statement(session, actor, statement_id, shown_sha256=form.sha256.data, now=now)
            flash("The statement is prepared. Somebody else approves it.", "good")
            return redirect(url_for("settlement.statement", statement_id=statement_id), code=303)
    return page(
        "settlement/prepare.html",
        form,
        statement=found,
        parts=queries.planned_parts(session, found),
        is_reviewed=queries.is_reviewed(session, found, now),
        disposals=DISPOSALS,
        because=BECAUSE,
        **_invoiced(found),
        **_names(found),
    )


@blueprint.route("/preparations/<int:preparation_id>/approval", methods=["GET", "POST"])
@open_to(may_settle)
@confirmed("approve this statement")
def approve(preparation_id: int) -> ResponseReturnValue:
    session, actor, now = current_session(), current_actor(), current_now()
    preparation = queries.preparation_seen(session, actor, preparation_id)
    found = queries.statement_seen(session, actor, preparation.statement_id)
    to_open = cockpit.lines_to_open(session, actor, found.id)
    form = ApprovalForm(sha256=preparation.content_sha256)
    if form.validate_on_submit():
        with refusals_of(form):
            _check_opened(form, {each.line.id for each in to_open})
            actions.approve_statement(session, actor, preparation_id, shown_sha256=form.sha256.data, now=now)
            flash("The statement is approved; the money follows by itself.", "good")
            return redirect(url_for("settlement.statement", statement_id=found.id), code=303)
    return page(
        "settlement/approve.html",
        form,
        statement=found,
        preparation=preparation,
        preparer=people.names(session, {preparation.preparer_id}).get(preparation.preparer_id, ""),
        parts=rules.parts_of(preparation.plan),
        to_open=to_open,
        is_own=preparation.preparer_id == actor.person_id,
        disposals=DISPOSALS,
        because=BECAUSE,
        **_invoiced(found),
        **_names(found),
    )


def _check_opened(form: ApprovalForm, wanted: set[int]) -> None:
    if not wanted <= set(form.opened.data or ()):
        sentence = "Open each of these lines before you approve, and tick it."
        raise Invalid(sentence, {"opened": sentence})


def _shown() -> str:
    shown = request.form.get("sha256", "")
    if not shown:
        raise Conflict("This page was made from an unknown version; look at the statement again.")
    return shown


def _settling(found: Statement) -> dict[str, object]:
    """How far the statement has come, and what the manufacturer's finance does next."""
    session, actor, now = current_session(), current_actor(), current_now()
    stage = queries.stage_of(session, found, now)
    preparation = queries.preparation_of(session, found.id)
    settles = may_settle(actor) and found.manufacturer_id == actor.organisation_id
    transfers = {each.disposition_id: each for each in queries.transfers(session, actor, statement_id=found.id)}
    return {
        "stage": STAGES[stage],
        "may_prepare": settles and stage in ("to_prepare", "to_approve"),
        "may_approve": settles
        and stage == "to_approve"
        and preparation is not None
        and preparation.preparer_id != actor.person_id,
        "preparation": preparation,
        "approval": queries.approval_of(session, found.id),
        "disposed": [(each, transfers.get(each.id)) for each in queries.dispositions_of(session, found.id)],
        "is_waiting": bool(waiting_for_accounts(session, actor, statement_id=found.id)),
        "held": [part for part in rules.parts_of(preparation.plan) if part.kind == rules.HELD] if preparation else [],
        "because": BECAUSE,
        "invoice_id": queries.invoice_of(session, found.id),
        "disposals": DISPOSALS,
        "outcomes": OUTCOMES,
    }


def _invoiced(found: Statement) -> dict[str, object]:
    """What the statement is invoiced by, and its tax."""
    answer = shown_billing(current_session(), found, current_now())
    return {
        "billing": answer.billing,
        "billing_missing": answer.missing,
        "document": documents.document_of(current_session(), found.id),
        "taxes": documents.taxes_of(current_session(), found.id),
        "treatments": TREATMENTS,
        "may_read_agreement": may_answer(current_actor()),
    }


def _names(found: Statement) -> dict[str, object]:
    session = current_session()
    names = organisation_names(session, [found.party_id, found.manufacturer_id])
    return {
        "party_name": names.get(found.party_id, ""),
        "manufacturer_name": names.get(found.manufacturer_id, ""),
        "period_label": cockpit.period_labels(session, {found.period_id})[found.period_id],
    }
