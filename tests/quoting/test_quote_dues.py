"""Quotes beside the bill: packs, called-off visits, sales, waiting questions, hours; and cases nobody can ask."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from portal.contracts.agreement import parse_agreement
from portal.contracts.policy import parse_policy
from portal.errors import DocumentInvalid, Invalid, RuleBroken
from portal.quoting.case_input import case_from_values
from portal.quoting.printing import printed
from portal.quoting.quote import quote
from portal.quoting.typical import typical_bills
from tests.support.documents import KESSLER, agreement, changed, policy

SMALL = """
title = "Small"
currency = "USD"
zone = "UTC"

[[calendars]]
code = "business"
windows = ["mon-fri 08:00-17:00"]

[[bands]]
code = "business"
label = "business hours"
calendar = "business"

[[bands]]
code = "other"
label = "other times"

[[rates]]
per_hour = "100.00"

[[plans]]
code = "plain"
name = "Plain"
rank = 0
price_per_month = "0"
complimentary = true

[[packs]]
code = "hours"
label = "Ten hours"
minutes = 600

[[packs]]
code = "calls"
label = "Five calls"
incidents = 5
price = "500.00"
valid_months = 12
"""
LATE_CALL_OFF = """
[[cancellations]]
notice_below_hours = 2
amount = "80.00"

[[cancellations]]
notice_below_hours = 24
minutes = 30
or_travel = true
"""


def asked(*parts: str, **case: Any) -> dict[str, Any]:
    given = {"opened_at": "2026-03-03T16:30:00", **case}
    return quote(parse_policy("\n".join((SMALL, *parts))), None, case_from_values(given))


def test_a_pack_without_a_price_is_on_application():
    purchases = asked(buys=[{"pack": "hours", "minutes": 700}, {"pack": "calls", "incidents": 6}])["dues"]["purchases"]
    assert purchases == [
        {"pack": "hours", "count": 2, "expires_on": None},
        {"pack": "calls", "count": 2, "expires_on": "2027-03-03", "amount": "1000.00", "each": "100.00"},
    ]


@pytest.mark.parametrize(
    ("cancelled_at", "travel_minutes", "amount"),
    [
        ("2026-03-03T08:00:00", 0, "0.00"),
        ("2026-03-04T07:00:00", 0, "50.00"),
        ("2026-03-04T07:00:00", 45, "75.00"),
        ("2026-03-04T08:30:00", 45, "80.00"),
    ],
)
def test_a_visit_called_off_costs_by_how_late_it_was(cancelled_at, travel_minutes, amount):
    cancelled = {
        "cancelled_at": cancelled_at,
        "visit_at": "2026-03-04T09:00:00",
        "travel_minutes": travel_minutes,
    }
    assert asked(LATE_CALL_OFF, cancelled=cancelled)["dues"]["cancellation"] == {"amount": amount}


ALLOWANCES = """
[[allowances]]
code = "with_sale"
label = "With a controller"
minutes = 60
per = "sale"

[[allowances]]
code = "first_quarter"
label = "The first quarter of an hour"
minutes = 15
modes = ["remote"]
"""


@pytest.mark.parametrize(("sale", "amount"), [(None, "75.00"), ("S-1", "0.00")])
def test_the_allowance_of_a_sale_serves_the_cases_that_name_it(sale, amount):
    answer = asked(ALLOWANCES, sale=sale, work=[{"minutes": 60}])
    assert answer["bill"]["amount"] == amount


PATIENT = """
[lifecycle]
reopen_hours = 168
unanswered = { reminder_days = 5, close_days = 10, calendar = "business", cause = "none", last_action = "none" }

[[causes]]
code = "none"
label = "None"

