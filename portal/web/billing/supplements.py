"""One supplement: what it comes to, why, who bears it, and the invoice it is on."""

from __future__ import annotations

from flask import render_template
from flask.typing import ResponseReturnValue

from portal.access import may_see_prices
from portal.billing.supplements import reading
from portal.web.billing.blueprint import blueprint
from portal.web.gate import current_actor, current_session, open_to


@blueprint.get("/supplements/<int:supplement_id>")
@open_to(may_see_prices)
def supplement(supplement_id: int) -> ResponseReturnValue:
    found = reading.supplement(current_session(), current_actor(), supplement_id)
    return render_template("billing/supplement.html", view=found)
