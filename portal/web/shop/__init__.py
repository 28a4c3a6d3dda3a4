"""Pages of buying: what a site can buy, the order with the policy, what was bought, offers, exemption certificates.

Promises: nothing is ordered by looking; the price and the policy that are accepted stand on the page; paying happens at
Stripe's page only, whose address is never stored in a link.

``catalogue`` shows and orders, ``codes`` counts what codes are tried, ``bought`` is what came of it, ``changing``
another plan instead, ``ending`` a plan ended at once, ``offers`` are both sides of an offer, ``promotions`` are the
manufacturer's codes, ``exemptions`` are certificates; ``paying`` leads to Stripe.
"""

from portal.web.shop import bought, catalogue, changing, ending, exemptions, offers, promotions
from portal.web.shop.blueprint import blueprint

__all__ = ["blueprint", "bought", "catalogue", "changing", "ending", "exemptions", "offers", "promotions"]
