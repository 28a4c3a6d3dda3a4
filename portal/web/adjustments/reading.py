"""Adjustments as listed, and one of them: its steps, what waits for whom, who loses what."""

from __future__ import annotations

from flask import render_template, request
from flask.typing import ResponseReturnValue

from portal.access import Side, may_see_shares
from portal.adjustments import queries
from portal.adjustments.actions.asking import may_consent, may_decide
from portal.adjustments.rules.asking import KINDS
from portal.adjustments.rules.saga import Step
from portal.adjustments.stages import stages_of
from portal.directory.queries import organisation_names
from portal.identity import queries as people
from portal.web import paging
from portal.web.adjustments.blueprint import (
    BEARERS,
    ENDS,
    NOBODYS,
    STAGE_TONES,
    STATES,
    blueprint,
    may_read,
    page_of_subject,
)
from portal.web.gate import current_actor, current_session, open_to

GOING_ON = ("Under way", "accent")


@blueprint.get("/adjustments")
@open_to(may_read)
def adjustments() -> ResponseReturnValue:
    session, actor = current_session(), current_actor()
    key = paging.key_from(request.args.get("after"), 1)
    before_id = key[0] if key and isinstance(key[0], int) else None
    rows = queries.adjustments(session, actor, before_id=before_id, most=paging.PAGE_SIZE + 1)
    is_party = actor.side is Side.INTEGRATOR and may_see_shares(actor)
    return render_template(
        "adjustments/adjustments.html",
        page=paging.page_of(rows, lambda row: (row.adjustment.id,)),
        kinds=KINDS,
        states={**dict.fromkeys(Step, GOING_ON), **STATES},
        ends=ENDS,
        losses=queries.own_losses(session, actor) if is_party else [],
    )


@blueprint.get("/adjustments/<int:adjustment_id>")
@open_to(may_read)
def adjustment(adjustment_id: int) -> ResponseReturnValue:
    session, actor = current_session(), current_actor()
    found = queries.adjustment_seen(session, actor, adjustment_id)
    losses = queries.losses(session, actor, "adjustment", found.id) if may_see_shares(actor) else []
    about = queries.subject_of(session, found.invoice_id, found.receipt_id)
    facts = queries.saga_facts(session, found)
    return render_template(
        "adjustments/adjustment.html",
        found=found,
        kind=KINDS[found.kind],
        about=about,
        about_page=page_of_subject(found.invoice_id, found.receipt_id) if about.name else "#steps",
        bearers=BEARERS,
        stages=stages_of(session, actor, found),
        tones=STAGE_TONES,
        nobodys=NOBODYS,
        losses=losses,
        names=organisation_names(session, [row.party_id for row in losses if row.party_id is not None]),
        asked_by=people.names(session, {found.asked_by}).get(found.asked_by, "The manufacturer's finance"),
        may_decide=may_decide(actor, found) and facts.decision is None and facts.end is None,
        may_consent=may_consent(actor) and found.consent_of == actor.organisation_id and facts.consent is None,
        sees_bearer=may_see_shares(actor),
    )
