"""An administrator looks on as somebody, with that person's yes; the person answers and ends it."""

from __future__ import annotations

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue

from portal.access import may_administer
from portal.errors import NotFound
from portal.identity import impersonation, queries, viewing
from portal.web import signed_in
from portal.web.forms import Form, line_field, page, refusals_of
from portal.web.gate import anyone, current_actor, current_now, current_session, current_viewer, open_to
from portal.web.identity.blueprint import blueprint
from portal.web.stepping import confirmed


class WishForm(Form):
    reason = line_field("Why", required="Say what you want to see; the person reads it.", limit=300)


@blueprint.route("/people/<int:membership_id>/looking-on", methods=["GET", "POST"])
@open_to(may_administer)
def ask_to_look_on(membership_id: int) -> ResponseReturnValue:
    session, actor, now = current_session(), current_actor(), current_now()
    member = queries.member(session, actor, membership_id)
    form = WishForm()
    if form.validate_on_submit():
        with refusals_of(form):
            impersonation.ask(session, actor, membership_id, form.reason.data, now)
            flash(f"{member.person.display_name} is asked; the answer shows here.", "good")
            return redirect(url_for("identity.ask_to_look_on", membership_id=membership_id), code=303)
    wishes = impersonation.wishes_about(session, actor, member.person.id, now)
    return page("identity/looking_on.html", form, member=member, wishes=wishes)


@blueprint.post("/looking-on/<int:wish_id>/answer")
@open_to(anyone)
def answer_wish(wish_id: int) -> ResponseReturnValue:
    is_yes = request.form.get("answer") == "yes"
    impersonation.answer(current_session(), current_actor(), wish_id, is_yes=is_yes, now=current_now())
    flash("Your yes holds for an hour; end it here at any moment." if is_yes else "Your no is kept.", "good")
    return redirect(url_for("identity.security"), code=303)


@blueprint.post("/looking-on/<int:wish_id>/session")
@open_to(may_administer)
@confirmed("look on as somebody else")
def look_on(wish_id: int) -> ResponseReturnValue:
    token = impersonation.begin(
        current_session(), current_viewer(), wish_id, browser=signed_in.browser(), now=current_now()
    )
    signed_in.look_on(token)
    return redirect(url_for("today.today"), code=303)


@blueprint.post("/looking-on/<int:wish_id>/end")
@open_to(anyone)
def end_looking_on(wish_id: int) -> ResponseReturnValue:
    impersonation.end(current_session(), current_actor(), wish_id, current_now())
    flash("It is over.", "good")
    return redirect(url_for("identity.security"), code=303)


@blueprint.post("/looking-on/return")
@open_to(anyone)
def look_away() -> ResponseReturnValue:
    """The administrator's own session comes back; without one, the sign-in page."""
    session, looking_on = current_session(), current_viewer().looking_on
    if looking_on is None:
        raise NotFound
    # The transaction so far could only read.
    session.rollback()
    own = viewing.viewer_of_token(session, signed_in.look_away(), current_now())
    if own is not None:
        impersonation.end(session, own.actor, looking_on.impersonation_id, current_now())
    return redirect(url_for("today.today"), code=303)
