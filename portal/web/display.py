"""What templates print: money, instants, durations and shares as text a person reads at a glance.

Every function is pure: the viewer's zone and the request's now are arguments; ``register`` binds them as filters.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from fractions import Fraction
from zoneinfo import ZoneInfo

from flask import Flask
from markupsafe import Markup

from portal.identity.user_agents import browser_words
from portal.money import Money, minor_digits, round_half_up

# What stands before an amount in English (en_US of the Unicode CLDR); the currency's code where there is no sign. Babel
# says the same and holds 5 MB in every process for it; a test compares all.
SIGNS = {
    "AUD": "A$", "BRL": "R$", "CAD": "CA$", "CNY": "CN¥", "EUR": "€", "GBP": "£", "HKD": "HK$", "ILS": "₪", "INR": "₹",
    "JPY": "¥", "KRW": "₩", "MXN": "MX$", "NZD": "NZ$", "PHP": "₱", "TWD": "NT$", "USD": "$", "VND": "₫", "XAF": "FCFA",
    "XCD": "EC$", "XCG": "Cg.", "XOF": "F\u202fCFA", "XPF": "CFPF",
}  # fmt: skip
SECONDS_PER_MINUTE = 60
MINUTES_PER_HOUR = 60
HOURS_PER_DAY = 24
KILOBYTE = 1024
BP_PER_PERCENT = 100


def money_text(amount: Money | None) -> str:
    """The amount with its currency, as ``$1,234.50`` or ``-€3.00``; a dash where there is none.

    Every minor unit is shown, where Babel rounds those that a country no longer has coins for: a column adds up.
    """
    if amount is None:
        return "–"
    before, digits = SIGNS.get(amount.currency, amount.currency), minor_digits(amount.currency)
    sign = "-" if amount.minor < 0 else ""
    whole, part = divmod(abs(amount.minor), 10**digits)
    return f"{sign}{before}{whole:,}.{part:0{digits}d}" if digits else f"{sign}{before}{whole:,}"


def local_time(at: datetime | None, zone: ZoneInfo) -> Markup:
    """The instant in the viewer's zone, with the exact instant as machine text and on hover."""
    if at is None:
        return Markup("–")
    local = at.astimezone(zone)
    return _time_element(at, local, f"{_day(local)}, {_clock(local)}")


def local_clock(at: datetime, zone: ZoneInfo) -> Markup:
    """The time of day alone, for rows whose day is said elsewhere."""
    local = at.astimezone(zone)
    return _time_element(at, local, _clock(local))


def local_date(on: date | datetime | None, zone: ZoneInfo) -> str:
    """A calendar date, or the viewer's date of an instant, as ``22 Nov 2026``."""
    if on is None:
        return "–"
    if isinstance(on, datetime):
        on = on.astimezone(zone).date()
    return _day(on)


def due(at: datetime | None, now: datetime, zone: ZoneInfo) -> Markup:
    """How long until ``at``, or since, with the time: ``due in 1 h 20 min (14:35)``."""
    if at is None:
        return Markup("no time set")
    local, today = at.astimezone(zone), now.astimezone(zone).date()
    clock = _clock(local)
    if local.date() != today:
        clock = f"{_WEEKDAYS[local.weekday()]} {local.day:02d} {_MONTHS[local.month]} {clock}"
    remaining_seconds = int((at - now).total_seconds())
    words = (
        f"due in {duration(remaining_seconds)}"
        if remaining_seconds >= 0
        else f"overdue by {duration(-remaining_seconds)}"
    )
    # Made of numbers and names of days only, many times a page: nothing to escape.
    late = " due-late" if remaining_seconds < 0 else ""
    attributes = f'datetime="{_iso(at)}" title="{_exact(at, local)}" data-clock="{clock}"'
    return Markup(f'<time class="due{late}" {attributes}>{words} ({clock})</time>')


def window_end(at: datetime, now: datetime, zone: ZoneInfo) -> Markup:
    """The end of a window in which something may be done: a countdown while it is open, then when it ended."""
    return due(at, now, zone) if at > now else Markup("ended ") + local_time(at, zone)


