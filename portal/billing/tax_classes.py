"""The tax classes of what is invoiced, by the policy that each thing was billed or sold under."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.billing.models import BillItem, BillLine, PlanSale
from portal.billing.packs.models import PackSale
from portal.contracts.policy import Policy
from portal.contracts.queries import policies_of
from portal.contracts.tax_codes import class_of_line, code_of, code_of_sold
from portal.entitlement.models import UsageGrant
from portal.payments.rules import TaxClass
from portal.rows import Fact

Classes = tuple[TaxClass, ...]


def classes_of(session: Session, items: Sequence[Any]) -> dict[str, Classes]:
    """The classes of bill items, plans' months and packs, by the names that invoices give them.

    What is not there, such as a supplement, is of the account's own class.
    """
    months = [item for item in items if isinstance(item, PlanSale)]
    packs = [item for item in items if isinstance(item, PackSale)]
    versions = _versions(session, [item.id for item in items if isinstance(item, Fact)])
    sold_under = {*(sale.policy_version_id for sale in months), *(sale.policy_version_id for sale in packs)}
    policies = policies_of(session, {*versions.values(), *sold_under})
    if not any(_names_some(policy) for policy in policies.values()):
        return {}
    grants = dict(
        session.execute(
            select(UsageGrant.id, UsageGrant.pack_code).where(UsageGrant.id.in_([sale.grant_id for sale in packs]))
        )
        .tuples()
        .all()
    )
    found = _of_items(session, versions, policies)
    for sale in months:
        policy = policies[sale.policy_version_id]
        plan = next((each for each in policy.plans if each.code == sale.plan_code), None)
        found[f"plan_sale-{sale.id}"] = (TaxClass(code_of_sold(policy.tax_codes, plan)),)
    for sold in packs:
        policy = policies[sold.policy_version_id]
        pack = next((each for each in policy.packs if each.code == grants.get(sold.grant_id)), None)
        found[f"pack_sale-{sold.id}"] = (TaxClass(code_of_sold(policy.tax_codes, pack)),)
    return found


def _versions(session: Session, item_ids: Sequence[int]) -> dict[int, int]:
    rows = select(BillItem.id, BillItem.policy_version_id).where(BillItem.id.in_(item_ids))
    return dict(session.execute(rows).tuples().all())


def _names_some(policy: Policy) -> bool:
    own = (*(plan.tax_code for plan in policy.plans), *(pack.tax_code for pack in policy.packs))
    return policy.tax_codes is not None or any(own)


def _of_items(session: Session, versions: Mapping[int, int], policies: Mapping[int, Policy]) -> dict[str, Classes]:
    """Of each bill item its classes by what the payer pays of each, one where they have the same code."""
    sums: defaultdict[int, dict[str, TaxClass]] = defaultdict(dict)
    rows = session.execute(
        select(BillLine.bill_item_id, BillLine.kind, BillLine.mode, func.sum(BillLine.amount_minor))
        .where(BillLine.bill_item_id.in_(versions), BillLine.bearer == "payer")
        .group_by(BillLine.bill_item_id, BillLine.kind, BillLine.mode)
        .order_by(BillLine.bill_item_id, func.min(BillLine.position))
    ).tuples()
    for item_id, kind, mode, minor in rows:
        named = class_of_line(kind, mode)
        code = code_of(policies[versions[item_id]].tax_codes, named)
        known = sums[item_id].get(code)
        sums[item_id][code] = TaxClass(
            code, int(minor) + (known.weight_minor if known else 0), known.name if known else named
        )
    return {f"bill_item-{item_id}": tuple(by_code.values()) for item_id, by_code in sums.items()}
