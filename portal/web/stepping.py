"""Acts that need somebody to show, within the last minutes, that it is them: approving money, signing, bank, security.

``confirmed`` stands below ``open_to``. A post whose session was not proven lately is answered by a page that asks for
the best the person holds and carries every field of the post along; the answer comes back to the same address, so the
act goes on with what was typed. Where an act itself is refused the proof stays: it is committed before the act.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import wraps
from typing import Any
from urllib.parse import urlsplit

from flask import render_template, request
from flask.typing import ResponseReturnValue
from wtforms import HiddenField, PasswordField

from portal.errors import NotAllowed
from portal.identity.factors import passkeys, proving, queries, rules
from portal.identity.factors.rules import Proof
from portal.identity.rules import Viewer
from portal.identity.sso import linking, settings
from portal.web import signed_in
from portal.web.forms import PASSWORD_LIMIT, Form, line_field
from portal.web.gate import View, current_edges, current_now, current_session, current_viewer

WRONG = {
    Proof.PASSWORD: "This is not your password.",
    Proof.GENERATOR: "This code is not right any more, or not yet. Type the next one; check the clock of your phone.",
    Proof.PASSKEY: passkeys.REFUSED,
}
CODE_LIMIT = 60
# A proof at the company's provider is a page ahead of the act, also where every act is asked for anew.
COMES_BACK_WITHIN = timedelta(minutes=2)
OWN_FIELDS = frozenset({"csrf_token", "proof_code", "proof_password", "proof_passkey", "proof_sent"})


class ProofForm(Form):
    """Whatever proves who sits there; one of the fields is enough."""

    proof_code = line_field(
        "Code from your app, or a recovery code",
        limit=CODE_LIMIT,
        render_kw={"autocomplete": "one-time-code", "autocapitalize": "off", "spellcheck": "false"},
    )
    proof_password = PasswordField("Password", render_kw={"autocomplete": "current-password"})
    proof_passkey = HiddenField()
    proof_sent = HiddenField(default="yes")

    @property
    def answer(self) -> proving.Answer:
        """What was typed or signed."""
        return proving.Answer(
            password=(self.proof_password.data or "")[:PASSWORD_LIMIT],
            code=self.proof_code.data or "",
            passkey=self.proof_passkey.data or "",
        )


def asking(purpose: str, holder: str) -> passkeys.Asking:
    """Who asks for a passkey, and what for."""
    settings = current_edges().settings
    parts = urlsplit(settings.base_url)
    return passkeys.Asking(
        host=parts.hostname or "",
        origin=f"{parts.scheme}://{parts.netloc}",
        secret=settings.secret_key,
        purpose=purpose,
        holder=holder,
        now=current_now(),
    )


def is_fresh(viewer: Viewer) -> bool:
    """Whether the viewer has shown lately who they are."""
    lasts = timedelta(minutes=current_edges().settings.step_up_minutes)
    if viewer.proven.by in rules.BY_PROVIDER:
        lasts = max(lasts, COMES_BACK_WITHIN)
    return rules.is_fresh(viewer.proven, viewer.held, lasts=lasts, now=current_now())


def confirmed(act: str, *, only_if: Callable[[], bool] | None = None) -> Callable[[View], View]:
    """Ask for a fresh proof before a post goes on, or only where it says something that matters.

    *Shape*: ``act`` ends the sentence "Show that it is you to ..."; ``only_if`` reads the request.
    """

    def guard(view: View) -> View:
        @wraps(view)
        def ask_first(**values: Any) -> ResponseReturnValue:
            if request.method != "POST" or is_fresh(current_viewer()):
                return view(**values)
            if only_if is not None and not only_if():
                return view(**values)
            form = ProofForm()
            if "proof_sent" in request.form and step_up(form):
                # A proof is used up, whatever becomes of the act.
                current_session().commit()
                return view(**values)
            return proof_page(form, act)

        return ask_first  # type: ignore[return-value]

    return guard


def step_up(form: ProofForm) -> bool:
    """Whether the form proves who sits there; if so the session knows it from now on."""
    viewer = current_viewer()
    if viewer.looking_on is not None:
        raise NotAllowed("You are looking on: nothing can be confirmed in somebody else's name.")
    asked = asking(passkeys.CONFIRM, viewer.session_id)
    token = proving.step_up(current_session(), viewer, form.answer, asked) if form.validate() else None
    if token is not None:
        signed_in.go_on(token)
        return True
    refuse(form, rules.step_up_ways(viewer.held))
    return False


def refuse(form: ProofForm, ways: frozenset[Proof]) -> None:
    """Say that the answer was not right, in the words of what was tried."""
    if form.proof_passkey.data:
        form.refusal = WRONG[Proof.PASSKEY]
    else:
        form.refusal = WRONG[Proof.PASSWORD if Proof.PASSWORD in ways else Proof.GENERATOR]
    form.proof_passkey.data = ""


def proof_page(form: ProofForm, act: str) -> ResponseReturnValue:
    """The page that asks, with the fields of the post it interrupts."""
    viewer = current_viewer()
    if confirms_at_company(viewer):
        return company_page(request.full_path.rstrip("?"), kept_fields(), act=act)
    body = render_template(
        "identity/confirm.html",
        form=form,
        act=act,
        kept=kept_fields(),
        ways=rules.step_up_ways(viewer.held),
        options=proof_options(viewer.actor.person_id, viewer.held, asking(passkeys.CONFIRM, viewer.session_id)),
    )
    return body, 403


def company_page(
    path: str, kept: Sequence[tuple[str, str]], *, act: str = "go on", refusal: str | None = None
) -> ResponseReturnValue:
    """The same for somebody with neither password nor factor: the company's sign-in confirms, and comes back to it."""
    form = Form(formdata=None)
    form.refusal = refusal
    return render_template("identity/confirm_at_company.html", form=form, act=act, kept=kept, path=path), 403


def confirms_at_company(viewer: Viewer) -> bool:
    """Whether the company's provider is all by which somebody can show who they are."""
    if rules.step_up_ways(viewer.held):
        return False
    work, actor = current_session(), viewer.actor
    idp = settings.own_provider(work, actor)
    return idp is not None and idp.is_enabled and linking.own_connection(work, actor) is not None


def kept_fields() -> list[tuple[str, str]]:
    """The fields of the post that is interrupted, without those of the page that asks."""
    return [(name, value) for name, value in request.form.items(multi=True) if name not in OWN_FIELDS]


def proof_options(person_id: int, held: rules.Held, asked: passkeys.Asking) -> str:
    """What the browser is asked to prove with a passkey, or nothing where there is none."""
    if not held.passkeys:
        return ""
    known = queries.passkeys(current_session(), person_id)
    return passkeys.proof_options(asked, tuple(each.credential_id for each in known))
