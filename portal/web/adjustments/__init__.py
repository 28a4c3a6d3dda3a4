"""Money that goes back, in the browser: refunds, credits and gifts, what they take from whom, chargebacks, evidence.

What somebody would lose is shown before the act; shares show to those who may see them; the payer sees what it gets.
"""

from portal.web.adjustments import asking, chargebacks, claw_backs, first_page, payments, reading, waiting
from portal.web.adjustments.blueprint import blueprint

__all__ = ["asking", "blueprint", "chargebacks", "claw_backs", "first_page", "payments", "reading", "waiting"]
