"""For administrators: tokens with which the organisation's directory calls; and a provisioned person's first mail."""

from __future__ import annotations

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from portal.access import may_administer
from portal.identity import links as mailed
from portal.identity.links import OpenLink
from portal.identity.scim import tokens, welcome
from portal.identity.sso import flows
from portal.web import links
from portal.web.forms import Form, line_field, refusals_of
from portal.web.gate import current_actor, current_edges, current_now, current_session, open_to
from portal.web.identity import company
from portal.web.identity.blueprint import blueprint
from portal.web.stepping import confirmed


class TokenForm(Form):
    name = line_field("Name", required="Say which directory gets it.", limit=80)


@blueprint.route("/company-sign-in/directory", methods=["GET", "POST"])
@open_to(may_administer)
@confirmed("let a directory in")
def directory_tokens() -> ResponseReturnValue:
    form, made = TokenForm(), ""
    if form.validate_on_submit():
        with refusals_of(form):
            made = tokens.make_token(current_session(), current_actor(), form.name.data, current_now())
    body = render_template(
        "identity/directory.html",
        form=form if not made else TokenForm(formdata=None),
        made=made,
        tokens=tokens.own_tokens(current_session(), current_actor()),
        address=f"{current_edges().settings.base_url}/scim/v2",
    )
    # The token is shown this once, so no copy of the page is kept.
    return body, 422 if form.is_refused else 200, {"Cache-Control": "no-store"}


@blueprint.post("/company-sign-in/directory/<int:token_id>/end")
@open_to(may_administer)
def end_directory_token(token_id: int) -> ResponseReturnValue:
    tokens.end_token(current_session(), current_actor(), token_id, current_now())
    flash("The token has ended; the next call with it is refused.", "good")
    return redirect(url_for("identity.directory_tokens"), code=303)


@links.act(welcome.WELCOME_ACT)
def first_sign_in(link: OpenLink) -> ResponseReturnValue:
    """Somebody whom the directory brought in connects the company account, or goes on to choose a password."""
    form = Form()
    idp = company.provider_of(link)
    if form.validate_on_submit() and idp is not None:
        mailed.use_link(current_session(), link, current_now())
        return company.away(idp, flows.Errand("link", person_id=link.actor.person_id, hints={"login_hint": link.email}))
    return render_template("identity/first_sign_in.html", form=form, link=link, offers_company=idp is not None)
