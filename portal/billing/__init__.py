"""From a closed case to a bill item, its shares, invoice and cash.

Promises: every billing cut gets exactly one bill item, of zero where free; shares sum to it; every line keeps its
explanation as data; what was billed is never changed, it is taken back and billed again.

How it goes: ``facts`` gathers what a case is billed from, ``rating`` turns it into lines, ``splitting`` into shares;
``actions`` store and post them; ``preview`` shows the same before the act; ``reading`` is what pages read; ``books``
checks all of it against the ledger. Where the customer and the integrator both pay for work of one case, each has a cut
and an item of its own, so that neither reads the other's prices.

Why the difference to earlier cuts and not the work since: rounding and minimums hold for the case as a whole, so that
a case billed in three months costs what it would have cost at once. Why shares can be replaced without the item: who
resolved a case may be settled long after its customer has paid. Why cash is computed from all receipts and what is
missing is added: a repeated job, a late credit and a decided challenge then all come to the same.

A plan's price is a debt from the first day of its month and revenue only as its minutes are used and its month passes
(``actions.plans``): what is shared as use is never more than was sold. A plan that is changed at once gives back the
rest of its month, and the plan in its place is sold for that and for what the change charged (``actions.changed``): the
months of such a term come to what its bills ask, to the cent.

Neighbours: cases and metering enqueue ``bill_cut``, ``rebill``, ``settle_shares``, ``time_changed``; payments books
cash and enqueues ``apply_cash``; settlement calls ``cut_period_end`` and ``gather_invoices`` and reads payable
postings, whose document is the share.
"""
