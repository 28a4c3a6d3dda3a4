"""Secrets that the portal has to read again (a code generator's secret, a provider's client secret), sealed at rest.

Each purpose has a key of its own, derived from the deployment's secret, so that what was sealed for one cannot be
opened as another. A sealed value is also tied to the row it belongs to: copied to another row it opens no more.
Whoever changes the deployment's secret loses what is sealed; people then set up their factors again.
"""

from __future__ import annotations

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from portal.errors import RuleBroken

KEY_BYTES = 32
# NIST SP 800-38D, 8.2: a random nonce of 96 bits for each value under one key.
NONCE_BYTES = 12


class SealBroken(RuleBroken):
    """A sealed value that does not open: changed, moved to another row, or sealed under another secret."""

    def __init__(self) -> None:
        super().__init__("What was kept here cannot be read any more. Set it up again.")


def seal(plain: str, *, secret: str, purpose: str, row: str) -> bytes:
    """``plain`` as it is stored: only who holds the deployment's ``secret`` opens it, for this purpose and row."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(_key(secret, purpose)).encrypt(nonce, plain.encode(), row.encode())


def unseal(sealed: bytes, *, secret: str, purpose: str, row: str) -> str:
    """What was sealed.

    *Raises*: SealBroken.
    """
    nonce, body = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
    try:
        return AESGCM(_key(secret, purpose)).decrypt(nonce, body, row.encode()).decode()
    except (InvalidTag, ValueError):
        raise SealBroken from None


def _key(secret: str, purpose: str) -> bytes:
    # The secret is long and random already (config checks its length), so one extraction needs no salt.
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=f"portal sealing: {purpose}".encode()).derive(secret.encode())
