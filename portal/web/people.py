"""For administrators: who belongs to the organisation, with which roles, and what was done about it."""

from __future__ import annotations

import json
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from portal.access import ROLES_OF_SIDE, Role, may_administer
from portal.audit import queries as audit
from portal.identity import people as actions
from portal.identity import queries
from portal.web import paging
from portal.web.exports import csv_response
from portal.web.forms import CheckboxesField, Form, email_field, line_field, page, refusals_of
from portal.web.gate import current_actor, current_edges, current_now, current_session, open_to

blueprint = Blueprint("people", __name__)

ROLE_LABELS = {role: role.value.replace("_", " ").capitalize() for role in Role}


class InvitationForm(Form):
    email = email_field(autocomplete="off")
    name = line_field("Name", required="Say who is invited.", limit=100)
    roles = CheckboxesField("Roles")


class RolesForm(Form):
    roles = CheckboxesField("Roles")


@blueprint.get("/people")
@open_to(may_administer)
def people() -> ResponseReturnValue:
    session, actor = current_session(), current_actor()
    return render_template(
        "people/people.html",
        members=queries.members(session, actor),
        invitations=queries.pending_invitations(session, actor, current_now()),
        role_labels=ROLE_LABELS,
    )


@blueprint.route("/people/invitations", methods=["GET", "POST"])
@open_to(may_administer)
def invite() -> ResponseReturnValue:
    form = InvitationForm()
    form.roles.choices = _role_choices()
    if form.validate_on_submit():
        with refusals_of(form):
            actions.invite(
                current_session(),
                current_actor(),
                email=form.email.data,
                name=form.name.data,
                roles=[Role(role) for role in form.roles.data or ()],
                secret=current_edges().settings.secret_key,
                now=current_now(),
            )
            flash(f"{form.name.data} is invited; the mail is on its way.", "good")
            return redirect(url_for("people.people"), code=303)
    return page("people/invite.html", form)


@blueprint.post("/people/invitations/<int:invitation_id>/withdrawal")
@open_to(may_administer)
def withdraw(invitation_id: int) -> ResponseReturnValue:
    actions.withdraw_invitation(current_session(), current_actor(), invitation_id, current_now())
    flash("The invitation is taken back.", "good")
    return redirect(url_for("people.people"), code=303)


@blueprint.route("/people/<int:membership_id>", methods=["GET", "POST"])
@open_to(may_administer)
def person(membership_id: int) -> ResponseReturnValue:
    found = queries.member(current_session(), current_actor(), membership_id)
    form = RolesForm(roles=list(found.membership.roles))
    form.roles.choices = _role_choices()
    if form.validate_on_submit():
        with refusals_of(form):
            roles = [Role(role) for role in form.roles.data or ()]
            actions.change_roles(current_session(), current_actor(), membership_id, roles, current_now())
            flash("The roles are changed.", "good")
            return redirect(url_for("people.people"), code=303)
    return page("people/person.html", form, member=found, role_labels=ROLE_LABELS)


@blueprint.post("/people/<int:membership_id>/sessions/revocation")
@open_to(may_administer)
def sign_out_member(membership_id: int) -> ResponseReturnValue:
    actions.sign_out_member(current_session(), current_actor(), membership_id, current_now())
    flash("Signed out everywhere.", "good")
    return redirect(url_for("people.person", membership_id=membership_id), code=303)


@blueprint.post("/people/<int:membership_id>/departure")
@open_to(may_administer)
def end_membership(membership_id: int) -> ResponseReturnValue:
    actions.end_membership(current_session(), current_actor(), membership_id, current_now())
    flash("The membership has ended. Sessions and links ended with it.", "good")
    return redirect(url_for("people.people"), code=303)


@blueprint.get("/audit-log")
@open_to(may_administer)
def audit_log() -> ResponseReturnValue:
    session, actor = current_session(), current_actor()
    key = paging.key_from(request.args.get("after"), 1)
    before_id = key[0] if key and isinstance(key[0], int) else None
    rows = audit.entries(session, actor, before_id, paging.PAGE_SIZE + 1)
    names = queries.names(session, {row.person_id for row in rows if row.person_id})
    shown = paging.page_of(rows, lambda row: (row.id,))
    return render_template("people/audit_log.html", page=shown, names=names)


@blueprint.get("/audit-log.csv")
@open_to(may_administer)
def audit_log_file() -> ResponseReturnValue:
    """The whole log of the organisation, or what came after the entry ``since``, oldest first."""
    session, actor = current_session(), current_actor()
    rows = audit.exported(session, actor, request.args.get("since", 0, type=int))
    names = queries.names(session, {row.person_id for row in rows if row.person_id})
    lines = (
        (
            row.id,
            row.at,
            names.get(row.person_id or 0, ""),
            row.act,
            row.object_type,
            row.object_id,
            _as_text(row.details),
        )
        for row in rows
    )
    return csv_response("audit-log", ("Number", "At", "Who", "Act", "About", "Id", "Details"), lines)


def _as_text(details: dict[str, Any]) -> str:
    return json.dumps(details, sort_keys=True, ensure_ascii=False) if details else ""


def _role_choices() -> list[tuple[str, str]]:
    return [(role.value, ROLE_LABELS[role]) for role in Role if role in ROLES_OF_SIDE[current_actor().side]]
