"""Pages of plans: what a customer has chosen and has left, and the payer's yes.

Promises: nothing is authorized by looking; a policy is accepted by the hash that was shown; what a request costs stands
beside its button.

``authorizations`` and ``mailed`` answer requests, signed in or by a mailed link; ``choosing`` compares and chooses
plans; ``burning`` shows how hours were used; ``standing`` is the yes in advance; ``first_page`` is the buyer's part of
Today.
"""

from portal.web.plans import authorizations, burning, choosing, first_page, mailed, standing
from portal.web.plans.blueprint import blueprint

__all__ = ["authorizations", "blueprint", "burning", "choosing", "first_page", "mailed", "standing"]
