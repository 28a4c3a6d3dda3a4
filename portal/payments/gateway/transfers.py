"""Transfers to connected accounts and their reversals."""

from __future__ import annotations

from typing import Any, cast

from portal.payments.gateway.connection import PAGE_SIZE, Connection, Request, answers, keyed, meta, plain
from portal.payments.provider import TransferState


class Transfers(Connection):
    """Calls about transfers."""

    def create_transfer(self, request: Request, key: str) -> TransferState:
        """Money to a connected account. *Raises*: Refused ``balance_insufficient`` when the balance does not cover."""
        with answers():
            return _transfer(self.client.v1.transfers.create(cast(Any, request), keyed(key)))

    def retrieve_transfer(self, transfer_id: str) -> TransferState:
        """The transfer as it is now."""
        with answers():
            return _transfer(self.client.v1.transfers.retrieve(transfer_id))

    def find_transfers(self, transfer_group: str) -> list[TransferState]:
        """Every transfer of a group."""
        with answers():
            wanted = cast(Any, {"transfer_group": transfer_group, "limit": PAGE_SIZE})
            return [_transfer(found) for found in self.client.v1.transfers.list(wanted).auto_paging_iter()]

    def reverse_transfer(self, transfer_id: str, request: Request, key: str) -> str:
        """Money back from a connected account; the reversal's id."""
        with answers():
            made = self.client.v1.transfers.reversals.create(transfer_id, cast(Any, request), keyed(key))
            return str(made.id)

    def find_reversal(self, transfer_id: str, intent_id: str) -> str | None:
        """The reversal made for an intent."""
        with answers():
            for found in self.client.v1.transfers.reversals.list(transfer_id).auto_paging_iter():
                if meta(plain(found), "intent_id") == intent_id:
                    return str(found.id)
        return None


def _transfer(found: Any) -> TransferState:
    body = plain(found)
    return TransferState(
        id=str(body["id"]),
        amount_minor=int(body["amount"]),
        reversed_minor=int(body["amount_reversed"]),
        currency=str(body["currency"]).upper(),
        destination=str(body["destination"]),
        transfer_group=str(body.get("transfer_group") or ""),
        intent_id=meta(body, "intent_id"),
        livemode=bool(body["livemode"]),
    )
