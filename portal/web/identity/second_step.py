"""After the password: the second factor where there is one; and signing in with a passkey alone."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import HiddenField

from portal.identity.factors import entering, passkeys, recovery, rules
from portal.web import signed_in
from portal.web.forms import Form
from portal.web.gate import anyone, current_now, current_session, current_viewer, open_to
from portal.web.identity.blueprint import blueprint
from portal.web.stepping import ProofForm, asking, is_fresh, proof_options, proof_page, refuse, step_up

TOO_LONG_AGO = "The password was typed too long ago. Begin again."
NO_PASSKEY = "This passkey was not accepted. Try again, or sign in with your password."
FEW_CODES = 3


class PasskeyForm(Form):
    """An answer of the browser's authenticator."""

    passkey = HiddenField()
    options = ""


def passkey_form() -> PasskeyForm:
    """The form of the sign-in page that a passkey fills in."""
    form = PasskeyForm(formdata=None)
    form.options = passkeys.proof_options(asking(passkeys.SIGN_IN, signed_in.holder()))
    return form


def enter(entrance: entering.Entrance) -> ResponseReturnValue:
    """On to the page that was wanted, or to the second factor first."""
    if entrance.is_pending:
        signed_in.begin_waiting(entrance.token)
        return redirect(url_for("identity.second_factor", next=request.args.get("next")), code=303)
    signed_in.begin(entrance.token)
    return redirect(wanted_page(), code=303)


@blueprint.route("/sign-in/second-factor", methods=["GET", "POST"])
def second_factor() -> ResponseReturnValue:
    session, now = current_session(), current_now()
    waiting = entering.waiting_of(session, signed_in.waiting_token(), now)
    if waiting is None:
        flash(TOO_LONG_AGO, "warn")
        return redirect(url_for("identity.sign_in", next=request.args.get("next")), code=303)
    form, asked = ProofForm(), asking(passkeys.SECOND, str(waiting.id))
    if form.validate_on_submit():
        token = entering.finish(session, waiting, form.answer, asked, signed_in.browser())
        if token is not None:
            signed_in.begin(token)
            _warn_of_few_codes(waiting.actor.person_id, form)
            return redirect(wanted_page(), code=303)
        refuse(form, rules.step_up_ways(waiting.held))
    body = render_template(
        "identity/second_factor.html",
        form=form,
        ways=rules.step_up_ways(waiting.held),
        options=proof_options(waiting.actor.person_id, waiting.held, asked),
    )
    return body, 422 if form.is_refused else 200


@blueprint.post("/sign-in/passkey")
def sign_in_by_passkey() -> ResponseReturnValue:
    form = PasskeyForm()
    asked = asking(passkeys.SIGN_IN, signed_in.holder())
    token = entering.sign_in_with_passkey(current_session(), form.passkey.data or "", asked, signed_in.browser())
    if token is None:
        flash(NO_PASSKEY, "bad")
        return redirect(url_for("identity.sign_in", next=request.args.get("next")), code=303)
    signed_in.begin(token)
    return redirect(wanted_page(), code=303)


@blueprint.route("/security/proof", methods=["GET", "POST"])
@open_to(anyone)
def prove() -> ResponseReturnValue:
    """Where the gate sends somebody whose organisation asks for a second factor that this session has not shown."""
    viewer = current_viewer()
    if is_fresh(viewer) and not viewer.must_set_up:
        return redirect(wanted_page(), code=303)
    form = ProofForm()
    if request.method == "POST" and step_up(form):
        return redirect(wanted_page(), code=303)
    return proof_page(form, "go on")


def wanted_page() -> str:
    """The page asked for before signing in: a path of this site, or the first page."""
    wanted = request.args.get("next", "")
    parts = urlsplit(wanted.replace("\\", "/"))
    is_own = wanted.startswith("/") and not wanted.startswith("//") and not parts.netloc and not parts.scheme
    return wanted if is_own and wanted.isprintable() else url_for("today.today")


def _warn_of_few_codes(person_id: int, form: ProofForm) -> None:
    if not rules.looks_like_recovery(form.proof_code.data or ""):
        return
    left = recovery.codes_left(current_session(), person_id)
    tone = "warn" if left <= FEW_CODES else "plain"
    flash(f"You used a recovery code; {left} are left. Make new ones under Security.", tone)
