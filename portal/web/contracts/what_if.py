"""What-if: ask what a draft would have changed in a past period, watch the job, read both sides beside each other.

Only who signs for one of the two companies asks, and each company reads its own questions only. An integrator asks
about its own partnership.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from flask import redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from wtforms import DateField, SelectField
from wtforms.validators import InputRequired

from portal.access import Side, may_see_shares
from portal.calendars import resolve_local
from portal.directory import queries as directory
from portal.directory.models import Organisation
from portal.money import Money
from portal.web.contracts.blueprint import blueprint
from portal.web.forms import Form, page, refusals_of
from portal.web.gate import current_actor, current_now, current_session, current_zone, open_to
from portal.whatif import actions, queries
from portal.whatif.models import WhatIf
from portal.whatif.printing import UNDECIDED, line_words
from portal.whatif.queries import Text, may_ask

AS_SIGNED = ("", "As it was signed")
STATES = {
    "waiting": ("Waiting for the worker", "plain"),
    "running": ("Being computed", "accent"),
    "done": ("Done", "good"),
    "failed": ("Could not be computed", "bad"),
}
# A page shows the rows that change most; the command line has all of them.
ROWS_AT_MOST = 25
LOOKED_BACK = timedelta(days=90)


class WhatIfForm(Form):
    partnership = SelectField("Partnership", coerce=int)
    from_on = DateField("From", validators=[InputRequired("Choose the first day.")])
    until_on = DateField("Until before", validators=[InputRequired("Choose the first day after the period.")])
    policy = SelectField("Policy")
    agreement = SelectField("Agreement")


@dataclass(frozen=True)
class Row:
    """A sum both ways, under its name."""

    name: str
    cases: int
    signed: Money
    draft: Money
    hint: str = ""
    href: str = ""

    @property
    def change(self) -> Money:
        """What the draft adds."""
        return self.draft - self.signed


@dataclass(frozen=True)
class Section:
    """One table of a result; ``left_out`` rows change less than those shown."""

    title: str
    code: str
    head: str
    counted: str
    rows: tuple[Row, ...]
    left_out: int = 0
    hint: str = ""


@blueprint.route("/contracts/what-if", methods=["GET", "POST"])
@open_to(may_ask)
def what_ifs() -> ResponseReturnValue:
    session, actor, now = current_session(), current_actor(), current_now()
    today = now.astimezone(current_zone()).date()
    form = WhatIfForm(from_on=today - LOOKED_BACK, until_on=today)
    texts = {text.code: text for text in queries.texts(session, actor)}
    partners = _partners()
    form.partnership.choices = _partnerships(partners)
    form.policy.choices = [AS_SIGNED, *((t.code, t.words) for t in texts.values() if t.kind == "policy")]
    form.agreement.choices = [AS_SIGNED, *((t.code, t.words) for t in texts.values() if t.kind == "agreement")]
    if form.validate_on_submit():
        with refusals_of(form):
            row = actions.ask(session, actor, _asked(form, texts), now=now)
            return redirect(url_for("contracts.what_if", what_if_id=row.id), code=303)
    listed = queries.asked(session, actor)
    names = directory.organisation_names(session, [row.integrator_id for row in listed if row.integrator_id])
    return page("contracts/what_ifs.html", form, listed=listed, names=names, states=STATES)


@blueprint.get("/contracts/what-if/<int:what_if_id>")
@open_to(may_ask)
def what_if(what_if_id: int) -> ResponseReturnValue:
    session = current_session()
    row = queries.what_if(session, current_actor(), what_if_id)
    companies = [each for each in (row.manufacturer_id, row.integrator_id) if each is not None]
    names = directory.organisation_names(session, [*companies, *_ids(row.result)])
    return render_template(
        "contracts/what_if.html",
        row=row,
        state=STATES[row.state],
        is_moving=row.state in ("waiting", "running"),
        names=names,
        result=row.result,
        sections=_sections(row, names) if row.result else (),
        warnings=_warnings(row, names) if row.result else (),
        left_out=[
            (each["what"], each["count"], Money(each["amount"], each["currency"]))
            for each in (row.result or {}).get("not_recomputed", ())
        ],
    )


def _partners() -> list[Organisation]:
    """Whom the viewer's company signs with, or could: a manufacturer's integrators, an integrator's manufacturers."""
    session, actor = current_session(), current_actor()
    other = Side.INTEGRATOR if actor.side is Side.MANUFACTURER else Side.MANUFACTURER
    return list(directory.organisations(session, actor, other))