def sentence(text: str) -> str:
    """The text with a capital at its front; the names within keep theirs."""
    return text[:1].upper() + text[1:]


def duration(seconds: int | None) -> str:
    """Whole minutes of a duration, as ``1 h 20 min`` or ``3 d 4 h``; a started minute is not counted."""
    if seconds is None:
        return "–"
    minutes = abs(seconds) // SECONDS_PER_MINUTE
    if minutes == 0:
        return "under 1 min" if seconds else "0 min"
    hours, minutes = divmod(minutes, MINUTES_PER_HOUR)
    days, hours = divmod(hours, HOURS_PER_DAY)
    parts = [(days, "d"), (hours, "h"), (minutes, "min")]
    shown = [f"{count} {unit}" for count, unit in parts if count][:2]
    return ("-" if seconds < 0 else "") + " ".join(shown)


def minutes_text(seconds: int | None) -> str:
    """Worked time as hours and minutes to the second where there are any: ``2 h 05 min``, ``12 min 30 s``."""
    if seconds is None:
        return "–"
    hours, rest = divmod(abs(seconds), SECONDS_PER_MINUTE * MINUTES_PER_HOUR)
    minutes, left = divmod(rest, SECONDS_PER_MINUTE)
    text = f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"
    if left:
        text += f" {left:02d} s"
    return ("-" if seconds < 0 else "") + text


def percentage(basis_points: int | None) -> str:
    """Basis points as a percentage: 6250 reads ``62.5 %``."""
    if basis_points is None:
        return "–"
    sign = "-" if basis_points < 0 else ""
    whole, part = divmod(abs(basis_points), BP_PER_PERCENT)
    return f"{sign}{f'{whole:,}.{part:02d}'.rstrip('0').rstrip('.')} %"


def size_text(size_bytes: int) -> str:
    """The size of a file as a person reads it: ``12 kB``, ``3.4 MB``."""
    if size_bytes < KILOBYTE:
        return f"{size_bytes} bytes"
    if size_bytes < KILOBYTE * KILOBYTE:
        return f"{size_bytes / KILOBYTE:.0f} kB"
    return f"{size_bytes / (KILOBYTE * KILOBYTE):.1f} MB"


def hourly(rate_num: int, rate_den: int, currency: str) -> str:
    """An exact rate per hour as an amount: ``$150.00 an hour``."""
    return f"{money_text(Money(round_half_up(Fraction(rate_num, rate_den)), currency))} an hour"


def register(app: Flask, *, zone: Callable[[], ZoneInfo], now: Callable[[], datetime]) -> None:
    """Make the filters known to templates, bound to the viewer's zone and the request's now."""
    app.jinja_env.filters.update(
        money=money_text,
        in_currency=Money,
        hourly=hourly,
        instant=datetime.fromisoformat,
        local_time=lambda at: local_time(at, zone()),
        local_clock=lambda at: local_clock(at, zone()),
        local_date=lambda on: local_date(on, zone()),
        due=lambda at: due(at, now(), zone()),
        window_end=lambda at: window_end(at, now(), zone()),
        sentence=sentence,
        browser=browser_words,
        duration=duration,
        minutes=minutes_text,
        bp=percentage,
        size=size_text,
    )


def _time_element(at: datetime, local: datetime, text: str) -> Markup:
    return Markup(f'<time datetime="{_iso(at)}" title="{_exact(at, local)}">{text}</time>')


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds")[:_TO_THE_SECOND] + "Z"


def _exact(at: datetime, local: datetime) -> str:
    clock = f"{_WEEKDAYS[local.weekday()]} {_day(local)} {_clock(local)}:{local.second:02d} {local.tzname()}"
    return f"{clock} ({at.astimezone(UTC).isoformat(' ', 'seconds')[:_TO_THE_SECOND]} UTC)"


# A page of a case prints two dozen instants in three forms each, where strftime asks the C library each time.
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("", "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_TO_THE_SECOND = len("2026-11-22T13:05:00")


def _day(on: date) -> str:
    return f"{on.day:02d} {_MONTHS[on.month]} {on.year:04d}"


def _clock(local: datetime) -> str:
    return f"{local.hour:02d}:{local.minute:02d}"
