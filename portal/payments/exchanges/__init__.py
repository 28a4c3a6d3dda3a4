"""Money that was asked for in one currency and settled in another: two linked transactions, one in each ledger.

Promises: each of the two sums to zero in its own currency; the row that links them keeps Stripe's amounts and rate, and
the books are checked against both; no figure adds two currencies.

``legs`` is the arithmetic, ``booking`` posts and links, ``reading`` leads from one transaction to the other and says
what was gained or lost, ``books`` is what the check of all books asks.
"""