[[corrective_actions]]
code = "none"
label = "None"
"""
ASKED = "2026-03-03T10:00:00"
IN_TIME = {"information_asked_at": ASKED, "replied_at": "2026-03-17T16:59:00"}
TOO_LATE = {"information_asked_at": ASKED, "replied_at": "2026-03-18T09:00:00"}


@pytest.mark.parametrize(
    ("part", "moments", "unanswered"),
    [
        ("", {"information_asked_at": ASKED}, (False, None, None)),
        (PATIENT, {"information_asked_at": ASKED}, (True, "2026-03-17", "2026-03-03")),
        (
            PATIENT,
            {"information_asked_at": ASKED, "replied_at": "2026-03-17T16:59:00"},
            (False, None, "the next question"),
        ),
        (
            PATIENT,
            {"information_asked_at": ASKED, "replied_at": "2026-03-18T09:00:00"},
            (True, "2026-03-17", "2026-03-03"),
        ),
        (PATIENT, {}, None),
    ],
)
def test_a_question_closes_the_case_unless_it_is_answered_in_time(part, moments, unanswered):
    found = asked(part, moments=moments)["lifecycle"]["unanswered"]
    assert (found and (found["closes"], found["close_on"], found["counts_from"])) == unanswered


def test_a_resolved_case_can_be_reopened_until_its_window_ends():
    found = asked(PATIENT, moments={"resolved_at": ASKED})["lifecycle"]["resolved"]
    assert found == {"reminder_on": None, "reopen_until": "2026-03-10T10:00:00+00:00"}


# It counts on a holiday that is over.
NEVER = '[[calendars]]\ncode = "never"\nwindows = ["mon-sun 08:00-09:00"]\nholidays = [2026-01-01]\non_holidays = true'


def test_a_calendar_that_never_opens_again_has_no_next_opening():
    plan = '[[plans]]\ncode = "x"\nname = "X"\nrank = 1\nprice_per_month = "1"\ncover_calendar = "never"\n'
    hours = asked(NEVER, plan, plan="x")["hours"]
    assert (hours["open"], hours["next_open"], hours["holiday"]) == (False, None, None)


@pytest.mark.parametrize(
    ("case", "said"),
    [
        ({"work": [{"minutes": 5, "side": "customer"}]}, "side is manufacturer or integrator"),
        ({"work": [{"side": "integrator"}]}, "either ends_at or minutes"),
        (
            {"work": [{"starts_at": "2026-03-03T10:00:00", "ends_at": "2026-03-03T09:00:00"}]},
            "cannot end before it starts",
        ),
        ({"buys": [{"pack": "hours"}]}, "either minutes or incidents"),
    ],
)
def test_a_case_that_contradicts_itself_is_refused(case, said):
    with pytest.raises(DocumentInvalid) as refused:
        asked(**case)
    assert said in str(refused.value.problems[0]).lower() or said in str(refused.value.problems[0])


def test_work_that_ends_before_the_work_ahead_of_it_is_refused():
    with pytest.raises(RuleBroken, match="Work 2 ends before it starts"):
        asked(work=[{"minutes": 60}, {"ends_at": "2026-03-03T17:00:00"}])


def test_an_agreement_that_does_not_fit_is_no_ground_for_a_quote():
    other = parse_agreement(changed(KESSLER, ('currency = "EUR"', 'currency = "USD"')))
    with pytest.raises(DocumentInvalid):
        quote(policy(), other, case_from_values({"opened_at": "2026-03-03T16:30:00"}))


def test_a_quote_reads_as_sentences_with_all_that_is_due():
    case = {
        "title": "Controller replaced",
        "product_line": "DoorController",
        "warranty_from_on": "2026-01-01",
        "subscription": {"months": 12, "seller": "integrator"},
        "plan": "assured",
        "work": [{"minutes": 50}],
    }
    said = printed(quote(policy(), agreement(), case_from_values({"opened_at": "2026-03-03T16:30:00", **case})))
    assert said.startswith("Nordlicht Access service policy: Controller replaced\nPlan assured; work is ")
    assert "Subscription: amount 3480.00." in said
    assert " EUR to integrator: " in said
    left = printed(asked(holdings=[{"pack": "hours"}, {"pack": "calls"}], buys=[{"pack": "calls", "incidents": 1}]))
    assert "Left of hours: 600 min." in left
    assert "Left of calls: 5 incidents." in left
    assert "Purchases: pack calls; count 1; expires on 2027-03-03; amount 500.00; each 100.00." in left


@pytest.mark.parametrize(
    ("bearer", "amounts"),
    [
        ("shares", ("469.80", "1252.80", "93.96", "1315.44")),
        # Without the code 522.00, 1392.00, 104.40 and 1461.60.
        ("manufacturer", ("522.00", "1044.00", "104.40", "1461.60")),
        ("seller", ("174.00", "1392.00", "104.40", "1461.60")),
    ],
)
def test_a_quoted_plan_with_a_code_is_shared_as_the_agreement_says_who_bears_it(bearer, amounts):
    signed = parse_agreement(
        changed(KESSLER, ("[settlement]", f'[selling]\ndiscounts_borne_by = "{bearer}"\n\n[settlement]'))
    )
    case = {"opened_at": "2026-03-03T16:30:00", "plan": "assured"}
    plan = {"months": 12, "seller": "integrator", "discount": "348.00"}
    found = quote(policy(), signed, case_from_values({**case, "subscription": plan}))
    assert found["dues"]["subscription"]["amount"] == "3132.00"
    parties = ("integrator", "manufacturer", "operator", "undetermined")
    assert {each["party"]: each["amount"] for each in found["shares"]} == dict(zip(parties, amounts, strict=True))


def test_a_code_of_more_than_the_plan_is_refused():
    plan = {"months": 1, "discount": "290.01"}
    with pytest.raises(Invalid, match=r"at most the price of the plan, 290\.00 EUR"):
        quote(policy(), agreement(), case_from_values(
            {"opened_at": "2026-03-03T16:30:00", "plan": "assured", "subscription": plan}
        ))  # fmt: skip


FRIDAY = date(2026, 3, 6)


def test_typical_cases_show_what_a_draft_changes():
    signed, draft = policy(), policy(('per_hour = "90.00"', 'per_hour = "91.00"'))
    remote, visit, evening = typical_bills((draft, agreement()), (signed, agreement()), FRIDAY)
    assert remote.title == "Remote help on a Tuesday at 10:00, 50 minutes, without a plan"
    assert (remote.amount, remote.before) != ("", "")
    assert visit.amount > visit.before
    assert evening.title.endswith("with Assured")
    assert sum(Decimal(amount) for _, amount in remote.shares) == Decimal(remote.amount)
    assert remote.sentences
    assert typical_bills((draft, None), None, FRIDAY)[0].before == ""


def test_what_documents_do_not_price_is_said_and_never_zero():
    small = parse_policy(SMALL)
    unpriced = small.model_copy(update={"rates": ()})
    bills = typical_bills((unpriced, None), (small, None), FRIDAY)
    assert [(each.amount, each.before) for each in bills] == [("", "")] * 3
    assert bills[0].refusal == "The policy names no price for remote work, business, support."


def test_a_plan_that_is_new_has_no_price_by_the_documents_in_force():
    new = SMALL + '[[plans]]\ncode = "gold"\nname = "Gold"\nrank = 1\nprice_per_month = "9.00"\n'
    bills = typical_bills((parse_policy(new), None), (parse_policy(SMALL), None), FRIDAY)
    assert [each.before for each in bills] == ["100.00", "275.00", ""]
    assert bills[2].title.endswith("with Gold")
    assert typical_bills((parse_policy(SMALL), None), None, FRIDAY)[2].title.endswith("without a plan")
