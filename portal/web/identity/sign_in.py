"""Sign in and out, a forgotten password, an invitation, and one's own security page."""

from __future__ import annotations

from uuid import UUID
from zoneinfo import available_timezones

from flask import flash, g, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import SelectField

from portal.access import Side
from portal.identity import actions, breaches, impersonation, people, queries, rules
from portal.identity.links import OpenLink
from portal.identity.own_zone import NOT_CHOSEN, default_zone
from portal.web import links, signed_in
from portal.web.forms import Form, email_field, line_field, page, password_field, refusals_of, trimmed
from portal.web.gate import anyone, current_actor, current_edges, current_now, current_session, current_viewer, open_to
from portal.web.identity import company, second_step
from portal.web.identity.blueprint import blueprint
from portal.web.stepping import confirmed

PASSWORD_HELP = f"At least {rules.PASSWORD_SHORTEST} characters. A few unrelated words are easy to remember."
NO_FIT = "Address and password do not fit. Check both, or choose a new password by mail."
# How a session was proven last.
PROOFS = {
    "password": "By password",
    "provider": "By your company's own sign-in",
    "provider_alone": "By your company's own sign-in, which showed no second factor",
    "generator": "By password and app",
    "passkey": "By passkey",
    "recovery": "By recovery code",
}
EMPTY_NAME = "Say how others should call you."
# Zones named after a place; the rest of the list are old abbreviations.
ZONES = tuple(
    sorted(zone for zone in available_timezones() if "/" in zone and not zone.startswith(("Etc/", "US/", "posix")))
)


def zone_field() -> SelectField:
    """The zone a person's times are shown in; not chosen, its company's holds."""
    return SelectField("Time zone", choices=_zones("As at my company"), default=NOT_CHOSEN)


def _zones(as_company: str) -> list[tuple[str, str]]:
    return [(NOT_CHOSEN, as_company), *((zone, zone) for zone in ("UTC", *ZONES))]


class SignInForm(Form):
    email = email_field(autocomplete="username")
    password = password_field()


class ForgottenForm(Form):
    email = email_field(autocomplete="username")


class ResetForm(Form):
    password = password_field("New password", new=True)


class InvitationForm(Form):
    name = line_field("Your name", required=EMPTY_NAME, limit=100, render_kw={"autocomplete": "name"})
    zone = zone_field()
    password = password_field(new=True)


class ProfileForm(Form):
    name = line_field("Your name", required=EMPTY_NAME, limit=100, render_kw={"autocomplete": "name"})
    phone = line_field("Phone", limit=40, render_kw={"autocomplete": "tel", "inputmode": "tel"})
    zone = zone_field()


class PasswordForm(Form):
    old = password_field("Present password")
    password = password_field("New password", new=True)


@blueprint.route("/sign-in", methods=["GET", "POST"])
def sign_in() -> ResponseReturnValue:
    form = SignInForm()
    if form.validate_on_submit():
        entrance = actions.sign_in(
            current_session(),
            email=form.email.data,
            password=form.password.data,
            browser=signed_in.browser(),
            now=current_now(),
        )
        if entrance is not None:
            return second_step.enter(entrance)
        form.refusal = NO_FIT
    return page("identity/sign_in.html", form, passkey=second_step.passkey_form())


@blueprint.post("/sign-out")
@open_to(anyone)
def sign_out() -> ResponseReturnValue:
    elsewhere = company.provider_sign_out()
    actions.sign_out(current_session(), current_viewer(), current_now())
    signed_in.end()
    g.viewer = None
    page_after = render_template("identity/company_signed_out.html", address=elsewhere) if elsewhere else None
    answer = make_response(page_after or redirect(url_for("identity.sign_in"), code=303))
    # Pages kept for the Back button would otherwise still be there for the next person at this screen.
    answer.headers["Clear-Site-Data"] = '"cache"'
    return answer


@blueprint.post("/acting-for")
@open_to(anyone)
def switch_organisation() -> ResponseReturnValue:
    token = actions.switch_organisation(
        current_session(),
        current_viewer(),
        request.form.get("membership_id", 0, type=int),
        browser=signed_in.browser(),
        now=current_now(),
    )
    signed_in.begin(token)
    return redirect(url_for("today.today"), code=303)


@blueprint.route("/forgotten-password", methods=["GET", "POST"])
def forgotten() -> ResponseReturnValue:
    form = ForgottenForm()
    if form.validate_on_submit():
        actions.ask_for_reset(current_session(), email=form.email.data, browser=signed_in.browser(), now=current_now())
        return render_template("identity/reset_sent.html")
    return page("identity/forgotten.html", form)


@links.act(actions.RESET_ACT)
def reset(link: OpenLink) -> ResponseReturnValue:
    form = ResetForm()
    if form.validate_on_submit():
        with refusals_of(form):
            is_breached = _is_breached(form.password.data)
            actions.reset_password(
                current_session(), link, form.password.data, is_breached=is_breached, now=current_now()
            )
            signed_in.end()
            return links.done(
                "Your password is changed",
                "Every browser that was signed in with the old one is signed out.",
                url_for("identity.sign_in"),
                "Sign in",
            )
    return page("identity/reset.html", form, link=link, password_help=PASSWORD_HELP)


