"""What a directory is told when a request cannot be taken: RFC 7644, 3.12."""

from __future__ import annotations

from portal.errors import RuleBroken


class ScimRefused(RuleBroken):
    """A request that is not taken; ``kind`` is RFC 7644's word for why, where it has one."""

    def __init__(self, sentence: str, kind: str = "invalidValue", status: int = 400) -> None:
        super().__init__(sentence)
        self.kind = kind
        self.status = status
