"""What is owed and since when, what is not billed and why, whose share is open, and what a plan was worth."""

from __future__ import annotations

from flask import render_template, request
from flask.typing import ResponseReturnValue

from portal.billing import overviews as queries
from portal.identity import queries as people
from portal.payments.queries import payments_to_confirm
from portal.web.billing.blueprint import blueprint, may_collect, may_read_worth
from portal.web.billing.invoices import METHODS
from portal.web.gate import current_actor, current_now, current_session, current_zone, open_to


@blueprint.get("/unbilled-work")
@open_to(may_collect)
def unbilled() -> ResponseReturnValue:
    session, actor, now = current_session(), current_actor(), current_now()
    rows = queries.unbilled_work(session, actor, now=now)
    worth = queries.worth_of_waiting(session, actor, [row.cut for row in rows], now=now)
    return render_template(
        "billing/unbilled.html", rows=rows, worth=worth, kinds={"closing": "Closed", "period_end": "Period end"}
    )


@blueprint.get("/receivables")
@open_to(may_collect)
def receivables() -> ResponseReturnValue:
    session, actor, now = current_session(), current_actor(), current_now()
    waiting = payments_to_confirm(session, actor)
    return render_template(
        "billing/receivables.html",
        rows=queries.receivables(session, actor, today=now.astimezone(current_zone()).date()),
        ages=queries.AGES,
        waiting=waiting,
        names=people.names(session, {each.recorded_by for each in waiting}),
        methods=METHODS,
        questions=queries.open_questions(session, actor),
    )


@blueprint.get("/undetermined-shares")
@open_to(may_collect)
def undetermined() -> ResponseReturnValue:
    session, actor, now = current_session(), current_actor(), current_now()
    ages = queries.undetermined_by_age(session, actor, now=now)
    # Anything made up narrows nothing.
    currency = request.args.get("currency") if request.args.get("currency") in ages else None
    age = request.args.get("age", type=int)
    age = age if age in range(len(queries.WAITED)) else None
    rows = queries.undetermined_shares(session, actor, now=now, currency=currency, age=age)
    is_narrowed = currency is not None or age is not None
    return render_template(
        "billing/undetermined.html", rows=rows, by_age=ages, words=queries.WAITED, is_narrowed=is_narrowed
    )


@blueprint.get("/value")
@open_to(may_read_worth)
def value() -> ResponseReturnValue:
    rows = queries.worth(current_session(), current_actor(), zone=current_zone().key)
    return render_template("billing/value.html", rows=rows)
