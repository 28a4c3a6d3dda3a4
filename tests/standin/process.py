"""The stand-in for Stripe as a real process of its own, and a client of its control API.

    with running_standin(tmp_path / "standin.db") as standin:
        client = standin.client()                      # a stripe.StripeClient with all its bases pointed here
        standin.control.fault("lose_answer", method="POST", path="/v1/transfers")

Nothing sleeps: ``drain`` and ``wait_until_held`` block in the stand-in until what they name has happened.
"""

import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import stripe

KEY = "sk_test_standin_tests"
WEBHOOK_SECRET = "whsec_tests"
THIN_WEBHOOK_SECRET = "whsec_tests_thin"
STOP_SECONDS = 10
ANSWER_SECONDS = 90


class ControlError(AssertionError):
    """The control API refused; a test asked for something that cannot be."""


class Control:
    """The control API, one method per thing a test does."""

    def __init__(self, base_url: str) -> None:
        self._host = urlsplit(base_url).netloc

    def request(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        connection = http.client.HTTPConnection(self._host, timeout=ANSWER_SECONDS)
        try:
            sent = json.dumps(body or {}).encode() if method == "POST" else None
            connection.request(method, f"/_control{path}", sent, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            decoded = json.loads(answer.read())
        finally:
            connection.close()
        if answer.status != 200:
            raise ControlError(f"{method} {path}: {answer.status} {decoded}")
        return decoded

    def fault(self, kind: str, **details: Any) -> None:
        """See portal/standin/faults.py for the kinds; details: method, path (patterns), times, seconds, execute."""
        self.request("POST", "/faults", {"kind": kind, **details})

    def clear_faults(self) -> None:
        self.request("DELETE", "/faults")

    def wait_until_held(self, *, calls: int = 1, seconds: float = 10) -> None:
        if not self.request("POST", "/faults/wait", {"calls": calls, "seconds": seconds})["held"]:
            raise ControlError(f"no call was held within {seconds} s")

    def release_held_calls(self) -> int:
        return int(self.request("POST", "/faults/release")["released"])

    def expire_keys(self) -> int:
        return int(self.request("POST", "/keys/expire")["forgotten"])

    def endpoints(self, *, webhook_url: str | None = None, thin_webhook_url: str | None = None) -> None:
        """Where events go from now on; the secrets stay those it was started with."""
        body = {"snapshot": {"url": webhook_url}, "thin": {"url": thin_webhook_url}}
        self.request("POST", "/endpoints", {key: value for key, value in body.items() if value["url"] is not None})

    def secrets(self, *, snapshot: list[str] | None = None, thin: list[str] | None = None) -> None:
        for name, secrets in (("snapshot", snapshot), ("thin", thin)):
            if secrets is not None:
                self.request("POST", "/endpoints", {name: {"secrets": secrets}})

    def hold_deliveries(self) -> None:
        self.request("POST", "/deliveries/policy", {"held": True})

    def release_deliveries(self, *, newest_first: bool = False, copies: int = 1) -> int:
        order = "newest_first" if newest_first else "oldest_first"
        return int(self.request("POST", "/deliveries/release", {"order": order, "copies": copies})["released"])

    def delivery_policy(self, **policy: Any) -> None:
        """held, copies (each event so often), automatic (False: only drain delivers)."""
        self.request("POST", "/deliveries/policy", policy)

    def drain(self, *, seconds: float = 10, attempts: int = 1) -> dict[str, int]:
        """Deliver all that is not held, now, retries without their pauses; the counts afterwards."""
        found: dict[str, int] = self.request("POST", "/deliveries/drain", {"seconds": seconds, "attempts": attempts})
        return found

    def deliveries(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.request("GET", "/deliveries")["deliveries"]
        return found

    def redeliver(self, event_id: str) -> None:
        self.request("POST", f"/events/{event_id}/redelivery")

    def complete_onboarding(self, account_id: str) -> None:
        self.request("POST", f"/accounts/{account_id}/onboarding")

    def set_capability(self, account_id: str, status: str) -> None:
        self.request("POST", f"/accounts/{account_id}/capability", {"status": status})

    def pay_invoice(self, invoice_id: str, *, method: str = "card", outcome: str = "succeeded") -> dict[str, Any]:
        body = {"method": method, "outcome": outcome}
        found: dict[str, Any] = self.request("POST", f"/invoices/{invoice_id}/payment", body)
        return found

    def pay_session(self, session_id: str, *, method: str = "card") -> dict[str, Any]:
        """``method``: card, card_declined, bank (at once), bank_debit or bank_debit_fails (by the clock)."""
        found: dict[str, Any] = self.request("POST", f"/checkout/{session_id}/payment", {"method": method})
        return found

    def pay_renewals_by(self, subscription_id: str, method: str) -> None:
        self.request("POST", f"/subscriptions/{subscription_id}/method", {"method": method})

    def settle_refund(self, refund_id: str) -> None:
        self.request("POST", f"/refunds/{refund_id}/settlement")

    def fail_refund(self, refund_id: str) -> None:
        self.request("POST", f"/refunds/{refund_id}/failure")

    def dispute(self, charge_id: str, **details: Any) -> str:
        """The dispute's id; details: amount, reason, inquiry."""
        return str(self.request("POST", f"/charges/{charge_id}/dispute", details)["id"])

    def escalate(self, dispute_id: str) -> None:
        self.request("POST", f"/disputes/{dispute_id}/escalation")

    def decide(self, dispute_id: str, outcome: str) -> None:
        """won, lost or warning_closed."""
        self.request("POST", f"/disputes/{dispute_id}/outcome", {"outcome": outcome})

    def warn_of_fraud(self, charge_id: str) -> str:
        return str(self.request("POST", f"/charges/{charge_id}/fraud-warning")["id"])

    def fail_payout(self, payout_id: str) -> None:
        self.request("POST", f"/payouts/{payout_id}/failure")

    def fund(self, amount_minor: int, currency: str = "usd") -> None:
        self.request("POST", "/balance", {"fund": amount_minor, "currency": currency})

    def set_available(self, amount_minor: int, currency: str = "usd") -> None:
        self.request("POST", "/balance", {"available": amount_minor, "currency": currency})

    def exchange(self, presented: str, settled: str, rate: str) -> None:
        """Charges in one currency settle in the other from now on; the rate is between their smallest units."""
        self.request("POST", "/exchange", {"presented": presented, "settled": settled, "rate": rate})

    def tax_rates(self, *rates: dict[str, object]) -> None:
        """What is taxed at which rate from now on, by country and tax code."""
        self.request("POST", "/tax-rates", {"rates": list(rates)})

    def pay_out(self, account_id: str, amount_minor: int | None = None) -> None:
        self.request("POST", f"/accounts/{account_id}/payout", {"amount": amount_minor})

    def available_after(self, seconds: int) -> None:
        self.request("POST", "/settings", {"available_after_seconds": seconds})

    def advance_clock(self, seconds: int) -> int:
        return int(self.request("POST", "/clock", {"advance_seconds": seconds})["now"])

    def set_clock(self, now: int) -> int:
        return int(self.request("POST", "/clock", {"now": now})["now"])

    def calls(self, **narrowed: str) -> list[dict[str, Any]]:
        """Oldest first; narrowed by method, path (a prefix) or idempotency_key."""
        found: list[dict[str, Any]] = self.request("GET", f"/calls?{urlencode(narrowed)}")["calls"]
        return found

    def counters(self) -> dict[str, int]:
        found: dict[str, int] = self.request("GET", "/counters")
        return found

    def reset(self) -> None:
        """Forget everything but the endpoints."""
        self.request("POST", "/reset")


@dataclass(frozen=True)
class Standin:
    base_url: str
    key: str
    webhook_secret: str
    thin_webhook_secret: str
    control: Control
    process: subprocess.Popen[str]

    def client(
        self, *, key: str | None = None, max_network_retries: int = 0, seconds: float = 20
    ) -> stripe.StripeClient:
        """A StripeClient that reaches nothing but this stand-in."""
        stripe.enable_telemetry = False
        return stripe.StripeClient(
            key or self.key,
            base_addresses={
                "api": self.base_url,
                "connect": self.base_url,
                "files": self.base_url,
                "meter_events": self.base_url,
            },
            max_network_retries=max_network_retries,
            http_client=stripe.RequestsClient(timeout=seconds),
        )

    def kill(self) -> None:
        """As kill -9 does."""
        self.process.kill()
        self.process.wait(STOP_SECONDS)


@contextmanager
def running_standin(
    state: Path, *, port: int = 0, webhook_url: str = "", thin_webhook_url: str = ""
) -> Iterator[Standin]:
    """A stand-in on a free port, stopped at the end; its state file stays."""
    options = {
        "port": str(port),
        "state": str(state),
        "key": KEY,
        "webhook-url": webhook_url,
        "webhook-secret": WEBHOOK_SECRET,
        "thin-webhook-url": thin_webhook_url,
        "thin-webhook-secret": THIN_WEBHOOK_SECRET,
    }
    arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("STANDIN_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "portal.standin", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=Path(__file__).parents[2],
    )
    try:
        base_url = _address_printed(process)
        yield Standin(base_url, KEY, WEBHOOK_SECRET, THIN_WEBHOOK_SECRET, Control(base_url), process)
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_SECONDS)
        if process.stdout is not None:
            process.stdout.close()


def _address_printed(process: subprocess.Popen[str]) -> str:
    """The stand-in prints its address once it listens; nothing is printed when it could not start."""
    line = process.stdout.readline() if process.stdout is not None else ""
    words = [word for word in line.split() if word.startswith("http")]
    if not words:
        raise ControlError("the stand-in did not start; its message is on standard error")
    return words[0]