def _partnerships(partners: list[Organisation]) -> list[tuple[int, str]]:
    named = [(each.id, each.name) for each in partners]
    return [(0, "All integrators"), *named] if current_actor().side is Side.MANUFACTURER else named


def _asked(form: WhatIfForm, texts: dict[str, Text]) -> actions.Asked:
    actor = current_actor()
    partner_id = form.partnership.data or None
    makes = actor.side is Side.MANUFACTURER
    return actions.Asked(
        manufacturer_id=actor.organisation_id if makes else partner_id or 0,
        integrator_id=partner_id if makes else actor.organisation_id,
        from_at=_midnight(form.from_on.data),
        until_at=_midnight(form.until_on.data),
        policy=texts.get(form.policy.data),
        agreement=texts.get(form.agreement.data),
    )


def _midnight(on: date) -> datetime:
    return resolve_local(current_zone().key, datetime.combine(on, time()))


def _ids(result: dict[str, Any] | None) -> set[int]:
    if result is None:
        return set()
    lists = ("parties", "customers", "integrators", "warnings", "discounts")
    return {row["id"] for name in lists for row in result.get(name, ()) if row["id"] is not None}


def _sections(row: WhatIf, names: dict[int, str]) -> list[Section]:
    result = row.result or {}

    def named(each: dict[str, Any]) -> str:
        return UNDECIDED.capitalize() if each["id"] is None else names.get(each["id"], "–")

    found = [_section(row, "Customers", "customers", "Customer", named)]
    if may_see_shares(current_actor()):
        hint = "Shares of bills and of included time at its use."
        found.insert(0, _section(row, "Parties", "parties", "Party", named, hint=hint))
        found[1:1] = _discounts(result.get("discounts", ()), named)
    if row.integrator_id is None:
        found.append(_section(row, "Integrators", "integrators", "Integrator", named))
    found.append(_section(row, "Plans", "plans", "Plan", lambda each: str(each["plan"]).replace("_", " ")))
    if result.get("months"):
        hint = "What plans cost by the month, beside the bills."
        found.append(_section(row, "Months of plans", "months", "Plan", lambda each: str(each["plan"]), hint=hint))
    found.append(_section(row, "Lines", "lines", "Line", lambda each: line_words(each).capitalize()))
    found.append(_section(row, "Cases that change most", "cases", "Case", lambda each: str(each["name"])))
    return [section for section in found if section.rows]


def _section(row: WhatIf, title: str, code: str, head: str, name: Any, *, hint: str = "") -> Section:
    result = row.result or {}
    listed = result[code]
    counted = {"lines": "Hours", "months": "Months"}.get(code, "Cases")
    rows = tuple(_row(each, code, name(each), result["currency"]) for each in listed[:ROWS_AT_MOST])
    return Section(title, code, head, counted, rows, len(listed) - len(rows), hint)


def _discounts(listed: Sequence[dict[str, Any]], name: Any) -> list[Section]:
    """A table for each currency of what a promotion code lowered; results of earlier releases have none."""
    hint = "Months, commissions and expiry of what a code lowered; the use of packs is in the cases."
    return [
        Section(
            f"Sales with a promotion code, {currency}",
            f"discounts-{currency.lower()}",
            "Party",
            "Sales",
            tuple(_row(each, "discounts", name(each), currency) for each in listed if each["currency"] == currency),
            hint=hint,
        )
        for currency in sorted({each["currency"] for each in listed})
    ]


def _row(each: dict[str, Any], code: str, name: str, currency: str) -> Row:
    hint = ""
    if code == "lines" and each["signed_seconds"] != each["draft_seconds"]:
        hint = f"{_hours(each['signed_seconds'])} instead become {_hours(each['draft_seconds'])}"
    href = url_for("cases.case", name=name) if code == "cases" else ""
    number = each.get("cases", each.get("months", 1))
    return Row(name, number, Money(each["signed"], currency), Money(each["draft"], currency), hint, href)


def _hours(seconds: int) -> str:
    return f"{seconds // 3600} h {seconds % 3600 // 60:02} min"


def _warnings(row: WhatIf, names: dict[int, str]) -> list[str]:
    said = []
    for each in (row.result or {})["warnings"]:
        whose = f"{names.get(each['id'], '–')}: " if each["id"] is not None else ""
        said.append(f"{whose}{each['sentence']}")
    return said
