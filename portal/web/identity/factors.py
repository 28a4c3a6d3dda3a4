"""One's own second factors: an authenticator app, passkeys, recovery codes; and of whom the organisation asks them."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from flask import Response, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from wtforms import HiddenField

from portal.access import ROLES_OF_SIDE, Role, may_administer
from portal.errors import NotFound
from portal.identity.factors import generators, passkeys, policy, proving, queries, recovery, resetting, rules
from portal.identity.factors.rules import Proof, Proven
from portal.lazily import lazily
from portal.web import signed_in
from portal.web.forms import CheckboxesField, Form, line_field, page, refusals_of
from portal.web.gate import (
    anyone,
    current_actor,
    current_edges,
    current_now,
    current_session,
    current_viewer,
    open_to,
)
from portal.web.identity.blueprint import blueprint
from portal.web.people import ROLE_LABELS
from portal.web.stepping import asking, confirmed

if TYPE_CHECKING:
    import segno
else:
    segno = lazily("segno")

WRONG_CODE = "This code is not right. Type the one the app shows now; check the clock of your phone."
OTHERS = "Other browsers stay signed in; sign them out under Security if you want to."
NAME_LIMIT = 60


class CodeForm(Form):
    code = line_field(
        "Code",
        required="Type the six digits that the app shows.",
        limit=20,
        render_kw={"autocomplete": "one-time-code", "inputmode": "numeric"},
    )


class NewPasskeyForm(Form):
    name = line_field("Name", required="Give the passkey a name, such as the device's.", limit=NAME_LIMIT)
    passkey = HiddenField()


class NameForm(Form):
    name = line_field("Name", required="Give the passkey a name, such as the device's.", limit=NAME_LIMIT)


class PolicyForm(Form):
    roles = CheckboxesField("Asked of")


@blueprint.get("/security/factors")
@open_to(anyone)
def factors() -> ResponseReturnValue:
    viewer = current_viewer()
    return render_template(
        "identity/factors.html",
        held=viewer.held,
        passkeys=queries.passkeys(current_session(), viewer.actor.person_id),
        must_set_up=viewer.must_set_up,
    )


@blueprint.post("/security/factors/app")
@open_to(anyone)
@confirmed("set up an authenticator app")
def begin_generator() -> ResponseReturnValue:
    generators.begin_generator(current_session(), current_actor(), secret=_secret(), now=current_now())
    return redirect(url_for("identity.generator"), code=303)


@blueprint.route("/security/factors/app/code", methods=["GET", "POST"])
@open_to(anyone)
def generator() -> ResponseReturnValue:
    session, actor, now = current_session(), current_actor(), current_now()
    shown = generators.shown_secret(session, actor, secret=_secret(), now=now)
    if shown is None:
        flash("The secret is shown for a quarter of an hour, until its first code. Begin again to see another.", "warn")
        return redirect(url_for("identity.factors"), code=303)
    form = CodeForm()
    if form.validate_on_submit():
        if generators.confirm_generator(session, actor, form.code.data, secret=_secret(), now=now):
            return _set_up(Proof.GENERATOR, "Your authenticator app is set up.")
        form.code.errors = [WRONG_CODE]
    return page("identity/generator.html", form, shown=shown)


@blueprint.get("/security/factors/app/image.svg")
@open_to(anyone)
def generator_image() -> ResponseReturnValue:
    shown = generators.shown_secret(current_session(), current_actor(), secret=_secret(), now=current_now())
    if shown is None:
        raise NotFound
    drawn = io.BytesIO()
    code = segno.make(generators.provisioning_uri(shown, current_viewer().email), error="m", micro=False)
    # A resource of its own: the page's policy takes no drawing inside a page that brings its own style.
    code.save(drawn, kind="svg", scale=5, border=4, light="#fff", xmldecl=False, svgclass=None, lineclass=None)
    answer = Response(drawn.getvalue(), mimetype="image/svg+xml")
    answer.headers["Cache-Control"] = "no-store"
    answer.headers["Content-Security-Policy"] = "default-src 'none'"
    return answer


@blueprint.post("/security/factors/app/removal")
@open_to(anyone)
@confirmed("remove the authenticator app")
def remove_generator() -> ResponseReturnValue:
    generators.remove_generator(current_session(), current_actor(), current_now())
    flash(f"The app's codes are asked no more. {OTHERS}", "good")
    return redirect(url_for("identity.factors"), code=303)


@blueprint.route("/security/factors/passkeys/new", methods=["GET", "POST"])
@open_to(anyone)
@confirmed("add a passkey")
def new_passkey() -> ResponseReturnValue:
    session, viewer = current_session(), current_viewer()
    asked = asking(passkeys.REGISTER, viewer.session_id)
    form = NewPasskeyForm()
    if form.validate_on_submit():
        with refusals_of(form):
            passkeys.register(session, viewer.actor, asked, form.passkey.data or "", name=form.name.data)
            return _set_up(
                Proof.PASSKEY,
                "The passkey is added. You can sign in with it alone.",
            )
    form.passkey.data = ""
    options = passkeys.registration_options(session, viewer.actor, asked, viewer.email)
    return page("identity/new_passkey.html", form, options=options)


@blueprint.route("/security/factors/passkeys/<int:passkey_id>/name", methods=["GET", "POST"])
@open_to(anyone)
def rename_passkey(passkey_id: int) -> ResponseReturnValue:
    found = queries.own_passkey(current_session(), current_actor(), passkey_id)
    form = NameForm(name=found.name)
    if form.validate_on_submit():
        passkeys.rename(current_session(), current_actor(), passkey_id, form.name.data)
        return redirect(url_for("identity.factors"), code=303)
    return page("identity/passkey_name.html", form, passkey=found)


@blueprint.post("/security/factors/passkeys/<int:passkey_id>/removal")
@open_to(anyone)
@confirmed("remove the passkey")
def remove_passkey(passkey_id: int) -> ResponseReturnValue:
    passkeys.remove(current_session(), current_actor(), passkey_id, current_now())
    flash("The passkey is removed here. Delete it on the device as well.", "good")
    return redirect(url_for("identity.factors"), code=303)


@blueprint.post("/security/factors/codes")
@open_to(anyone)
@confirmed("make new recovery codes")
def make_recovery_codes() -> ResponseReturnValue:
    return _codes_page()


@blueprint.route("/people/second-factor", methods=["GET", "POST"])
@open_to(may_administer)
@confirmed("change of whom a second factor is asked")
def require_second_factor() -> ResponseReturnValue:
    session, actor = current_session(), current_actor()
    form = PolicyForm(roles=sorted(queries.required_of(session, actor.organisation_id)))
    form.roles.choices = [(role.value, ROLE_LABELS[role]) for role in Role if role in ROLES_OF_SIDE[actor.side]]
    if form.validate_on_submit():
        with refusals_of(form):
            wanted = [Role(role) for role in form.roles.data or ()]
            policy.require_second_factor(session, actor, wanted, current_now())
            flash("Saved. Whoever is asked and has none sets one up at the next click.", "good")
            return redirect(url_for("people.people"), code=303)
    return page("identity/policy.html", form)


@blueprint.post("/people/<int:membership_id>/factors/removal")
@open_to(may_administer)
@confirmed("take somebody's second factors off")
def reset_factors(membership_id: int) -> ResponseReturnValue:
    resetting.ask_for_reset(current_session(), current_actor(), membership_id, current_now())
    flash("The second factors are taken off, and every browser of the person is signed out.", "good")
    return redirect(url_for("people.person", membership_id=membership_id), code=303)


def _set_up(proof: Proof, sentence: str) -> ResponseReturnValue:
    """A new factor is proven by its own first use; whoever has no recovery codes gets them now."""
    session, viewer = current_session(), current_viewer()
    signed_in.go_on(proving.note_new_proof(session, viewer, Proven(proof, current_now())))
    flash(f"{sentence} {OTHERS}", "good")
    if recovery.codes_left(session, viewer.actor.person_id):
        return redirect(url_for("identity.factors"), code=303)
    return _codes_page()


def _codes_page() -> ResponseReturnValue:
    """The codes stand in this one answer and nowhere else."""
    codes = recovery.make_codes(current_session(), current_actor(), current_now())
    body = render_template(
        "identity/recovery_codes.html", codes=codes, made_at=current_now(), count=rules.RECOVERY_CODES
    )
    answer = Response(body)
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _secret() -> str:
    return current_edges().settings.secret_key
