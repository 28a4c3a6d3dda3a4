"""An authenticator in software: makes passkeys and answers challenges as a device would, wrongly where a test wants it.

device = Authenticator("http://localhost")
answer = device.create(options)          # JSON of navigator.credentials.create, as passkeys.js sends it
answer = device.get(options)             # JSON of navigator.credentials.get
"""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from webauthn.helpers import bytes_to_base64url, encode_cbor

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


@dataclass
class Authenticator:
    """One device with one passkey; ``counter`` is what it says next, ``verifies`` whether it asks for its unlocking."""

    origin: str
    counter: int = 1
    verifies: bool = True
    counts: bool = True
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    credential_id: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    user_handle: str = ""

    def create(self, options: str, *, challenge: str = "", origin: str = "") -> str:
        """The answer to a registration."""
        asked = json.loads(options)
        self.user_handle = asked["user"]["id"]
        data = self._data(asked["rp"]["id"], PRESENT | ATTESTED)
        data += b"\x00" * 16 + len(self.credential_id).to_bytes(2, "big") + self.credential_id + self._public_key()
        client = self._client("webauthn.create", challenge or asked["challenge"], origin)
        response = {
            "clientDataJSON": bytes_to_base64url(client),
            "attestationObject": bytes_to_base64url(encode_cbor({"fmt": "none", "attStmt": {}, "authData": data})),
            "transports": ["internal"],
        }
        return self._said(response)

    def get(self, options: str, *, challenge: str = "", origin: str = "", user_handle: str | None = None) -> str:
        """The answer to a challenge."""
        asked = json.loads(options)
        data = self._data(asked["rpId"], PRESENT)
        client = self._client("webauthn.get", challenge or asked["challenge"], origin)
        signature = self.key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(SHA256()))
        response = {
            "clientDataJSON": bytes_to_base64url(client),
            "authenticatorData": bytes_to_base64url(data),
            "signature": bytes_to_base64url(signature),
            "userHandle": self.user_handle if user_handle is None else user_handle,
        }
        return self._said(response)

    def _said(self, response: dict[str, Any]) -> str:
        name = bytes_to_base64url(self.credential_id)
        return json.dumps({"id": name, "rawId": name, "type": "public-key", "response": response})

    def _data(self, host: str, flags: int) -> bytes:
        flags |= VERIFIED if self.verifies else 0
        counter = self.counter if self.counts else 0
        self.counter += 1
        return hashlib.sha256(host.encode()).digest() + bytes([flags]) + counter.to_bytes(4, "big")

    def _client(self, kind: str, challenge: str, origin: str) -> bytes:
        said = {"type": kind, "challenge": challenge, "origin": origin or self.origin, "crossOrigin": False}
        return json.dumps(said).encode()

    def _public_key(self) -> bytes:
        numbers = self.key.public_key().public_numbers()
        x, y = numbers.x.to_bytes(32, "big"), numbers.y.to_bytes(32, "big")
        return encode_cbor({1: 2, 3: -7, -1: 1, -2: x, -3: y})


def host_of(origin: str) -> str:
    """The host that passkeys of an address belong to."""
    return urlsplit(origin).hostname or ""
