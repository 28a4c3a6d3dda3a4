"""Settlement in the browser: the month closed, statements reviewed, contested, prepared and approved, transfers.

Who prepares never approves; what is approved is what was shown: forms carry the statement's content hash.
"""

from portal.web.settlement import (
    contests,
    finance_details,
    first_page,
    holds,
    lines,
    paying,
    periods,
    reconciling,
    self_billing,
    statements,
    tax_forms,
)
from portal.web.settlement.blueprint import blueprint

__all__ = [
    "blueprint",
    "contests",
    "finance_details",
    "first_page",
    "holds",
    "lines",
    "paying",
    "periods",
    "reconciling",
    "self_billing",
    "statements",
    "tax_forms",
]
