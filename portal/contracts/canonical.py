"""The one spelling of a document that is hashed and signed: canonical JSON, UTF-8, SHA-256.

Keys are sorted, defaults are written out, nothing depends on how the TOML was laid out. The version of the schema is
part of the document.
"""

from __future__ import annotations

import hashlib
import json

from pydantic import BaseModel


def canonical_json(document: BaseModel) -> str:
    """The document as JSON with sorted keys and no spaces; equal documents give equal text."""
    values = document.model_dump(mode="json")
    return json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def sha256(document: BaseModel) -> str:
    """The hexadecimal SHA-256 of the canonical JSON: the name of this version."""
    return hashlib.sha256(canonical_json(document).encode()).hexdigest()
