"""Months of a subscription, counted from its anchor: the 31st is the last day of a shorter month."""

from calendar import monthrange
from datetime import datetime

from portal.standin.objects import Body

MONTHS = {"month": 1, "year": 12}


def months_of(recurring: Body) -> int:
    return MONTHS[recurring["interval"]] * int(recurring["interval_count"])


def months_on(anchor: datetime, months: int) -> datetime:
    number = anchor.year * 12 + anchor.month - 1 + months
    year, month = divmod(number, 12)
    return anchor.replace(year=year, month=month + 1, day=min(anchor.day, monthrange(year, month + 1)[1]))
