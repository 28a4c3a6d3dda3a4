"""Stripe as the portal uses it: one class of calls, put together from one module a subject.

``connection`` is the only module that knows the stripe package; the subjects take its client and give ``provider``'s
values. The classes of the subjects are parts of ``Gateway`` and nothing else: everybody uses ``Gateway``.
"""

from __future__ import annotations

from dataclasses import replace

from portal.payments.gateway.accounts import Accounts
from portal.payments.gateway.books import Books
from portal.payments.gateway.buying import Buying
from portal.payments.gateway.connection import API_VERSION, open_client, read_event
from portal.payments.gateway.invoices import Invoices
from portal.payments.gateway.refunds import Refunds
from portal.payments.gateway.transfers import Transfers

__all__ = ["API_VERSION", "Gateway", "connect", "read_event"]


class Gateway(Accounts, Invoices, Buying, Transfers, Refunds, Books):
    """Every call the portal makes."""

    def for_page(self) -> Gateway:
        """The same, giving up while somebody still waits for the page."""
        return replace(self, client=self.hosted)


def connect(secret_key: str | None, api_base: str | None = None, *, livemode: bool = False) -> Gateway:
    """A gateway with the deployment's key; ``api_base`` None means Stripe itself.

    *Raises*: Misconfigured without a key, or when the package speaks another version than the calls were written for.
    """
    patient = open_client(secret_key, api_base, patient=True)
    return Gateway(patient, open_client(secret_key, api_base, patient=False), livemode)
