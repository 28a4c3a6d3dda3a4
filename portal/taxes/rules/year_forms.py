"""Which form a year's payments to a recipient go on, who files it, and why none is filed: pure.

Forms are data; the order of the questions is here. *Source*: 26 U.S.C. 6041, 6041A, 6050W; 26 CFR 1.6041-1(a)(1)(iv)
(what a network reports is not reported again by the payer).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from portal.errors import RuleBroken
from portal.money import allocate
from portal.taxes.rules.identity import TaxIdentity
from portal.taxes.rules.taxpayer import CORPORATIONS, W9, Taxpayer

FILE, UNDER, NONE = "file", "under", "none"
FOR_SERVICES, FOR_NETWORKS = "1099-NEC", "1099-K"


@dataclass(frozen=True)
class Threshold:
    """From which amount, and beyond how many transactions, a form is filed, from a year on."""

    from_year: int
    amount_minor: int
    transactions: int
    above: bool
    source: str

    def is_met(self, paid_minor: int, count: int) -> bool:
        """Whether payments reach it, or exceed it where the law says so."""
        enough = paid_minor > self.amount_minor if self.above else paid_minor >= self.amount_minor
        return enough and (not self.transactions or count > self.transactions)


@dataclass(frozen=True)
class Box:
    """A box of a form and what it holds: paid, gross, count, months or nothing."""

    number: str
    label: str
    holds: str


@dataclass(frozen=True)
class Form:
    """A form of a year's payments."""

    code: str
    name: str
    country: str
    currency: str
    filer: str
    corporations_exempt: bool
    file_by: str
    source: str
    boxes: tuple[Box, ...]
    thresholds: tuple[Threshold, ...]

    def threshold_of(self, year: int) -> Threshold:
        """The threshold of a year. *Raises*: RuleBroken before the first that is known."""
        known = [one for one in self.thresholds if one.from_year <= year]
        if not known:
            raise RuleBroken(f"No threshold of {self.code} is known for {year}.")
        return known[-1]


@dataclass(frozen=True)
class PaymentKind:
    """A kind of money that a party gets, the payer's form it goes on, and why, in words."""

    kind: str
    form: str
    because: str


def payment_kinds_from(document: Mapping[str, Any]) -> dict[str, PaymentKind]:
    """The kinds of a parsed data file, by name."""
    return {row["kind"]: PaymentKind(**row) for row in document["payment"]}


def form_of(kind: str, known: Mapping[str, PaymentKind]) -> str:
    """The payer's form of a kind of payment; what is not known is for services."""
    return known[kind].form if kind in known else FOR_SERVICES


def by_form(amount_minor: int, earned: Mapping[str, int], known: Mapping[str, PaymentKind]) -> dict[str, int]:
    """A payment divided among the forms that what it pays belongs on.

    ``earned`` is what a statement said of each kind. *Shape*: sums to the payment; in proportion to what the kinds of a
    form come to, where that is above zero; all of it for services where nothing is.
    """
    weights = {FOR_SERVICES: 0}
    for kind, minor in earned.items():
        form = form_of(kind, known)
        weights[form] = weights.get(form, 0) + minor
    above = {form: minor for form, minor in weights.items() if minor > 0} or {FOR_SERVICES: 1}
    parts = zip(above, allocate(amount_minor, tuple(above.values())), strict=True)
    return {form: minor for form, minor in parts if minor}


def forms_from(document: Mapping[str, Any]) -> dict[str, Form]:
    """The forms of a parsed data file, by code."""
    return {row["code"]: _form(row) for row in document["form"]}


def _form(row: Mapping[str, Any]) -> Form:
    named = {name: value for name, value in row.items() if name not in ("box", "threshold")}
    boxes = tuple(Box(**each) for each in row["box"])
    thresholds = tuple(sorted((Threshold(**each) for each in row["threshold"]), key=lambda one: one.from_year))
    return Form(**named, boxes=boxes, thresholds=thresholds)


@dataclass(frozen=True)
class Payment:
    """Money that reached a recipient on a day, or came back from it; negative then."""

    paid_on: date
    amount_minor: int


