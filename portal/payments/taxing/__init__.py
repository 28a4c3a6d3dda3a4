"""Tax on invoices: asked of Stripe with the invoice, reckoned there when it is numbered, kept and posted here.

Promises: an invoice is never numbered while Stripe cannot place its payer, it waits with a sentence that says how to
mend it; what Stripe reckoned is kept line by line once, sums to what the invoice asks beyond its net, and is posted to
the tax account by itself in the transaction that learns of it.

``rules`` make the requests, ``finalizing`` looks before it numbers, ``booking`` keeps and posts, ``locating`` is the
payer's address and who waits for one. Apart from the other modules, because without the switch nothing of it is used.
"""
