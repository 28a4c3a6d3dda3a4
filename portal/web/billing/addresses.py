"""Where payers are, because tax is reckoned by it: the invoices that wait to be told, and the form that tells."""

from __future__ import annotations

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from portal.access import Side
from portal.billing import reading
from portal.payments.taxing.locating import address_of, keep_address, may_place, waiting_invoices
from portal.payments.taxing.rules import LONGEST_WORD, Address
from portal.taxes.exempting import may_keep
from portal.web.billing.blueprint import blueprint
from portal.web.forms import Form, line_field, page, refusals_of
from portal.web.gate import current_actor, current_edges, current_now, current_session, open_to


class AddressForm(Form):
    line1 = line_field("Street and number", limit=LONGEST_WORD)
    postal_code = line_field("Postal code", limit=LONGEST_WORD, render_kw={"autocomplete": "postal-code"})
    city = line_field("City", limit=LONGEST_WORD)
    state = line_field("State or province", limit=LONGEST_WORD)
    country = line_field("Country, two letters", required="Two letters, such as DE or US.", limit=2)


@blueprint.get("/invoices-without-address")
@open_to(may_place)
def addresses() -> ResponseReturnValue:
    actor = current_actor()
    return render_template(
        "billing/addresses.html",
        rows=waiting_invoices(current_session(), actor),
        is_issuer=actor.side is Side.MANUFACTURER,
        may_keep=may_keep(actor),
        is_switched_on=current_edges().settings.automatic_tax,
    )


@blueprint.route("/invoices/<int:invoice_id>/payer-address", methods=["GET", "POST"])
@open_to(may_place)
def payer_address(invoice_id: int) -> ResponseReturnValue:
    session, actor = current_session(), current_actor()
    row, _ = reading.invoice(session, actor, invoice_id)
    maker_id, payer_id = row.invoice.manufacturer_id, row.invoice.payer_id
    form = AddressForm(obj=address_of(session, manufacturer_id=maker_id, payer_id=payer_id))
    if form.validate_on_submit():
        with refusals_of(form):
            said = {name: getattr(form, name).data or "" for name in Address.__dataclass_fields__}
            said["country"] = said["country"].strip().upper()
            tried = keep_address(session, actor, maker_id, payer_id, Address(**said), now=current_now())
            again = f" Invoices that waited for it are tried again: {tried}." if tried else ""
            flash(f"The address is kept; invoices from now on are taxed by it.{again}", "good")
            return redirect(url_for("billing.addresses"), code=303)
    return page("billing/payer_address.html", form, row=row)
