"""The tax on a standalone invoice, line by line: reckoned anew while it is a draft, kept once it is numbered."""

from portal.standin import invoice_items, objects, taxes
from portal.standin.objects import Body
from portal.standin.state import State


def lines_of(state: State, body: Body) -> list[Body]:
    """The lines of an invoice, each with its tax; those of a numbered invoice are as they were when it was."""
    items = invoice_items.items_of(state, body["id"])
    if not is_taxed_by_line(body):
        return [invoice_items.line_of(item) for item in items]
    known = body.get("_taxes_by_line")
    if known is not None:
        return [invoice_items.line_of(item, known.get(item["id"], ())) for item in items]
    customer = objects.fetch(state, "customer", body["customer"])
    if not taxes.is_located(customer):
        return [invoice_items.line_of(item) for item in items]
    return [invoice_items.line_of(item, taxes.line_taxes(state, customer, item)) for item in items]


def is_taxed_by_line(body: Body) -> bool:
    """An invoice of a subscription is taxed as a whole."""
    return bool(body["automatic_tax"]["enabled"]) and not body["parent"]


def taxed(state: State, body: Body, lines: list[Body]) -> Body:
    """The invoice with the tax on its lines, and whether its payer's address says enough for it."""
    if not is_taxed_by_line(body):
        return body
    located = body["status"] != "draft" or taxes.is_located(objects.fetch(state, "customer", body["customer"]))
    status = "complete" if located else "requires_location_inputs"
    return {**body, "_tax": taxes.sum_of_lines(lines), "automatic_tax": {**body["automatic_tax"], "status": status}}


def kept(state: State, body: Body) -> Body:
    """What a numbered invoice keeps of the tax on its lines."""
    if not is_taxed_by_line(body):
        return {}
    named = zip(invoice_items.items_of(state, body["id"]), lines_of(state, body), strict=True)
    return {"_taxes_by_line": {item["id"]: line["taxes"] for item, line in named}}
