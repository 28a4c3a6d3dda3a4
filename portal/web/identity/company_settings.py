"""For administrators: the organisation's own provider, its domains and roles, who is connected, and a test of it."""

from __future__ import annotations

from uuid import UUID

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import BooleanField

from portal.access import ROLES_OF_SIDE, Role, may_administer
from portal.errors import Invalid, NotFound
from portal.identity.links import OpenLink
from portal.identity.sso import checking, domains, flows, linking, settings
from portal.identity.sso.models import IdentityProvider, ProviderFlow
from portal.web import links
from portal.web.forms import Form, line_field, page, password_field, refusals_of, text_field
from portal.web.gate import current_actor, current_edges, current_now, current_session, open_to
from portal.web.identity import company
from portal.web.identity.blueprint import blueprint
from portal.web.people import ROLE_LABELS
from portal.web.stepping import confirmed


class ProviderForm(Form):
    issuer = line_field("Issuer", required="Type the issuer's address.", limit=500)
    client_id = line_field("Client id", required="Type the client id.", limit=300)
    client_secret = password_field("Client secret", new=True)
    roles_claim = line_field("Claim with roles", limit=100)
    must_show_factor = BooleanField("The provider has to show its second factor")
    acr_values = line_field("Levels that ask for one", limit=500)
    is_enabled = BooleanField("People may sign in through this provider")


class DomainForm(Form):
    domain = line_field("Mail domain", required="Type a mail domain, such as company.com.", limit=253)


class RolesForm(Form):
    mapping = text_field("Roles", limit=10_000)


class NoForm(Form):
    """Only the token."""


@blueprint.route("/company-sign-in", methods=["GET", "POST"])
@open_to(may_administer)
@confirmed("change how your company signs in")
def company_settings() -> ResponseReturnValue:
    idp = settings.own_provider(current_session(), current_actor())
    form = _provider_form(idp)
    if form.validate_on_submit():
        with refusals_of(form):
            settings.keep_provider(
                current_session(),
                current_actor(),
                settings.Wanted(
                    issuer=form.issuer.data,
                    client_id=form.client_id.data,
                    client_secret=form.client_secret.data or "",
                    roles_claim=form.roles_claim.data or "",
                    is_enabled=form.is_enabled.data,
                    must_show_factor=form.must_show_factor.data,
                    acr_values=form.acr_values.data or "",
                ),
                secret=current_edges().settings.secret_key,
                allows_http=current_edges().outbound.allows_private,
                now=current_now(),
            )
            flash("Kept. Test the sign-in before anybody relies on it.", "good")
            return redirect(url_for("identity.company_settings"), code=303)
    return _page(form=form)


@blueprint.post("/company-sign-in/tests")
@open_to(may_administer)
def company_test() -> ResponseReturnValue:
    """Everything that can be looked at without a person; then the way to the provider for the rest."""
    idp = _own_provider()
    checks = checking.look_at(current_session(), company.site(), idp, current_now())
    goes_on = all(check.is_met for check in checks)
    address = ""
    if goes_on:
        errand = flows.Errand("test", person_id=current_actor().person_id)
        address = company.begin(idp, errand)
    return render_template("identity/company_test.html", checks=checks, address=address, is_done=False)


@blueprint.get("/company-sign-in/tests/<uuid:flow_id>")
@open_to(may_administer)
def company_test_report(flow_id: UUID) -> ResponseReturnValue:
    flow = current_session().get(ProviderFlow, flow_id)
    is_own = flow is not None and flow.organisation_id == current_actor().organisation_id and flow.purpose == "test"
    if flow is None or not is_own or flow.answered is None:
        raise NotFound
    checks = checking.kept_checks(flow.answered)
    return render_template("identity/company_test.html", checks=checks, address="", is_done=True)


@blueprint.post("/company-sign-in/requirement")
@open_to(may_administer)
@confirmed("change how your company signs in")
def require_company() -> ResponseReturnValue:
    settings.require_provider(current_session(), current_actor(), current_now())
    flash("Everybody comes in through the provider now; you also by your own password, for the day it fails.", "good")
    return redirect(url_for("identity.company_settings"), code=303)


@blueprint.post("/company-sign-in/requirement/withdrawal")
@open_to(may_administer)
@confirmed("change how your company signs in")
def stop_requiring_company() -> ResponseReturnValue:
    settings.stop_requiring(current_session(), current_actor(), current_now())
    flash("People may sign in with their own passwords again.", "good")
    return redirect(url_for("identity.company_settings"), code=303)


@blueprint.post("/company-sign-in/domains")
@open_to(may_administer)
@confirmed("claim a mail domain")
def claim_domain() -> ResponseReturnValue:
    form = DomainForm()
    if form.validate_on_submit():
        with refusals_of(form):
            found = domains.claim_domain(current_session(), current_actor(), form.domain.data, now=current_now())
            flash(f"{domains.KEEPER}@{found.domain} is asked by mail whether the domain is yours.", "good")
            return redirect(url_for("identity.company_settings"), code=303)
    return _page(domain=form)


