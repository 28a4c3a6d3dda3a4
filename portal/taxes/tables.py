"""The data files of tax, each read once a process."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from portal.taxes.rules.filing_layout import Layouts, layouts_from
from portal.taxes.rules.rates import Rates, rates_from
from portal.taxes.rules.year_forms import Form, PaymentKind, forms_from, payment_kinds_from

FIGURES = Path(__file__).parent / "figures"


@cache
def known_rates() -> Rates:
    """The rates of tax by country and day."""
    return rates_from(_read("rates.toml"))


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((FIGURES / name).read_text("utf-8"))


@cache
def known_forms() -> dict[str, Form]:
    """The forms of a year's payments, by code."""
    return forms_from(_read("year_forms.toml"))


@cache
def known_payment_kinds() -> dict[str, PaymentKind]:
    """Which form each kind of payment goes on, by kind."""
    return payment_kinds_from(_read("year_forms.toml"))


@cache
def known_layouts() -> Layouts:
    """The columns of the files that forms are uploaded with."""
    return layouts_from(_read("filing_columns.toml"))
