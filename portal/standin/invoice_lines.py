"""The lines of one invoice: listed, and many added to a draft by one call, all of them or none."""

from dataclasses import replace

from portal.standin import catalogue, events, invoice_items, invoice_taxes, invoices, objects
from portal.standin.endpoints import Call, Endpoint
from portal.standin.objects import PAGING, Body
from portal.standin.parameters import boolean, decimal_number, group, integer, many, metadata, text
from portal.standin.refusals import refused

# docs.stripe.com/changelog/2016-02-22/no-more-than-250-invoice-items
MOST_LINES = 250


def add_lines(call: Call, invoice_id: str) -> Body:
    """Each line as an invoice item of its own, in the invoice's currency; only a draft takes any."""
    objects.fetch(call.state, invoices.KIND, invoice_id)
    lines = call.parameters["lines"]
    if len(invoice_items.items_of(call.state, invoice_id)) + len(lines) > MOST_LINES:
        raise refused(f"You can only add up to {MOST_LINES} items to an invoice.")
    for line in lines:
        invoice_items.create_item(replace(call, parameters={**line, "invoice": invoice_id}))
    body = invoices.full(call.state, objects.fetch(call.state, invoices.KIND, invoice_id))
    events.record(call, "invoice.updated", body)
    return body


def list_lines(call: Call, invoice_id: str) -> Body:
    lines = invoice_taxes.lines_of(call.state, objects.fetch(call.state, invoices.KIND, invoice_id))
    return objects.page_of(lines, call.parameters, f"/v1/invoices/{invoice_id}/lines")


LINE = {
    "amount": integer(-99_999_999_99),
    "description": text(),
    "discountable": boolean(),
    "metadata": metadata(),
    "period": group({"start": integer(0, required=True), "end": integer(0, required=True)}),
    "pricing": group({"price": text(required=True)}),
    "price_data": catalogue.PRICE_DATA,
    "quantity": integer(0),
    "quantity_decimal": decimal_number(),
}
ENDPOINTS = (
    Endpoint("GET", "/v1/invoices/<id>/lines", list_lines, PAGING),
    Endpoint(
        "POST", "/v1/invoices/<id>/add_lines", add_lines, {"lines": many(group(LINE), most=MOST_LINES, required=True)}
    ),
)
