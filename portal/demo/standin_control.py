"""What people do at Stripe in the demonstration: onboard, pay, take a payment back.

The stand-in's control address does it. The only part that knows the other side is a stand-in; the portal's own code
cannot tell.
"""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from portal.errors import ProviderTrouble

ANSWER_SECONDS = 20


@dataclass(frozen=True)
class StandIn:
    """The stand-in at ``base_url``."""

    base_url: str

    def set_clock(self, now: datetime) -> None:
        """Have it be ``now`` there."""
        self._post("/clock", {"now": int(now.timestamp())})

    def fund(self, amount_minor: int, currency: str) -> None:
        """The operator's own money on the platform's balance."""
        self._post("/balance", {"fund": amount_minor, "currency": currency.lower()})

    def complete_onboarding(self, account_id: str) -> None:
        """Somebody fills in what Stripe asks."""
        self._post(f"/accounts/{account_id}/onboarding", {})

    def pay_invoice(self, invoice_id: str) -> None:
        """Somebody pays by card."""
        self._post(f"/invoices/{invoice_id}/payment", {"method": "card", "outcome": "succeeded"})

    def pay_checkout(self, session_id: str) -> None:
        """Somebody pays at the checkout's page."""
        self._post(f"/checkout/{session_id}/payment", {"method": "card"})

    def dispute(self, charge_id: str) -> None:
        """The payer's bank takes a payment back."""
        self._post(f"/charges/{charge_id}/dispute", {"reason": "product_not_received"})

    def _post(self, path: str, body: dict[str, Any]) -> None:
        connection = http.client.HTTPConnection(urlsplit(self.base_url).netloc, timeout=ANSWER_SECONDS)
        try:
            sent = json.dumps(body).encode()
            connection.request("POST", f"/_control{path}", sent, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            said = answer.read().decode()
        finally:
            connection.close()
        if answer.status != 200:
            raise ProviderTrouble(f"The stand-in refused {path}: {said}")
