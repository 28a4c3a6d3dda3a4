"""What is due beside a case's work: packs bought, a plan taken up again, a visit called off, equipment, a plan."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from portal.contracts.agreement import Agreement
from portal.contracts.blocks import Company, Payer, Revenue
from portal.contracts.conditions import Circumstance, WorkKey
from portal.contracts.fees import Cancellation, Occasion
from portal.contracts.holdings import expires_on, pack_named, packs_for, price_of_packs
from portal.contracts.owing import Claimed, Owing, labour_credit, material_owed, referral_bonus
from portal.contracts.packs import Lapse
from portal.contracts.policy import Policy
from portal.contracts.prices import price_of
from portal.contracts.renewals import LapsedPlan, plan_state, renewal
from portal.contracts.rules import amount_minor, band_at, plan_named, rate_minor, table_weights
from portal.contracts.sharing import RevenuePart, SharingFacts, months_counted, shares_of
from portal.errors import Invalid
from portal.money import Money, round_half_up
from portal.quoting.bill import decimal, major, rated
from portal.quoting.case_input import CaseInput
from portal.quoting.facts import case_facts, class_of, holdings_of, instant, opened_on
from portal.quoting.money_input import CancelledInput, ClaimInput, ClaimKind, LapseInput
from portal.rating.lines import INCLUDED, MATERIAL, PAID_KINDS
from portal.rating.parts import supplied_minor
from portal.rating.situations import setting_at

_MONTHS_OF_A_YEAR = 12


def dues(policy: Policy, agreement: Agreement | None, case: CaseInput) -> dict[str, Any]:
    """Each thing that the case names, with what it costs."""
    found: dict[str, Any] = {}
    if case.buys:
        found["purchases"] = _purchases(policy, case)
    if case.lapse is not None:
        found["renewal"] = _renewal(policy, case, case.lapse)
    if case.cancelled is not None:
        found["cancellation"] = {"amount": major(_cancellation(policy, case, case.cancelled), policy.currency)}
    if case.equipment:
        found["equipment"] = {"amount": major(_equipment(policy, case), policy.currency)}
    if case.subscription is not None:
        found["subscription"] = {"amount": major(_subscription(policy, case), policy.currency)}
    if case.claims:
        found["owed"] = [_owed(policy, agreement, case, each) for each in case.claims]
    return found


def _owed(policy: Policy, agreement: Agreement | None, case: CaseInput, said: ClaimInput) -> dict[str, Any]:
    """What one company owes the other by the agreement, or why it owes nothing."""
    owing, currency = (agreement.owing if agreement is not None else Owing()), policy.currency
    in_warranty = setting_at(case_facts(policy, case), instant(policy.zone, case.opened_at)).in_warranty
    about = Claimed(case.product_line, case.cause or "", in_warranty, said.days)
    minor = amount_minor(said.amount, currency)
    try:
        if said.kind is ClaimKind.LABOUR:
            owed = labour_credit(owing, currency, about, trips=said.trips)
        elif said.kind is ClaimKind.REFERRAL:
            owed = referral_bonus(owing, currency, about, sale_minor=minor)
        else:
            owed = material_owed(
                owing, currency, about, supplier=said.supplier, disposition=said.disposition, price_minor=minor
            )
    except Invalid as refused:
        return {"kind": said.kind.value, "amount": major(0, currency), "because": refused.sentence}
    return {
        "kind": said.kind.value,
        "amount": major(owed.amount_minor, currency),
        "debtor": owed.debtor.value,
        "creditor": owed.creditor.value,
        "because": " ".join(owed.sentences),
    }


def _purchases(policy: Policy, case: CaseInput) -> list[dict[str, Any]]:
    found = []
    for each in case.buys:
        pack = pack_named(policy, each.pack)
        count = packs_for(pack, minutes=each.minutes, incidents=each.incidents)
        end = expires_on(pack, opened_on(policy, case))
        answer: dict[str, Any] = {"pack": pack.code, "count": count, "expires_on": end.isoformat() if end else None}
        if pack.price is not None:
            price = price_of_packs(policy, pack, count)
            answer["amount"] = major(price.total_minor, policy.currency)
            answer["each"] = major(round_half_up(price.each), policy.currency)
        found.append(answer)
    return found


def yearly_minor(policy: Policy, case: CaseInput, list_price: str | None) -> int:
    """A year of the case's plan: by the month, or a percentage of a list price."""
    plan = plan_named(policy, case.plan)
    if plan.price_percent_of_list is not None:
        percent = Fraction(plan.price_percent_of_list) / 100
        return round_half_up(rate_minor(list_price or "0", policy.currency) * percent)
    return amount_minor(plan.price_per_month, policy.currency) * _MONTHS_OF_A_YEAR


def _subscription(policy: Policy, case: CaseInput) -> int:
    asked = case.subscription
    if asked is None:
        return 0
    price = round_half_up(Fraction(yearly_minor(policy, case, asked.list_price) * asked.months, _MONTHS_OF_A_YEAR))
    if not 0 <= _discount(policy, case) <= price:
        raise Invalid(f"A code takes off at most the price of the plan, {Money(price, policy.currency)}.")
    return price - _discount(policy, case)


