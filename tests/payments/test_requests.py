"""What is asked of Stripe: each request names its intent, so that its effect is found again; steps in their order."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from portal.payments import rules


@pytest.mark.parametrize(
    ("request_of", "asked"),
    [
        (
            lambda: rules.account_request(intent_id="i", name="Kessler", email="a@b.example", country="DE"),
            {"display_name": "Kessler", "identity": {"country": "de", "entity_type": "company"}},
        ),
        (lambda: rules.customer_request(intent_id="i", name="Klinikum", email=""), {"name": "Klinikum"}),
        (
            lambda: rules.portal_configuration_request(intent_id="i"),
            {
                "features": {
                    "invoice_history": {"enabled": True},
                    "payment_method_update": {"enabled": True},
                    "subscription_cancel": {"enabled": False},
                }
            },
        ),
        (
            lambda: rules.transfer_request(
                intent_id="i", amount_minor=500, currency="EUR", destination="acct_1", group="S-1", description="March"
            ),
            {"amount": 500, "currency": "eur", "destination": "acct_1", "transfer_group": "S-1"},
        ),
        (
            lambda: rules.reversal_request(intent_id="i", amount_minor=200, description="Corrected"),
            {"amount": 200, "description": "Corrected"},
        ),
        (
            lambda: rules.refund_request(intent_id="i", charge_id="ch_1", amount_minor=300),
            {"amount": 300, "charge": "ch_1"},
        ),
        (
            lambda: rules.credit_note_request(intent_id="i", amount_minor=100, memo="Goodwill"),
            {"amount": 100, "memo": "Goodwill"},
        ),
    ],
)
def test_a_request_says_what_is_wanted_and_names_its_intent(request_of, asked):
    request = request_of()
    assert {name: request[name] for name in asked} == asked
    assert request["metadata"] == {"intent_id": "i"}


@pytest.mark.parametrize(
    ("kind", "request_", "steps"),
    [
        ("transfer", {}, ["transfer"]),
        ("checkout", {"tax_status": None}, ["customer", "checkout"]),
        ("checkout", {"tax_status": "exempt"}, ["customer", "tax_status", "checkout"]),
        ("checkout", {"tax_status": "none", "coupon": {}}, ["customer", "tax_status", "coupon", "checkout"]),
        ("evidence", {}, list(rules.EVIDENCE_STEPS)),
        ("plan_change", {}, ["product", "plan_change"]),
    ],
)
def test_an_intent_goes_through_its_steps_once_each(kind, request_, steps):
    progress: dict[str, Any] = {}
    seen = []
    while (step := rules.next_step(kind, request_, progress)) is not None:
        seen.append(step)
        progress["object" if kind == "transfer" else step] = "done"
    assert seen == steps


@pytest.mark.parametrize(
    ("status", "steps"),
    [
        ("needs_response", (rules.OPENED,)),
        ("warning_closed", (rules.INQUIRY, rules.CLOSED)),
        ("lost", (rules.OPENED, rules.LOST)),
        ("a_status_of_tomorrow", ()),
    ],
)
def test_of_a_dispute_only_what_is_certain_is_told(status, steps):
    assert rules.dispute_steps(status) == steps


@pytest.mark.parametrize(("number", "document"), [(1, "3:7"), (2, "3:7:2"), (11, "3:7:11")])
def test_each_customer_of_a_payer_has_an_intent_of_its_own(number, document):
    assert rules.customer_document(3, 7, number) == document
    assert rules.customer_number(document) == number


@pytest.mark.parametrize(
    ("code", "sentence", "customer", "lost"),
    [
        ("resource_missing", "Stripe refused: No such customer: 'cus_1'", "cus_1", True),
        ("resource_missing", "Stripe refused: No such invoice: 'in_1'", "cus_1", False),
        ("resource_missing", "Stripe refused: No such customer: 'cus_1'", None, False),
        ("parameter_invalid", "Stripe refused: 'cus_1' is bad", "cus_1", False),
    ],
)
def test_a_refusal_that_names_the_customer_says_that_it_is_gone(code, sentence, customer, lost):
    assert rules.names_lost_customer(code, sentence, customer) is lost


AT = datetime(2026, 4, 11, 9, 30, 15, 900_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("change", "said", "at_once"),
    [
        (
            rules.change_at_once(AT),
            {
                "proration_behavior": "always_invoice",
                "proration_date": 1_775_899_815,
                "payment_behavior": "error_if_incomplete",
            },
            True,
        ),
        (rules.change_with_period(AT, other_interval=False), {"proration_behavior": "none"}, False),
        (
            rules.change_with_period(AT, other_interval=True),
            {"proration_behavior": "none", "trial_end": 1_775_899_815},
            False,
        ),
    ],
)
def test_a_change_of_plan_says_when_and_whether_it_is_charged(change, said, at_once):
    assert change == said
    assert rules.is_at_once({"change": change}) is at_once
    assert rules.is_at_once({}) is False
