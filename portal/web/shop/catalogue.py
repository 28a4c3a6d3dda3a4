"""What the sites of a customer can buy, and the order of one thing with the policy that is accepted with it."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID, uuid4

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import BooleanField, HiddenField, IntegerField
from wtforms.validators import InputRequired, NumberRange

from portal.access import Actor, Role, Side
from portal.cases import queries as cases
from portal.cases.models import SupportCase
from portal.contracts.reinstatement import Reinstatement
from portal.errors import Conflict, NotFound, RuleBroken
from portal.money import Money
from portal.selling.actions import Order, order, price_with, promotion_for, taken_up_again
from portal.selling.models import Purchase
from portal.selling.rules import MOST_QUANTITY, Item, Kind, catalogue, item_named, total_minor
from portal.web.display import duration
from portal.web.forms import Form, once_field, page, refusals_of
from portal.web.gate import current_actor, current_now, current_session, open_to
from portal.web.plans.choosing import SitePlan, minor_shown, place_named, site_plans
from portal.web.shop.blueprint import blueprint
from portal.web.shop.codes import code_field, code_tried
from portal.web.shop.paying import place, to_checkout

INTERVALS = {"once": "", "month": "a month", "year": "a year"}


class OrderForm(Form):
    quantity = IntegerField(
        "How many",
        default=1,
        validators=[
            InputRequired("Say how many."),
            NumberRange(1, MOST_QUANTITY, message=f"From 1 to {MOST_QUANTITY}."),
        ],
    )
    accepted = BooleanField("I accept the service policy", validators=[InputRequired("Accept the policy to buy.")])
    shown_sha256 = HiddenField()
    shown_minor = HiddenField()
    shown_discount_minor = HiddenField()
    promotion = code_field()
    form_key = once_field()


@dataclass(frozen=True)
class Shelf:
    """What one site can buy of one manufacturer."""

    place: SitePlan
    items: tuple[Item, ...]

    def price(self, item: Item) -> Money:
        """Its price without tax."""
        return Money(item.price_minor, item.currency)

    def holds(self, item: Item) -> bool:
        """Whether the site has this plan already."""
        return item.kind is Kind.PLAN and item.code == self.place.plan.code


def may_see_shop(actor: Actor) -> bool:
    """Whoever buys, pays or needs it at the customer."""
    return actor.side is Side.CUSTOMER and actor.has(Role.BUYER, Role.FINANCE, Role.CONTACT)


def may_buy(actor: Actor) -> bool:
    """Orders are the buyer's."""
    return actor.side is Side.CUSTOMER and actor.has(Role.BUYER)


def item_rows(item: Item) -> tuple[tuple[str, str], ...]:
    """What a thing gives, as label and words."""
    rows = []
    if item.minutes:
        rows.append(("Included each month" if item.kind is Kind.PLAN else "Hours", duration(item.minutes * 60)))
    if item.incidents:
        rows.append(("Support cases", str(item.incidents)))
    if item.valid_months:
        rows.append(("To be used within", f"{item.valid_months} months"))
    if item.minimum_months:
        rows.append(("Taken for at least", f"{item.minimum_months} months"))
    return tuple(rows)


@blueprint.get("/shop")
@open_to(may_see_shop)
def shop() -> ResponseReturnValue:
    shelves = [Shelf(found, catalogue(found.in_force.policy)) for found in site_plans()]
    return render_template(
        "shop/shop.html", shelves=shelves, rows=item_rows, intervals=INTERVALS, may_buy=may_buy(current_actor())
    )


