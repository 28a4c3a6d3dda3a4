"""Payers that Stripe no longer has: what was lost with them is recorded, and the next intent makes them known anew.

Promises: nothing that is owed is lost, because invoices and bills are the portal's and stand for the next customer as
for the old one; a payer has one customer at Stripe at a time.

``models`` is the end of a customer, ``losing`` writes and reads it. Apart from the other tables, which are of money.
"""
