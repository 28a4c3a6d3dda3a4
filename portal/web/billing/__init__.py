"""Bills in the browser: invoices and payments, bill items and what explains them, what is owed, what is unbilled.

A customer reads what it pays; shares show to those who may see them. Every amount leads to what made it.
"""

from portal.web.billing import addresses, invoices, items, orders, overviews, supplements
from portal.web.billing.blueprint import blueprint

__all__ = ["addresses", "blueprint", "invoices", "items", "orders", "overviews", "supplements"]