@dataclass(frozen=True)
class Year:
    """What was paid to one recipient in one calendar year and currency, on the cash basis.

    *Shape*: ``gross_minor`` is what went out, ``paid_minor`` that less what came back; ``months`` has twelve amounts of
    the gross.
    """

    year: int
    currency: str
    paid_minor: int
    gross_minor: int
    count: int
    months: tuple[int, ...]


def year_of(year: int, currency: str, payments: Iterable[Payment]) -> Year:
    """The year's sums of payments made in it."""
    own = [one for one in payments if one.paid_on.year == year]
    out = [one for one in own if one.amount_minor > 0]
    months = tuple(sum(one.amount_minor for one in out if one.paid_on.month == month) for month in range(1, 13))
    return Year(year, currency, sum(one.amount_minor for one in own), sum(months), len(out), months)


@dataclass(frozen=True)
class Outcome:
    """Whether a form is filed, which and by whom, the reasons, and what is missing to file it."""

    kind: str
    form: Form
    filer: str
    reasons: tuple[str, ...]
    missing: tuple[str, ...] = ()


def outcome_of(
    paid: Year,
    payer: TaxIdentity | None,
    recipient: tuple[TaxIdentity | None, Taxpayer | None],
    forms: Mapping[str, Form],
    *,
    is_operator: bool,
    form_code: str = FOR_SERVICES,
) -> Outcome:
    """What becomes of a year's payments; ``is_operator`` says whether the payer runs the deployment itself.

    ``form_code`` is the payer's form of what was paid; a network reports all kinds together.
    """
    form = forms[form_code if is_operator else FOR_NETWORKS]
    who = _who_files(is_operator=is_operator)
    identity, taxpayer = recipient
    why_none = _why_none(paid, payer, identity, taxpayer, form)
    if why_none:
        return Outcome(NONE, form, form.filer, (why_none,))
    missing = _missing(identity, taxpayer)
    limit = form.threshold_of(paid.year)
    amount = paid.paid_minor if form.filer == "payer" else paid.gross_minor
    if not limit.is_met(amount, paid.count):
        return Outcome(UNDER, form, form.filer, (_why_under(limit, form.currency), who), missing)
    return Outcome(FILE, form, form.filer, (who,), missing)


def _who_files(*, is_operator: bool) -> str:
    if is_operator:
        return (
            "The payer files: it owes these shares for services and pays them itself; Stripe only moves the money, so"
            " no network reports it."
        )
    return (
        "The payment processor files: the operator settles between companies over its account, which is a third party"
        " network; what a network reports the payer does not report again."
    )


def _why_none(
    paid: Year, payer: TaxIdentity | None, identity: TaxIdentity | None, taxpayer: Taxpayer | None, form: Form
) -> str:
    if paid.currency != form.currency:
        return f"{form.code} is about payments in {form.currency}; this was paid in {paid.currency}."
    if payer is not None and payer.country != form.country:
        return f"The payer is not in the {form.country}."
    if taxpayer is not None and taxpayer.form != W9:
        return f"The recipient certified by {taxpayer.form} that it is no {form.country} taxpayer."
    if taxpayer is not None and form.corporations_exempt and taxpayer.classification in CORPORATIONS:
        return f"The recipient is a corporation by its {taxpayer.form}: {form.code} is not filed for corporations."
    if taxpayer is None and identity is not None and identity.country != form.country:
        return f"The recipient is not in the {form.country}; keep its W-8BEN-E for the day somebody asks."
    return ""


def _why_under(limit: Threshold, currency: str) -> str:
    reached = "more than" if limit.above else "at least"
    count = f" in more than {limit.transactions} transactions" if limit.transactions else ""
    dollars = f"{limit.amount_minor // 100:,}"
    return f"No form: it is filed for {reached} {dollars} {currency}{count} ({limit.source})."


def _missing(identity: TaxIdentity | None, taxpayer: Taxpayer | None) -> tuple[str, ...]:
    found = []
    if identity is None:
        found.append("legal name and address")
    if taxpayer is None:
        found += ["tax number", "certification (W-9)"]
    return tuple(found)


def box_amounts(form: Form, paid: Year) -> list[tuple[Box, int | None]]:
    """What stands in each box in minor units; None where a box holds a count, months or nothing."""
    held = {"paid": paid.paid_minor, "gross": paid.gross_minor}
    return [(box, held.get(box.holds)) for box in form.boxes]
