"""Offers: made by the factory or the integrator, passed on or countered by the integrator, answered by the buyer."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from uuid import UUID, uuid4

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import BooleanField, HiddenField, IntegerField, RadioField, SelectField
from wtforms.validators import InputRequired, NumberRange

from portal.access import Actor, Side
from portal.cases import queries as cases
from portal.contracts import queries as contracts
from portal.contracts.reinstatement import Reinstatement
from portal.directory import queries as directory
from portal.errors import NotFound, RuleBroken
from portal.money import Money, parse_amount
from portal.selling import actions, queries
from portal.selling.actions import Terms, may_offer, price_with
from portal.selling.models import OfferRelease, PromotionUse, Purchase
from portal.selling.queries import OfferView, may_see_purchases
from portal.selling.rules import catalogue
from portal.web.forms import Form, line_field, once_field, page, refusals_of, text_field
from portal.web.gate import current_actor, current_now, current_session, open_to
from portal.web.plans.choosing import minor_shown
from portal.web.shop.blueprint import blueprint
from portal.web.shop.catalogue import INTERVALS, may_buy
from portal.web.shop.codes import code_field, code_tried
from portal.web.shop.paying import place, to_checkout

STATES = {
    "with_integrator": ("With the integrator", "accent"),
    "open": ("Open", "good"),
    "withdrawn": ("Withdrawn", "plain"),
    "declined": ("Declined", "plain"),
    "expired": ("Expired", "plain"),
    "accepted": ("Accepted", "good"),
}
COLLECTORS = [
    ("operator", "Paid at Stripe, to the portal's operator"),
    ("integrator", "We invoice our customer ourselves"),
]


class OfferForm(Form):
    item = SelectField("What", validators=[InputRequired("Choose what is offered.")])
    quantity = IntegerField("How many", default=1, validators=[InputRequired("Say how many."), NumberRange(1, 100)])
    price = line_field("Price for the customer", required="Say the price.", render_kw={"inputmode": "decimal"})
    collector = RadioField("How it is paid", choices=COLLECTORS, default="operator")
    days = IntegerField(
        "Open for days", default=14, validators=[InputRequired("Say for how long."), NumberRange(1, 90)]
    )
    promotion = code_field()
    note = text_field("Note to the customer", limit=1_000)


class PassOnForm(Form):
    price = line_field("Your price", limit=20, render_kw={"inputmode": "decimal"})


class AcceptForm(Form):
    shown_minor = HiddenField()
    shown_discount_minor = HiddenField()
    promotion = code_field()
    accepted = BooleanField("I accept the service policy", validators=[InputRequired("Accept the policy to buy.")])
    form_key = once_field()


def may_see_offers(actor: Actor) -> bool:
    """Those who may make, pass on or answer one, and finance."""
    return may_see_purchases(actor)


@blueprint.get("/offers")
@open_to(may_see_offers)
def offers() -> ResponseReturnValue:
    session, actor, now = current_session(), current_actor(), current_now()
    found = queries.offers(session, actor)
    return render_template(
        "shop/offers.html",
        offers=found,
        sites=directory.site_names(session, [each.shown.site_id for each in found]),
        customers=directory.organisation_names(session, [each.shown.customer_id for each in found]),
        states=STATES,
        now=now,
        intervals=INTERVALS,
        may_offer=may_offer(actor),
        is_customer=actor.side is Side.CUSTOMER,
    )


@blueprint.route("/offers/new/<int:site_id>/<int:manufacturer_id>", methods=["GET", "POST"])
@open_to(may_offer)
def new_offer(site_id: int, manufacturer_id: int) -> ResponseReturnValue:
    session, actor, now = current_session(), current_actor(), current_now()
    places = {
        (site.id, maker.id): (site, maker) for site, maker in directory.makers_at_sites(session, actor, now.date())
    }
    if (site_id, manufacturer_id) not in places:
        raise NotFound()
    site, maker = places[site_id, manufacturer_id]
    in_force = contracts.policy_in_force(session, manufacturer_id, now)
    items = {f"{each.kind}:{each.code}:{each.interval}": each for each in catalogue(in_force.policy)}
    form = OfferForm()
    form.item.choices = [
        (key, f"{each.name}, {INTERVALS[each.interval]}".rstrip(", ") + f" ({Money(each.price_minor, each.currency)})")
        for key, each in items.items()
    ]
    if actor.side is not Side.INTEGRATOR:
        del form.collector
    if form.validate_on_submit():
        with refusals_of(form), code_tried(form.promotion.data):
            each = items[form.item.data]
            terms = Terms(
                site_id=site_id,
                manufacturer_id=manufacturer_id,
                kind=each.kind,
                code=each.code,
                interval=each.interval,
                quantity=form.quantity.data,
                price_minor=parse_amount(form.price.data, each.currency).minor,
                days=form.days.data,
                note=form.note.data or "",
                collector=form.collector.data if form.collector is not None else "operator",
                promotion=form.promotion.data or "",
            )
            made = actions.make_offer(session, actor, terms, now=now)
            flash("The offer is made.", "good")
            return redirect(url_for("shop.offer", offer_id=made.id), code=303)
    return page("shop/new_offer.html", form, site=site, maker=maker)


@blueprint.get("/offers/<int:offer_id>")
@open_to(may_see_offers)
def offer(offer_id: int) -> ResponseReturnValue:
    return _page(_found(offer_id))


@blueprint.post("/offers/<int:offer_id>/release")
@open_to(may_offer)
def pass_on(offer_id: int) -> ResponseReturnValue:
    session, actor, now = current_session(), current_actor(), current_now()
    found, form = _found(offer_id), PassOnForm()
    if form.validate_on_submit():
        with refusals_of(form):
            typed = form.price.data
            minor = parse_amount(typed, found.shown.currency).minor if typed else None
            actions.pass_on(session, actor, offer_id, price_minor=minor, now=now)
            flash("The customer sees the offer now.", "good")
            return redirect(url_for("shop.offer", offer_id=offer_id), code=303)
    return _page(found, pass_on_form=form)


@blueprint.post("/offers/<int:offer_id>/end")
@open_to(may_see_offers)
def end_offer(offer_id: int) -> ResponseReturnValue:
    outcome = actions.end_offer(current_session(), current_actor(), offer_id, now=current_now())
    flash(f"The offer is {outcome}.", "good")
    return redirect(url_for("shop.offer", offer_id=offer_id), code=303)


@blueprint.post("/offers/<int:offer_id>/acceptance")
@open_to(may_buy)
def accept(offer_id: int) -> ResponseReturnValue:
    found, form = _found(offer_id), AcceptForm()
    sent = form.validate_on_submit()
    if request.form.get("step") == "price":
        # Looking at the price accepts nothing yet.
        form.accepted.errors = []
    elif sent and found.release is not None and (purchase := _accepted(form, found.release)) is not None:
        return to_checkout(purchase)
    return _page(found, accept_form=form)


def _accepted(form: AcceptForm, release: OfferRelease) -> Purchase | None:
    """The order; None where something is to be put right, which the form then says."""
    session, typed = current_session(), form.promotion.data or ""
    with refusals_of(form), _tried(typed, release):
        return actions.accept_offer(
            session,
            current_actor(),
            release,
            form_key=_key(form),
            shown_minor=minor_shown(form.shown_minor.data) if form.shown_minor.data else None,
            sha256=contracts.version(session, release.policy_version_id).sha256,
            place=place(),
            now=current_now(),
            promotion=typed,
            shown_discount_minor=minor_shown(form.shown_discount_minor.data or "0"),
        )
    return None


def _discount(form: AcceptForm, found: OfferView, total_minor: int) -> dict[str, object] | None:
    """What the typed code takes off the offer, for the page; why it does not, at its field."""
    form.shown_discount_minor.data = "0"
    typed = form.promotion.data or ""
    if found.release is None or form.promotion.errors or not typed:
        return None
    session, actor, now = current_session(), current_actor(), current_now()
    with refusals_of(form), _tried(typed, found.release):
        promoted = actions.promotion_for_offer(session, actor, typed, found.release, total_minor, now=now)
        if promoted is not None:
            off = promoted.discount
            form.shown_discount_minor.data = str(off.minor)
            shown = {"list_minor": total_minor, "discount_minor": off.minor, "words": off.words}
            return {**shown, "currency": found.shown.currency}
    return None


def _tried(typed: str, release: OfferRelease) -> AbstractContextManager[None]:
    """A code that came with the offer is not guessed."""
    return nullcontext() if typed.upper() == release.promotion else code_tried(typed)


def _without_code(form: AcceptForm, release: OfferRelease | None) -> str:
    """Why the code that an offer came with is no longer good; the form then goes on without it, at the price shown."""
    problems = form.promotion.errors
    if release is None or not problems or (form.promotion.data or "").upper() != release.promotion:
        return ""
    form.promotion.data, form.promotion.errors = "", []
    if request.method == "GET":
        # Nobody typed anything: there is nothing to put right.
        form.refusal = None
    return str(problems[0])


def _key(form: AcceptForm) -> UUID:
    try:
        return UUID(form.form_key.data or "")
    except ValueError:
        return uuid4()


def _found(offer_id: int) -> OfferView:
    return queries.offer_view(current_session(), current_actor(), offer_id)


def _page(
    found: OfferView, *, pass_on_form: PassOnForm | None = None, accept_form: AcceptForm | None = None
) -> ResponseReturnValue:
    session, actor, now = current_session(), current_actor(), current_now()
    shown, state = found.shown, found.state(now)
    ids = (shown.offered_by_id, shown.customer_id, shown.integrator_id, shown.manufacturer_id)
    again, refusal = _again(found) if state == "open" and may_buy(actor) else (None, "")
    due = price_with(shown.list_minor if found.customer_minor is None else found.customer_minor, again)
    if accept_form is None and again is not None:
        asked = shown.list_minor if shown.price_minor is None else shown.price_minor
        accept_form = AcceptForm(None, shown_minor=str(price_with(asked, again)))
    if accept_form is None and shown.promotion and state == "open" and may_buy(actor):
        accept_form = AcceptForm(None)
    if accept_form is not None and request.method == "GET":
        accept_form.promotion.data = shown.promotion
    use: PromotionUse | dict[str, object] | None = None
    code_gone = ""
    if found.purchase is not None:
        use = queries.bought(session, found.purchase).promotion
    elif accept_form is not None and state == "open":
        use = _discount(accept_form, found, due)
        code_gone = _without_code(accept_form, found.release)
    form = accept_form or pass_on_form or AcceptForm()
    return page(
        "shop/offer.html",
        form,
        found=found,
        shown=shown,
        state=state,
        states=STATES,
        names=directory.organisation_names(session, ids),
        interval=INTERVALS[shown.interval],
        case_name=_case_name(shown.case_id),
        version=contracts.version(session, shown.policy_version_id),
        accept_form=(accept_form or AcceptForm()) if state == "open" and may_buy(actor) and not refusal else None,
        again=again,
        refusal=refusal,
        due_minor=due,
        use=use,
        code_gone=code_gone,
        pass_on_form=_pass_on_form(found, state, pass_on_form),
        may_end=_may_end(found, state, actor),
    )


def _case_name(case_id: int | None) -> str:
    case = cases.cases_by_id(current_session(), current_actor(), [case_id]).get(case_id) if case_id else None
    return case.name if case is not None else ""


def _again(found: OfferView) -> tuple[Reinstatement | None, str]:
    """What taking a lapsed plan up again asks beside the offer, and why it cannot be; empty where it can."""
    session, release = current_session(), found.release
    if release is None:
        return None, ""
    policy = contracts.policy_of(contracts.version(session, release.policy_version_id))
    try:
        again = actions.offer_taken_up_again(session, policy, release, now=current_now())
    except RuleBroken as refused:
        return None, refused.sentence
    return again, ""


def _pass_on_form(found: OfferView, state: str, typed: PassOnForm | None) -> PassOnForm | None:
    actor = current_actor()
    waits = state == "with_integrator" and actor.organisation_id == found.shown.integrator_id
    return (typed or PassOnForm()) if waits and may_offer(actor) else None


def _may_end(found: OfferView, state: str, actor: Actor) -> str:
    """What the actor's side may do to end it; empty for nothing."""
    if state not in ("open", "with_integrator"):
        return ""
    if actor.side is Side.CUSTOMER:
        return "Decline" if may_buy(actor) else ""
    return "Withdraw" if may_offer(actor) and found.shown.offered_by_id == actor.organisation_id else ""
