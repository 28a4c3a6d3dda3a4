"""Connected accounts and payers at Stripe."""

from __future__ import annotations

from typing import Any, cast

from portal.payments.gateway.connection import PAGE_SIZE, Connection, Request, answers, keyed, meta, plain
from portal.payments.provider import AccountState, Refused

ACCOUNT_INCLUDES = ["configuration.recipient", "requirements"]


class Accounts(Connection):
    """Calls about connected accounts and customers."""

    def create_account(self, request: Request, key: str) -> AccountState:
        """A connected account by Accounts v2."""
        with answers():
            wanted = {**request, "include": ACCOUNT_INCLUDES}
            return _account(self.client.v2.core.accounts.create(cast(Any, wanted), keyed(key)))

    def retrieve_account(self, account_id: str) -> AccountState:
        """The account as it is now."""
        with answers():
            wanted = cast(Any, {"include": ACCOUNT_INCLUDES})
            return _account(self.client.v2.core.accounts.retrieve(account_id, wanted))

    def find_account(self, intent_id: str) -> AccountState | None:
        """The account made for an intent."""
        with answers():
            for found in self.client.v2.core.accounts.list(cast(Any, {"limit": PAGE_SIZE})).auto_paging_iter():
                if meta(plain(found), "intent_id") == intent_id:
                    return _account(found)
        return None

    def onboarding_link(self, account_id: str, refresh_url: str, return_url: str) -> str:
        """A single-use address, good for minutes: never stored."""
        use_case = {
            "type": "account_onboarding",
            "account_onboarding": {"refresh_url": refresh_url, "return_url": return_url},
        }
        with answers():
            link = self.hosted.v2.core.account_links.create(cast(Any, {"account": account_id, "use_case": use_case}))
            return str(link.url)

    def create_customer(self, request: Request, key: str) -> str:
        """A payer; its id."""
        with answers():
            return str(self.client.v1.customers.create(cast(Any, request), keyed(key)).id)

    def find_customer(self, intent_id: str) -> str | None:
        """The customer made for an intent; search lags a minute, so this is for late retries only."""
        with answers():
            found = self.client.v1.customers.search(cast(Any, {"query": f"metadata['intent_id']:'{intent_id}'"}))
            return str(found.data[0].id) if found.data else None

    def has_customer(self, customer_id: str) -> bool:
        """Whether Stripe still has a customer: one that was deleted is shown as such, or not at all."""
        try:
            with answers():
                found = self.client.v1.customers.retrieve(customer_id)
        except Refused as refusal:
            if refusal.code != "resource_missing":
                raise
            return False
        return not plain(found).get("deleted")


def _account(found: Any) -> AccountState:
    body = plain(found)
    recipient = (body.get("configuration") or {}).get("recipient") or {}
    balance = (recipient.get("capabilities") or {}).get("stripe_balance") or {}
    entries = (body.get("requirements") or {}).get("entries") or []
    return AccountState(
        id=str(body["id"]),
        transfers_state=str((balance.get("stripe_transfers") or {}).get("status") or "pending"),
        requirements=tuple(sorted({str(entry.get("description")) for entry in entries})),
        intent_id=meta(body, "intent_id"),
        livemode=bool(body.get("livemode")),
    )