@links.act(people.INVITATION_ACT)
def invitation(link: OpenLink) -> ResponseReturnValue:
    found = people.invitation_of(current_session(), link)
    if "through_company" in request.form:
        return company.through_invitation(link)
    form = InvitationForm(name=found.display_name)
    if form.validate_on_submit():
        actions.count_acceptance(current_session(), link, current_now())
        # The count stays, whatever becomes of the acceptance.
        current_session().commit()
        with refusals_of(form):
            is_breached = _is_breached(form.password.data)
            newcomer = people.Newcomer(form.name.data, form.password.data, form.zone.data, is_breached)
            membership = people.accept_invitation(current_session(), link, newcomer, current_now())
            entrance = actions.enter_after_acceptance(
                current_session(), membership, browser=signed_in.browser(), now=current_now()
            )
            return second_step.enter(entrance)
    return page(
        "identity/invitation.html",
        form,
        link=link,
        invitation=found,
        password_help=PASSWORD_HELP,
        offers_company=company.provider_of(link) is not None,
    )


@blueprint.post("/security/sessions/all/revocation")
@open_to(anyone)
@confirmed("sign out everywhere")
def revoke_every_session() -> ResponseReturnValue:
    actions.revoke_every_session(current_session(), current_actor(), current_now())
    signed_in.end()
    flash("You are signed out everywhere.", "good")
    return redirect(url_for("identity.sign_in"), code=303)


@blueprint.get("/security")
@open_to(anyone)
def security() -> ResponseReturnValue:
    return _security_page(_profile_form(), PasswordForm(formdata=None))


def _phone_changes() -> bool:
    """Whether the number is another one: a yes by telephone counts from it, so it is not changed in passing."""
    typed = trimmed(request.form.get("phone")) or ""
    return typed != queries.own_person(current_session(), current_actor()).phone


@blueprint.post("/security/profile")
@open_to(anyone)
@confirmed("change your telephone number", only_if=_phone_changes)
def change_profile() -> ResponseReturnValue:
    form = _profile_form()
    if form.validate_on_submit():
        actions.change_profile(
            current_session(),
            current_actor(),
            name=form.name.data,
            phone=form.phone.data or "",
            zone=form.zone.data,
            now=current_now(),
        )
        flash("Saved.", "good")
        return redirect(url_for("identity.security"), code=303)
    return _security_page(form, PasswordForm(formdata=None))


@blueprint.post("/security/password")
@open_to(anyone)
@confirmed("change your password")
def change_password() -> ResponseReturnValue:
    form = PasswordForm()
    if form.validate_on_submit():
        with refusals_of(form):
            fits = actions.change_password(
                current_session(),
                current_viewer(),
                old=form.old.data,
                new=form.password.data,
                is_breached=_is_breached(form.password.data),
                now=current_now(),
            )
            if not fits:
                form.old.errors = ["This is not your present password."]
                return _security_page(_profile_form(), form)
            flash("Your password is changed. Other browsers are signed out.", "good")
            return redirect(url_for("identity.security"), code=303)
    return _security_page(_profile_form(), form)


@blueprint.post("/security/sessions/<uuid:session_id>/revocation")
@open_to(anyone)
@confirmed("sign a browser out")
def revoke_session(session_id: UUID) -> ResponseReturnValue:
    actions.revoke_session(current_session(), current_actor(), session_id, current_now())
    flash("That browser is signed out.", "good")
    return redirect(url_for("identity.security"), code=303)


@blueprint.post("/security/sessions/revocation")
@open_to(anyone)
@confirmed("sign other browsers out")
def revoke_other_sessions() -> ResponseReturnValue:
    actions.revoke_other_sessions(current_session(), current_viewer(), current_now())
    flash("Every other browser is signed out.", "good")
    return redirect(url_for("identity.security"), code=303)


def _is_breached(password: str) -> bool:
    """What the service of stolen passwords says, where the deployment names one."""
    url = current_edges().settings.breached_passwords_url
    if url is None:
        return False
    # Nothing stays locked while one waits for the network.
    current_session().commit()
    return breaches.is_breached(password, url, current_edges().outbound)


def _profile_form() -> ProfileForm:
    person = queries.own_person(current_session(), current_actor())
    form = ProfileForm(name=person.display_name, phone=person.phone, zone=person.zone)
    zone = default_zone(current_session(), current_actor())
    at_sites = "my sites" if current_actor().side is Side.CUSTOMER else "my company"
    form.zone.choices = _zones(f"Not chosen: as at {at_sites}, {zone}")
    return form


def _security_page(profile: ProfileForm, password: PasswordForm) -> ResponseReturnValue:
    sessions = queries.live_sessions(current_session(), current_actor(), current_now())
    status = 422 if profile.errors or profile.is_refused or password.errors or password.is_refused else 200
    body = render_template(
        "identity/security.html",
        profile=profile,
        password=password,
        offers_company=company.may_connect(),
        password_help=PASSWORD_HELP,
        sessions=sessions,
        proofs=PROOFS,
        wishes=impersonation.wishes_about(current_session(), current_actor(), current_actor().person_id, current_now()),
    )
    return body, status
