"""Another address to sign in with, confirmed by a link mailed there, undone by a link mailed to the old one."""

from __future__ import annotations

from flask import flash, redirect, url_for
from flask.typing import ResponseReturnValue

from portal.identity import addresses
from portal.identity.links import OpenLink
from portal.web import links, signed_in
from portal.web.forms import Form, email_field, page, refusals_of
from portal.web.gate import anyone, current_now, current_session, current_viewer, open_to
from portal.web.identity.blueprint import blueprint
from portal.web.stepping import confirmed


class AddressForm(Form):
    email = email_field("New email address")


class AgreeForm(Form):
    """A button, and the token of the form."""


@blueprint.route("/security/address", methods=["GET", "POST"])
@open_to(anyone)
@confirmed("sign in with another address")
def change_address() -> ResponseReturnValue:
    form = AddressForm()
    if form.validate_on_submit():
        with refusals_of(form):
            addresses.ask_for_address(current_session(), current_viewer(), form.email.data, current_now())
            flash("A link is on its way to the new address. It counts once you use the link.", "good")
            return redirect(url_for("identity.security"), code=303)
    return page("identity/address.html", form)


@links.act(addresses.CONFIRM_ACT)
def confirm_address(link: OpenLink) -> ResponseReturnValue:
    form = AgreeForm()
    if form.validate_on_submit():
        addresses.confirm_address(current_session(), link, current_now())
        text = "The old address was told, and can undo it for two weeks."
        return links.done("You sign in with this address now", text, url_for("identity.sign_in"), "Sign in")
    change = addresses.change_of(current_session(), link)
    return page("identity/address_link.html", form, change=change, is_undo=False)


@links.act(addresses.UNDO_ACT)
def undo_address(link: OpenLink) -> ResponseReturnValue:
    form = AgreeForm()
    if form.validate_on_submit():
        addresses.undo_address(current_session(), link, current_now())
        signed_in.end()
        text = "Every browser is signed out. Choose a new password now: somebody may know the present one."
        return links.done("This address is yours again", text, url_for("identity.forgotten"), "Choose a new password")
    change = addresses.change_of(current_session(), link)
    return page("identity/address_link.html", form, change=change, is_undo=True)
