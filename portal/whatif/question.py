"""What is asked: which documents instead of the signed ones, over which cases."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from portal.contracts.agreement import Agreement
from portal.contracts.policy import Policy
from portal.entitlement.queries import Terms
from portal.errors import RuleBroken


@dataclass(frozen=True)
class Question:
    """A draft over the cases of a partnership that were billed from ``from_at`` until before ``until_at``.

    Without an integrator every partnership of the manufacturer is meant; a document that is None is the signed one of
    each case.
    """

    manufacturer_id: int
    from_at: datetime
    until_at: datetime
    integrator_id: int | None = None
    policy: Policy | None = None
    agreement: Agreement | None = None

    def __post_init__(self) -> None:
        if self.until_at <= self.from_at:
            raise RuleBroken("The period ends before it begins.")
        if self.agreement is not None and self.integrator_id is None:
            raise RuleBroken("An agreement is with one integrator: name it.")

    def terms(self, signed: Terms) -> Terms:
        """The documents that a case is rated by instead of its signed ones."""
        return Terms(
            signed.policy_version_id,
            self.policy or signed.policy,
            signed.agreement_version_id,
            self.agreement or signed.agreement,
        )
