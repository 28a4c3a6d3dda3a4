"""Which service the customer has bought for the case, and what work at its opening would cost."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from portal.contracts.agreement import Agreement
from portal.contracts.policy import Policy
from portal.contracts.rules import plan_named
from portal.quoting.case_input import CaseInput
from portal.quoting.facts import case_facts, instant
from portal.rating.policies import compile_tariff
from portal.rating.preview import preview


def coverage(policy: Policy, agreement: Agreement | None, case: CaseInput) -> dict[str, Any]:
    """The plan, what work would be (billed, free, under warranty), on whose bill, in which band."""
    mode = case.work[0].mode.value if case.work else "remote"
    shown = preview(
        replace(case_facts(policy, case), opened_at=None),
        (),
        (),
        compile_tariff(policy, product_line=case.product_line, agreement=agreement),
        at=instant(policy.zone, case.opened_at),
        mode=mode,
        task_class=case.task_class.value,
    )
    plan = plan_named(policy, case.plan)
    return {
        "plan": plan.code,
        "kind": shown.kind,
        "payer": shown.bill.payer,
        "collector": shown.bill.collector,
        "seller_of_record": shown.bill.seller,
        "band": shown.band,
        "can_cost": shown.costs_from_seconds is not None,
    }