@blueprint.post("/company-sign-in/domains/<int:domain_id>/removal")
@open_to(may_administer)
def give_up_domain(domain_id: int) -> ResponseReturnValue:
    domains.give_up_domain(current_session(), current_actor(), domain_id, current_now())
    flash("Addresses of this domain are no longer sent to your provider.", "good")
    return redirect(url_for("identity.company_settings"), code=303)


@blueprint.post("/company-sign-in/roles")
@open_to(may_administer)
@confirmed("change what gives people their roles")
def map_roles() -> ResponseReturnValue:
    form = RolesForm()
    if form.validate_on_submit():
        with refusals_of(form):
            mapping = _read_mapping(form.mapping.data or "")
            settings.keep_mapping(current_session(), current_actor(), mapping, current_now())
            flash("Kept.", "good")
            return redirect(url_for("identity.company_settings"), code=303)
    return _page(roles=form)


@blueprint.post("/company-sign-in/accounts/<int:identity_id>/removal")
@open_to(may_administer)
@confirmed("disconnect an account")
def disconnect_account(identity_id: int) -> ResponseReturnValue:
    linking.disconnect(current_session(), current_actor(), identity_id, current_now())
    flash("The account is disconnected; its sessions have ended.", "good")
    return redirect(url_for("identity.company_settings"), code=303)


@links.act(domains.CONFIRM_ACT)
def confirm_domain(link: OpenLink) -> ResponseReturnValue:
    found = domains.domain_of_link(current_session(), link)
    form = NoForm()
    if form.validate_on_submit():
        domains.confirm_domain(current_session(), link, current_now())
        return links.done(
            "The domain is confirmed",
            f"Addresses of {found.domain} are sent to the sign-in of {link.organisation_name} from now on.",
        )
    return page("identity/confirm_domain.html", form, link=link, domain=found)


def _own_provider() -> IdentityProvider:
    idp = settings.own_provider(current_session(), current_actor())
    if idp is None:
        raise NotFound
    return idp


def _provider_form(idp: IdentityProvider | None) -> ProviderForm:
    """The settings as they are, under what was typed into this form where it was sent."""
    is_sent = request.endpoint == "identity.company_settings" and request.method == "POST"
    given = {} if is_sent else {"formdata": None}
    if idp is None:
        form = ProviderForm(is_enabled=True, **given)
    else:
        form = ProviderForm(
            issuer=idp.issuer,
            client_id=idp.client_id,
            roles_claim=idp.roles_claim,
            is_enabled=idp.is_enabled,
            must_show_factor=idp.must_show_factor,
            acr_values=idp.acr_values,
            **given,
        )
    # The secret is never shown; an empty field keeps the one there is, and an application may have none at all.
    form.client_secret.validators = form.client_secret.validators[1:]
    form.client_secret.flags.required = False
    return form


def _page(
    *, form: ProviderForm | None = None, domain: DomainForm | None = None, roles: RolesForm | None = None
) -> ResponseReturnValue:
    session, actor = current_session(), current_actor()
    idp = settings.own_provider(session, actor)
    given = next((each for each in (form, domain, roles) if each is not None), None)
    refused = given is not None and (given.is_refused or bool(given.errors))
    mapping = settings.role_mapping(session, actor.organisation_id)
    written = "\n".join(f"{value} = {role}" for value, role in mapping.items())
    shown = {
        "form": form or _provider_form(idp),
        "domain": domain or DomainForm(formdata=None),
        "roles": roles or RolesForm(formdata=None, mapping=written),
    }
    body = render_template(
        "identity/company_settings.html",
        **shown,
        provider=idp,
        site=company.site(),
        start=current_edges().settings.base_url,
        domains=domains.own_domains(session, actor),
        accounts=linking.connected(session, actor),
        role_labels={role.value: ROLE_LABELS[role] for role in ROLES_OF_SIDE[actor.side]},
    )
    return body, 422 if refused else 200


def _read_mapping(written: str) -> dict[str, str]:
    """One line for each value: ``value = role``.

    *Raises*: Invalid.
    """
    found: dict[str, str] = {}
    for line in filter(None, map(str.strip, written.splitlines())):
        value, equals, role = (part.strip() for part in line.rpartition("="))
        name = role.lower().replace(" ", "_")
        if not equals or not value or name not in set(Role):
            raise Invalid("Nothing was changed.", {"mapping": f"“{line[:80]}” is not of the form value = role."})
        if value.casefold() in {each.casefold() for each in found}:
            raise Invalid("Nothing was changed.", {"mapping": f"“{value[:80]}” stands there twice."})
        found[value] = name
    return found
