"""Packages that are imported late."""

from __future__ import annotations

import sys

from portal.lazily import lazily


def test_package_is_imported_when_a_name_of_it_is_asked_for() -> None:
    sys.modules.pop("colorsys", None)
    late = lazily("colorsys")
    assert "colorsys" not in sys.modules
    assert late.rgb_to_hsv(0, 0, 0) == (0, 0, 0)
    assert "colorsys" in sys.modules
