"""Where the calendars and bands of a document contradict themselves; each finding names both places."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from portal.closures import DAY_MINUTES
from portal.contracts.calendar_blocks import (
    LONGEST_CLOSING_DAYS,
    WEEKDAYS,
    CalendarBlock,
    ClosingBlock,
    WhoseZone,
    parse_moment,
)
from portal.contracts.checks import doubled, unknown
from portal.contracts.reading import Contradiction
from portal.contracts.toml_lines import Path

if TYPE_CHECKING:
    from portal.contracts.policy import Policy

# A week as minutes from Monday's midnight.
_Span = tuple[int, int]
_WEEK = 7 * DAY_MINUTES


def calendar_contradictions(calendars: Sequence[CalendarBlock]) -> Iterator[Contradiction]:
    """Doubled names, overlapping windows, closings that never end, rules about nothing, regions that lead nowhere."""
    yield from doubled(("calendars",), [each.code for each in calendars])
    for number, calendar in enumerate(calendars):
        path: Path = ("calendars", number)
        yield from _overlapping_windows(path, calendar)
        for place, closing in enumerate(calendar.closings):
            yield from _closing_contradictions((*path, "closings", place), closing)
        yield from _holiday_contradictions(path, calendar)
        yield from _region_contradictions(path, calendar, calendars)
        if calendar.whose_zone is WhoseZone.FIXED or calendar.windows:
            continue
        yield Contradiction((*path, "whose_zone"), "a calendar without windows has no use for a zone", path)


def _overlapping_windows(path: Path, calendar: CalendarBlock) -> Iterator[Contradiction]:
    for earlier, later in pairwise(calendar.parsed_windows):
        if earlier[0] == later[0] and later[1] < earlier[2]:
            day = WEEKDAYS[earlier[0]]
            yield Contradiction(
                (*path, "windows"), f"on {day} the windows {_hours(earlier)} and {_hours(later)} overlap"
            )


def _closing_contradictions(path: Path, closing: ClosingBlock) -> Iterator[Contradiction]:
    begins = (*path, "begins")
    if closing.ends is None:
        yield Contradiction(path, f"this closing begins {closing.begins} and never ends: state ends", begins)
        return
    first, last = parse_moment(closing.begins), parse_moment(closing.ends)
    if first.yearly != last.yearly:
        yield Contradiction((*path, "ends"), "state a year in both begins and ends, or in neither", begins)
    elif not first.yearly and (last.day, last.minute) <= (first.day, first.minute):
        yield Contradiction((*path, "ends"), f"this closing would end before it begins, {closing.begins}", begins)
    elif (last.day - first.day).days > LONGEST_CLOSING_DAYS:
        yield Contradiction((*path, "ends"), "a closing lasts a year at most; drop the windows instead", begins)


def _holiday_contradictions(path: Path, calendar: CalendarBlock) -> Iterator[Contradiction]:
    days_off = (
        calendar.holidays,
        calendar.yearly_holidays,
        calendar.floating_holidays,
        calendar.holiday_rules,
        calendar.named_holidays,
    )
    if calendar.holidays_begin is not None and not any(days_off):
        yield Contradiction(
            (*path, "holidays_begin"), "there are no holidays that could begin the evening before", path
        )
    if calendar.on_holidays and not any((*days_off, calendar.closings)):
        yield Contradiction((*path, "on_holidays"), "without holidays or closings this calendar never opens", path)
    yield from doubled((*path, "named_holidays"), [each.on for each in calendar.named_holidays], "on")


def _region_contradictions(
    path: Path, calendar: CalendarBlock, calendars: Sequence[CalendarBlock]
) -> Iterator[Contradiction]:
    codes = {each.code for each in calendars}
    regional = {each.code: number for number, each in enumerate(calendars) if each.by_region}
    taken: dict[str, int] = {}
    for place, row in enumerate(calendar.by_region):
        here = (*path, "by_region", place)
        yield from unknown((*here, "calendar"), [row.calendar], codes, "calendars")
        if row.calendar in regional:
            yield Contradiction(
                (*here, "calendar"),
                "a calendar by region leads to one with windows, not to another by region",
                ("calendars", regional[row.calendar]),
            )
        for region in row.regions:
            if region in taken:
                yield Contradiction(
                    (*here, "regions"), f'"{region}" is named twice', (*path, "by_region", taken[region])
                )
            taken.setdefault(region, place)
    if calendar.by_region and calendar.by_region[-1].regions:
        yield Contradiction(
            (*path, "by_region", len(calendar.by_region) - 1),
            "the last row takes all other regions and names none",
            (*path, "by_region"),
        )


def band_contradictions(policy: Policy) -> Iterator[Contradiction]:
    """Doubled bands, bands that never apply or overlap in part, and a week that the bands do not fill."""
    yield from doubled(("bands",), [each.code for each in policy.bands])
    by_code = {each.code: each for each in policy.calendars}
    last = len(policy.bands) - 1
    weeks: list[tuple[int, CalendarBlock, tuple[_Span, ...]]] = []
    for number, band in enumerate(policy.bands):
        path = ("bands", number, "calendar")
        yield from unknown(path, [band.calendar], by_code, "calendars")
        if number < last and band.calendar is None:
            yield Contradiction(("bands", number), "only the last band has no calendar", ("bands", last))
        if band.calendar in by_code:
            block = by_code[band.calendar]
            weeks.append((number, block, _week_of(block)))
    for place, (number, block, week) in enumerate(weeks):
        for earlier, other, its_week in weeks[:place]:
            if _comparable(block, other):
                yield from _overlap((earlier, its_week), (number, week))
    if policy.bands[last].calendar is not None:
        yield from _gap(policy, weeks)


def _overlap(first: tuple[int, tuple[_Span, ...]], second: tuple[int, tuple[_Span, ...]]) -> Iterator[Contradiction]:
    """Bands may lie within each other, the inner one first; what else overlaps leaves two prices for one hour."""
    (earlier, its_week), (number, week) = first, second
    common = _common(its_week, week)
    if not common or common == its_week:
        if common == week:
            yield Contradiction(
                ("bands", number), "this band never applies, an earlier one always is", ("bands", earlier)
            )
        return
    if common == week:
        sentence = "this band lies within an earlier one and never applies; the inner band comes first"
    else:
        sentence = f"this band and an earlier one both have {_spoken(common[0])}; cut one, or put one within the other"
    yield Contradiction(("bands", number), sentence, ("bands", earlier))


def _gap(policy: Policy, weeks: Sequence[tuple[int, CalendarBlock, tuple[_Span, ...]]]) -> Iterator[Contradiction]:
    last = len(policy.bands) - 1
    path = ("bands", last, "calendar")
    sentence = "the last band takes all other time and has no calendar"
    missing = _gaps([span for _, _, week in weeks for span in week])
    if missing and weeks:
        before = next((n for n, _, week in weeks if any(span[1] == missing[0][0] for span in week)), 0)
        yield Contradiction(path, f"{sentence}; no band has {_spoken(missing[0])}", ("bands", before))
    else:
        yield Contradiction(path, sentence)


def _comparable(one: CalendarBlock, other: CalendarBlock) -> bool:
    """Whether two calendars count on the same clock on the wall and on the same kind of day."""
    same_clock = (one.zone, one.whose_zone) == (other.zone, other.whose_zone) or one.always or other.always
    return same_clock and not (one.on_holidays or other.on_holidays or one.by_region or other.by_region)


def _week_of(block: CalendarBlock) -> tuple[_Span, ...]:
    if block.always:
        return ((0, _WEEK),)
    return _merged(
        [(day * DAY_MINUTES + opens, day * DAY_MINUTES + closes) for day, opens, closes in block.parsed_windows]
    )


def _merged(spans: Sequence[_Span]) -> tuple[_Span, ...]:
    found: list[_Span] = []
    for begins, ends in sorted(spans):
        if found and begins <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], ends))
        else:
            found.append((begins, ends))
    return tuple(found)


def _common(one: Sequence[_Span], other: Sequence[_Span]) -> tuple[_Span, ...]:
    pairs = ((max(a[0], b[0]), min(a[1], b[1])) for a in one for b in other)
    return _merged([pair for pair in pairs if pair[0] < pair[1]])


def _gaps(spans: Sequence[_Span]) -> tuple[_Span, ...]:
    """What of a week the spans leave out."""
    edges = ((0, 0), *_merged(spans), (_WEEK, _WEEK))
    return tuple((stop, start) for (_, stop), (start, _) in pairwise(edges) if stop < start)


def _spoken(span: _Span) -> str:
    """A stretch of the week as people write it, cut at the end of its first day."""
    day, opens = divmod(span[0], DAY_MINUTES)
    return f"{WEEKDAYS[day]} {_hours((day, opens, min(span[1] - day * DAY_MINUTES, DAY_MINUTES)))}"


def _hours(row: tuple[int, int, int]) -> str:
    return "-".join(f"{minute // 60:02}:{minute % 60:02}" for minute in row[1:])