@blueprint.route("/shop/<int:site_id>/<int:manufacturer_id>/<kind>/<code>/<interval>", methods=["GET", "POST"])
@open_to(may_buy)
def item(site_id: int, manufacturer_id: int, kind: str, code: str, interval: str) -> ResponseReturnValue:
    found = place_named(site_id, manufacturer_id)
    case = _case()
    try:
        wanted = item_named(found.in_force.policy, kind, code, interval)
    except RuleBroken as gone:
        return render_template("shop/gone.html", sentence=gone.sentence), 404
    again, refusal = _again(found, wanted)
    due = price_with(wanted.price_minor, again)
    form = OrderForm(shown_sha256=found.in_force.version.sha256, shown_minor=str(due))
    if wanted.kind is not Kind.PACK:
        # There is one plan to a site.
        del form.quantity
    context = {
        "shelf": Shelf(found, (wanted,)),
        "item": wanted,
        "case": case,
        "rows": item_rows(wanted),
        "interval": INTERVALS[interval],
        "again": again,
        "refusal": refusal,
        "due_minor": due,
        "discount": None,
    }
    if request.method == "POST" and not refusal:
        sent = form.validate()
        if request.form.get("step") == "price":
            # Looking at the price accepts nothing yet.
            form.accepted.errors = []
        elif sent and (purchase := _ordered(form, found, wanted, again, case)) is not None:
            return to_checkout(purchase)
        context |= _discounted(form, found, wanted, again)
    return page("shop/item.html", form, **context)


def _ordered(
    form: OrderForm, found: SitePlan, wanted: Item, again: Reinstatement | None, case: SupportCase | None
) -> Purchase | None:
    """The order; None where something is to be put right, or to be looked at again, which the form then says."""
    quantity = _quantity(form, wanted)
    asked = Order(
        site_id=found.site.id,
        manufacturer_id=found.maker.id,
        kind=wanted.kind,
        code=wanted.code,
        interval=wanted.interval,
        quantity=quantity,
        shown_sha256=form.shown_sha256.data or "",
        shown_minor=minor_shown(form.shown_minor.data) if again else total_minor(wanted, quantity),
        form_key=_key(form),
        case_id=case.id if case is not None else None,
        promotion=form.promotion.data or "",
        shown_discount_minor=minor_shown(form.shown_discount_minor.data),
    )
    with refusals_of(form):
        try:
            with code_tried(asked.promotion):
                return order(current_session(), current_actor(), asked, place(), now=current_now())
        except Conflict as moved:
            current_session().rollback()
            form.refusal = moved.sentence
            form.shown_sha256.data = found.in_force.version.sha256
            form.shown_minor.data = str(price_with(wanted.price_minor, again))
    return None


def _discounted(
    form: OrderForm, found: SitePlan, wanted: Item, again: Reinstatement | None
) -> dict[str, dict[str, object]]:
    """What the typed code takes off the order as it is typed, for the page; why it does not, at its field."""
    form.shown_discount_minor.data = "0"
    if form.promotion.errors or (wanted.kind is Kind.PACK and form.quantity.errors):
        return {}
    quantity = _quantity(form, wanted)
    total = total_minor(wanted, quantity) if again is None else price_with(wanted.price_minor, again)
    typed, actor = form.promotion.data or "", current_actor()
    with refusals_of(form), code_tried(typed):
        promoted = promotion_for(
            current_session(), actor.organisation_id, typed, wanted, total, maker_id=found.maker.id, now=current_now()
        )
        if promoted is not None:
            off = promoted.discount
            form.shown_discount_minor.data = str(off.minor)
            shown = {"list_minor": total, "discount_minor": off.minor, "words": off.words, "currency": wanted.currency}
            return {"discount": {**shown, "due_minor": total - off.minor}}
    return {}


def _quantity(form: OrderForm, wanted: Item) -> int:
    return int(form.quantity.data) if wanted.kind is Kind.PACK else 1


def _again(found: SitePlan, wanted: Item) -> tuple[Reinstatement | None, str]:
    """What taking a lapsed plan up again asks, and why it cannot be ordered like this; empty where it can."""
    try:
        again = taken_up_again(
            current_session(),
            found.in_force.policy,
            wanted,
            site_id=found.site.id,
            maker_id=found.maker.id,
            now=current_now(),
        )
    except RuleBroken as refused:
        return None, refused.sentence
    return again, ""


def _key(form: OrderForm) -> UUID:
    try:
        return UUID(form.form_key.data or "")
    except ValueError:
        return uuid4()


def _case() -> SupportCase | None:
    """The case that is to be covered, where the address names one of the actor's."""
    name = request.args.get("case", "")
    if not name:
        return None
    try:
        return cases.case_by_name(current_session(), current_actor(), name)
    except NotFound:
        return None


def to_shop() -> ResponseReturnValue:
    """Back to the shop."""
    return redirect(url_for("shop.shop"), code=303)
