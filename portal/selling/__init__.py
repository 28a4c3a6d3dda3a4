"""Selling plans and packs: offers, orders paid at Stripe's checkout or collected by the integrator, what came of them.

Promises: a buyer accepts the policy by its hash together with the price; a site's integrator sees every offer before
its customer and is never sold around without a share; money that arrives is the customer's (prepaid) until the sale it
is for is recorded, once, whatever order and number of events tell of it; sales tax is a leg of its own, never shared. A
plan that is paid by subscription is followed by another one from its next period on, or gives way to a dearer one at
once, for what was shown to the cent and not before that is paid; one that is ended at once gives back what was shown,
once, and only when Stripe has ended it.

Where things are, in ``rules`` (pure): ``catalogue`` what a policy sells; ``covering`` what covers a case now;
``steps`` how a purchase stands; ``promotions`` what a code takes off; ``changing`` to which plans a subscription may
be changed; ``ending`` when it may be ended at once; ``handing_over`` who sells a plan on; ``terms`` minimum terms and
what leaving early owes.

In ``actions``, the only writers. What people do: ``offering`` makes, passes on and ends offers; ``ordering`` orders
from the catalogue; ``accepting`` orders what was offered; ``promoting`` makes codes and counts their uses,
``guessing`` counts codes that were only tried; ``changing`` changes a running plan; ``ending`` cancels one, and gives
up those that were not paid; ``ending_now`` ends one at once and returns what is left of what was paid; ``exempting``
keeps certificates of tax exemption. What jobs do: ``following`` makes a
sale of what payments learned of Stripe; ``charging`` sells what a plan left within its minimum term still owes;
``handing_over`` has plans go on with who services their site by now.

Beside them: ``covering`` is what would cover a case now, for its page; ``leaving`` the plans that were left early,
which finance may let go; ``waiting`` money of which no sale could be made; ``sellers`` who sold a site's plans and
sells them on; ``queries`` are for pages.

Neighbours: payments plans and follows the checkout and knows nothing of what it is for; entitlement grants packs,
billing posts what was sold and shares it; settlement stands above and reads the books only. A package of its own, and
not part of billing, because an order exists before anything is billed, and most of what can go wrong happens then.
"""