def _discount(policy: Policy, case: CaseInput) -> int:
    return amount_minor(case.subscription.discount, policy.currency) if case.subscription is not None else 0


def _renewal(policy: Policy, case: CaseInput, asked: LapseInput) -> dict[str, Any]:
    listed = round_half_up(rate_minor(asked.list_price or "0", policy.currency))
    stated = asked.yearly_price
    yearly = amount_minor(stated, policy.currency) if stated else yearly_minor(policy, case, asked.list_price)
    due = renewal(policy, LapsedPlan(asked.ended_on, asked.renewed_on, yearly, listed, asked.missed_upgrade))
    return {
        "state": plan_state(policy.lapse or Lapse(), asked.ended_on, asked.renewed_on).value,
        "days_lapsed": due.days_lapsed,
        "possible": due.possible,
        "fee_due": due.fee_due,
        "fee": None if due.fee_minor is None else major(due.fee_minor, policy.currency),
        "missed_time": major(due.missed_minor, policy.currency),
        "upgrade": major(due.upgrade_minor, policy.currency),
        "years": due.years,
        "begins_on": due.begins_on.isoformat(),
        "ends_on": due.ends_on.isoformat(),
        "covers_from": due.covers_on.isoformat(),
        "total": None if due.total_minor is None else major(due.total_minor, policy.currency),
    }


def _cancellation(policy: Policy, case: CaseInput, asked: CancelledInput) -> int:
    visit_at = instant(policy.zone, asked.visit_at)
    notice = visit_at - instant(policy.zone, asked.cancelled_at)
    for row in policy.cancellations:
        in_time = row.notice_below_hours is None or notice.total_seconds() < row.notice_below_hours * 3_600
        if in_time and row.dispatched in (None, asked.dispatched):
            return _called_off_minor(policy, case, asked, row)
    return 0


def _called_off_minor(policy: Policy, case: CaseInput, asked: CancelledInput, row: Cancellation) -> int:
    if row.amount is not None:
        return amount_minor(row.amount, policy.currency)
    spent = max(row.minutes or 0, asked.travel_minutes if row.or_travel else 0)
    work = WorkKey(
        asked.mode.value,
        band_at(policy, instant(policy.zone, asked.visit_at)).code,
        case.task_class.value,
        case.product_line,
        plan_named(policy, case.plan).code,
        Circumstance("", "", class_of(policy, case), case.requested, case.severity),
    )
    return round_half_up(price_of(policy, work).hourly * spent / 60)


def _equipment(policy: Policy, case: CaseInput) -> int:
    total = 0
    for piece in case.equipment:
        occasion = Occasion.RETURN if piece.returned else Occasion.NOT_RETURNED
        value = amount_minor(piece.value, policy.currency)
        percents = [Fraction(fee.percent_of_value or 0) for fee in policy.fees if fee.per is occasion]
        total += sum(round_half_up(percent / 100 * value) for percent in percents)
    return total


def shares(policy: Policy, agreement: Agreement | None, case: CaseInput) -> list[dict[str, Any]]:
    """Who gets what of the case's bill and of a plan that is paid, by the signed tranches."""
    result = rated(policy, agreement, case, holdings_of(policy, case))
    weights = None
    if case.cause is not None and case.last_action is not None:
        weights = table_weights(policy, agreement, cause=case.cause, last_action=case.last_action)
    worked = {Company.MANUFACTURER: 0, Company.INTEGRATOR: 0}
    for line in result.lines:
        if line.kind in PAID_KINDS or (line.kind == INCLUDED and line.key.grant_id is not None):
            for segment in line.segments:
                worked[Company(segment.side)] += segment.seconds
    parts_minor = sum(line.amount_minor for line in result.lines if line.kind == MATERIAL)
    payers = {line.payer for line in result.lines if line.amount_minor}
    facts = SharingFacts(
        parts=(
            RevenuePart(Revenue.TIME_AND_MATERIALS, result.amount_minor - parts_minor),
            RevenuePart(Revenue.MATERIALS, parts_minor),
            RevenuePart(Revenue.SUBSCRIPTION, _subscription(policy, case), _discount(policy, case)),
        ),
        worked=tuple(worked.items()),
        supplied=supplied_minor(result.lines),
        weights=weights,
        seller=case.subscription.seller if case.subscription else Company.MANUFACTURER,
        payer=Payer.INTEGRATOR if payers == {"integrator"} else Payer.CUSTOMER,
        has_integrator=case.has_integrator,
        volumes=dict.fromkeys(months_counted(policy, agreement), amount_minor(case.volume, policy.currency)),
    )
    return [
        {
            "party": share.party,
            "revenue": share.revenue.value,
            "amount": major(share.amount_minor, policy.currency),
            "weight_percent": decimal(Fraction(share.weight_bp, 100)),
            "because": list(share.explanation),
        }
        for share in shares_of(policy, agreement, facts)
    ]
