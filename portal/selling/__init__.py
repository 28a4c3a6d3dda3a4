"""Selling plans and packs: offers, orders paid at Stripe's checkout or collected by the integrator, what came of them.

Promises: a buyer accepts the policy by its hash together with the price; a site's integrator sees every offer before
its customer and is never sold around without a share; money that arrives is the customer's (prepaid) until the sale it
is for is recorded, once, whatever order and number of events tell of it; sales tax is a leg of its own, never shared. A
plan that is paid by subscription is followed by another one from its next period on, or gives way to a dearer one at
once, for what was shown to the cent and not before that is paid.

How it goes: ``rules`` say what may be offered, what covers a case now, and which steps a purchase takes; ``offering``,
``ordering``, ``accepting`` and ``changing`` write what people do; ``following`` is the job that turns what payments
learned of Stripe into a sale; ``covering`` is what would cover a case now; ``promoting`` makes codes and counts their
uses; ``ending`` gives up plans that were cancelled or not paid; ``waiting`` is money of which no sale could be made,
``leaving`` plans that were ended at Stripe within their minimum term; ``exempting`` keeps certificates; ``queries`` are
for pages.

Neighbours: payments plans and follows the checkout and knows nothing of what it is for; entitlement grants packs,
billing posts what was sold and shares it; settlement stands above and reads the books only. A package of its own, and
not part of billing, because an order exists before anything is billed, and most of what can go wrong happens then.
"""
