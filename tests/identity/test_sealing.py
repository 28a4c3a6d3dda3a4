"""What is sealed opens for its own purpose and row, under its own secret, unchanged; and for nothing else."""

from __future__ import annotations

import pytest

from portal.identity.sealing import SealBroken, seal, unseal

PLACE = {"secret": "s" * 32, "purpose": "totp", "row": "person 7"}


def test_a_sealed_value_opens_where_it_was_sealed() -> None:
    assert unseal(seal("JBSWY3DP", **PLACE), **PLACE) == "JBSWY3DP"


def test_the_same_value_is_sealed_differently_each_time() -> None:
    assert seal("JBSWY3DP", **PLACE) != seal("JBSWY3DP", **PLACE)


def test_nothing_of_the_value_shows() -> None:
    assert b"JBSWY3DP" not in seal("JBSWY3DP", **PLACE)


@pytest.mark.parametrize("moved", [{"secret": "t" * 32}, {"purpose": "oidc"}, {"row": "person 8"}])
def test_a_sealed_value_stays_shut_elsewhere(moved: dict[str, str]) -> None:
    with pytest.raises(SealBroken):
        unseal(seal("JBSWY3DP", **PLACE), **{**PLACE, **moved})


@pytest.mark.parametrize("damage", [b"", b"short", None])
def test_a_damaged_value_stays_shut(damage: bytes | None) -> None:
    sealed = bytearray(seal("JBSWY3DP", **PLACE))
    sealed[-1] ^= 1
    with pytest.raises(SealBroken):
        unseal(bytes(sealed) if damage is None else damage, **PLACE)
