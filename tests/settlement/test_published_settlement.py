"""Published cases of settling: a claw-back beyond what was earned, and the provider's fee on money that went back."""

from __future__ import annotations

import json
from pathlib import Path

from portal.contracts.agreement import Settlement
from portal.payments.rules import cash_legs_minor
from portal.settlement.rules import CARRIED, TRANSFERRED, Terms, by_kind, plan_parts

PUBLISHED = json.loads((Path(__file__).parents[1] / "vectors" / "money_vectors.json").read_text(encoding="utf-8"))
VECTORS = {vector["id"]: vector for vector in PUBLISHED["vectors"]}


def test_a_claw_back_beyond_what_was_earned_is_carried_and_nothing_is_paid():
    given, expected = VECTORS["settle-001"]["input"], VECTORS["settle-001"]["expected"]
    net = given["earned"] - given["clawback"]
    terms = Terms(carry_minor=given["clawback"])
    kinds = by_kind(plan_parts(net, {}, terms, account_state="active", is_operator=False))
    assert kinds == {CARRIED: expected["balance"]}
    assert kinds.get(TRANSFERRED, 0) == expected["payable"]


def test_the_providers_fee_does_not_come_back_with_a_refund():
    given, expected = VECTORS["settle-002"]["input"], VECTORS["settle-002"]["expected"]
    reached, fee = cash_legs_minor(given["charge"], given["fee"])
    assert given["refund"] - reached == fee == expected["platform_loss_minor"]
    assert Settlement().stripe_fees_borne_by == "operator"
