"""Keys, steps and states of intents."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from portal.payments import rules
from portal.payments.rules import InvoiceLine, idempotency_key, invoice_request, key_is_fresh, may_move, next_step

AT = datetime(2026, 3, 10, 9, tzinfo=UTC)


def test_a_key_is_the_same_for_the_same_step_and_another_for_every_other():
    keys = [
        idempotency_key(intent, step, number) for intent in "ab" for step in ("invoice", "send") for number in (1, 2)
    ]
    assert len(set(keys)) == 8
    assert idempotency_key("a", "send", 1) == idempotency_key("a", "send", 1)


SAID = [("Invoice", "NOR-I1"), ("Purchase order", "")]


@pytest.mark.parametrize(("hours", "fresh"), [(None, True), (0, True), (19.9, True), (20, False), (48, False)])
def test_a_key_is_used_without_looking_while_stripe_surely_knows_it(hours, fresh):
    sent = None if hours is None else AT - timedelta(hours=hours)
    assert key_is_fresh(sent, AT) is fresh


def test_an_invoice_goes_through_its_steps_in_order_wherever_it_stopped():
    request = invoice_request(
        intent_id="i",
        currency="EUR",
        lines=[InvoiceLine("a", 100), InvoiceLine("b", -40)],
        days_until_due=30,
        said=[("Invoice", "NOR-I1"), ("Purchase order", "P" * 200)],
    )
    progress: dict[str, str] = {}
    seen = []
    while (step := next_step("invoice", request, progress)) is not None:
        seen.append(step)
        progress[step] = "done"
    assert seen == ["customer", "invoice", "lines-0", "finalize", "send"]
    assert [len(rules.lines_of_step(step, request["items"])) for step in seen] == [0, 0, 2, 0, 0]
    assert len(request["invoice"]["custom_fields"][1]["value"]) == 140
    assert "custom_fields" in request["invoice"]


def test_many_lines_go_in_as_few_calls_as_may_be_each_line_once():
    lines = [InvoiceLine(f"Line {number}", number) for number in range(1, 251)]
    request = invoice_request(
        intent_id="i",
        currency="EUR",
        lines=lines,
        days_until_due=30,
        said=SAID,
    )
    steps = [step for step in rules.invoice_steps(request) if step.startswith("lines-")]
    assert steps == ["lines-0", "lines-100", "lines-200"]
    added = [item for step in steps for item in rules.lines_of_step(step, request["items"])]
    assert added == request["items"]


def test_an_invoice_names_a_purchase_order_only_when_there_is_one():
    lines = [InvoiceLine("a", 100)]
    request = invoice_request(
        intent_id="i",
        currency="EUR",
        lines=lines,
        days_until_due=30,
        said=SAID,
    )
    assert request["invoice"]["custom_fields"] == [{"name": "Invoice", "value": "NOR-I1"}]


@pytest.mark.parametrize("kind", ["account", "customer", "transfer", "out_of_band"])
def test_every_other_intent_is_one_step(kind):
    assert next_step(kind, {}, {}) == kind
    assert next_step(kind, {}, {"object": "x"}) is None


@pytest.mark.parametrize("ended", [rules.SUCCEEDED, rules.CANCELLED])
def test_what_has_ended_well_or_was_cancelled_stays_so(ended):
    assert not any(may_move(ended, state) for state in (*rules.UNFINISHED, rules.FAILED))


def test_what_failed_is_looked_up_before_it_can_be_sent():
    assert may_move(rules.FAILED, rules.UNKNOWN)
    assert not may_move(rules.FAILED, rules.SENT)


def test_a_payment_is_what_arrived_and_its_fee():
    assert rules.cash_legs_minor(12_550, 394) == (12_156, 394)


def test_a_customer_without_an_address_is_registered_without_one():
    assert "email" not in rules.customer_request(intent_id="i", name="Klinikum", email="")
    assert rules.customer_request(intent_id="i", name="Klinikum", email="a@b.example")["email"] == "a@b.example"


@pytest.mark.parametrize(
    ("text", "ours"), [("", False), ("order 7", False), ("8a2c4e6e-0000-4000-8000-000000000000", True)]
)
def test_only_an_intents_id_is_taken_for_one(text, ours):
    assert rules.is_uuid(text) is ours
