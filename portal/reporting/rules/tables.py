"""Sums to tables: one function per report, each with its chart. The words are those a reader knows from the cases."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from portal.contracts.blocks import WHOLE_BP
from portal.money import Money
from portal.reporting.rules.values import SEPARATOR, Cell, Chart, Column, Group, Kind, Names, Series, Table

# More bars than this cannot be read; the table has them all.
MOST_BARS = 12

CLOCKS = {
    "acknowledgement": "Receipt",
    "response": "Response",
    "update": "Next update",
    "workaround": "Workaround",
    "on_site": "On site",
    "delivery": "Part delivered",
    "resolution": "Resolution",
    "management": "Management told",
}
RESOLVED_BY = {
    "integrator": ("Integrator", "accent"),
    "manufacturer": ("Manufacturer", "deep"),
    "jointly": ("Jointly", "pale"),
    "none": ("Nobody", "plain"),
}
CERTIFICATES = {
    "none": ("No certificate", "bad"),
    "expired": ("Certificate expired", "warn"),
    "valid": ("Certificate valid", "good"),
}
REVENUE = {
    "time_and_materials": "Time and materials",
    "included": "Included minutes used",
    "pack_use": "Hours used",
    "pack_breakage": "Hours expired",
    "selling_commission": "Commission for selling",
    "subscription": "Subscription, minutes not used",
    "materials": "Parts of customers' bills",
    "material": "Parts between the companies",
    "referral": "Bonus for a sale",
}
SOLD_AS = {"agent": "Agent", "principal": "Principal"}
UNDECIDED = "0"


def resolutions(groups: Sequence[Group], names: Names) -> Table:
    """Who resolved what: parts are cause, who resolved, manufacturer, integrator."""
    rows = [
        (Cell(group.label), Cell(_resolvers(group, names)), Cell(group.cases, group.key)) for group in _most(groups)
    ]
    causes = _labels(groups)
    series = [
        Series(name, tone, tuple(_cases(groups, cause, who) for cause in causes))
        for who, (name, tone) in RESOLVED_BY.items()
    ]
    columns = (Column("Cause"), Column("Resolved by"), Column("Cases", Kind.COUNT))
    return Table(columns, tuple(rows), _chart("Cases resolved, by cause", causes, series, Kind.COUNT))


def custody(groups: Sequence[Group], names: Names) -> Table:
    """Time in custody: the part is the company."""
    ordered = sorted(groups, key=lambda group: (-group.seconds, group.key))
    rows = [
        (
            Cell(names.organisation(group.parts[0])),
            Cell(group.cases, group.key),
            Cell(group.seconds, group.key),
            Cell(group.seconds // group.cases),
        )
        for group in ordered
    ]
    columns = (
        Column("Company"),
        Column("Cases", Kind.COUNT),
        Column("Time in custody", Kind.SECONDS),
        Column("A case on average", Kind.SECONDS),
    )
    labels = tuple(names.organisation(group.parts[0]) for group in ordered)
    series = [Series("Time in custody", "accent", tuple(group.seconds for group in ordered))]
    return Table(columns, tuple(rows), _chart("Hours in custody, by company", labels, series, Kind.SECONDS))


def hand_overs(groups: Sequence[Group], names: Names) -> Table:
    """How often cases changed hands: the part is the number of hand-overs, the last one standing for more."""
    ordered = sorted(groups, key=lambda group: int(group.parts[0]))
    together = sum(group.cases for group in ordered)
    rows = [
        (
            Cell(_times(group.parts[0])),
            Cell(group.cases, group.key),
            Cell(group.cases * WHOLE_BP // together),
        )
        for group in ordered
    ]
    columns = (Column("Hand-overs"), Column("Cases", Kind.COUNT), Column("Of all", Kind.SHARE))
    labels = tuple(_times(group.parts[0]) for group in ordered)
    series = [Series("Cases", "accent", tuple(group.cases for group in ordered))]
    return Table(columns, tuple(rows), _chart("Cases by number of hand-overs", labels, series, Kind.COUNT))


def service_levels(groups: Sequence[Group], names: Names) -> Table:
    """Clocks kept and missed: parts are kind, severity, outcome."""
    by_promise: Mapping[tuple[str, str], dict[str, Group]] = defaultdict(dict)
    for group in groups:
        kind, severity, outcome = group.parts
        by_promise[kind, severity][outcome] = group
    order = sorted(by_promise, key=lambda promise: (list(CLOCKS).index(promise[0]), promise[1]))
    rows = []
    for promise in order:
        met, missed = by_promise[promise].get("met"), by_promise[promise].get("missed")
        kept, lost = met.cases if met else 0, missed.cases if missed else 0
        rows.append(
            (
                Cell(CLOCKS[promise[0]]),
                Cell(f"Severity {promise[1]}"),
                Cell(kept, met.key if met else None),
                Cell(lost, missed.key if missed else None),
                Cell(kept * WHOLE_BP // (kept + lost)),
            )
        )
    columns = (
        Column("Clock"),
        Column("Severity"),
        Column("Kept", Kind.COUNT),
        Column("Missed", Kind.COUNT),
        Column("Kept of all", Kind.SHARE),
    )
    labels = tuple(f"{CLOCKS[kind]}, {severity}" for kind, severity in order)
    series = [
        Series(name, tone, tuple(_of(by_promise[promise].get(outcome)) for promise in order))
        for outcome, name, tone in (("met", "Kept", "good"), ("missed", "Missed", "bad"))
    ]
    return Table(columns, tuple(rows), _chart("Promises by clock and severity", labels, series, Kind.COUNT))


def training(groups: Sequence[Group], names: Names) -> Table:
    """Who escalates what: parts are what, person, company, product line, certificate; the label is the name."""
    people: Mapping[tuple[str, ...], dict[str, Group]] = defaultdict(dict)
    for group in groups:
        people[group.parts[1:]][group.parts[0]] = group
    rows = []
    for person in sorted(people, key=lambda one: _need(one, people[one])):
        escalated, how_to = people[person].get("escalated"), people[person].get("how_to")
        anyone = escalated or how_to
        rows.append(
            (
                Cell(anyone.label if anyone else ""),
                Cell(names.organisation(person[1])),
                Cell(names.product_line(person[2])),
                Cell(CERTIFICATES[person[3]][0]),
                Cell(_of(escalated), escalated.key if escalated else None),
                Cell(how_to.seconds if how_to else 0, how_to.key if how_to else None),
            )
        )
    columns = (
        Column("Technician"),
        Column("Company"),
        Column("Product line"),
        Column("Certificate"),
        Column("Escalated", Kind.COUNT),
        Column("How-to help", Kind.SECONDS),
    )
    return Table(columns, tuple(rows), _training_chart(groups, names))


def revenue(groups: Sequence[Group], names: Names) -> Table:
    """Who earned what: parts are party (0 for not decided), revenue kind, as what it is sold, currency.

    Net is the party's own part; gross is what all parties together have of the kind. Sold as principal the gross is the
    books' revenue, sold as agent the net.
    """
    ordered = sorted(groups, key=lambda group: (group.parts[3], -group.amount_minor, group.key))
    whole: dict[tuple[str, ...], int] = defaultdict(int)
    for group in ordered:
        whole[group.parts[1:]] += group.amount_minor
    rows = [
        (
            Cell(_party(group.parts[0], names)),
            Cell(REVENUE.get(group.parts[1], group.parts[1].replace("_", " ").capitalize())),
            Cell(group.cases, group.key),
            Cell(Money(group.amount_minor, group.parts[3]), group.key),
            Cell(Money(whole[group.parts[1:]], group.parts[3]), SEPARATOR.join(("", *group.parts[1:]))),
            Cell(SOLD_AS[group.parts[2]]),
        )
        for group in ordered
    ]
    columns = (
        Column("Party"),
        Column("Kind"),
        Column("From", Kind.COUNT),
        Column("Net", Kind.MONEY),
        Column("Gross", Kind.MONEY),
        Column("Sold as"),
    )
    return Table(columns, tuple(rows), _revenue_chart(ordered, names))


def _resolvers(group: Group, names: Names) -> str:
    who, manufacturer, integrator = group.parts[1:]
    if who == "jointly":
        return f"{names.organisation(integrator)} and {names.organisation(manufacturer)}"
    if who == "none":
        return "Nobody"
    return names.organisation(integrator if who == "integrator" else manufacturer)


def _most(groups: Iterable[Group]) -> list[Group]:
    return sorted(groups, key=lambda group: (-group.cases, group.label, group.key))


def _labels(groups: Iterable[Group]) -> tuple[str, ...]:
    totals: dict[str, int] = defaultdict(int)
    for group in groups:
        totals[group.label] += group.cases
    return tuple(sorted(totals, key=lambda label: (-totals[label], label)))[:MOST_BARS]


def _cases(groups: Iterable[Group], label: str, who: str) -> int:
    return sum(group.cases for group in groups if group.label == label and group.parts[1] == who)


def _times(count: str) -> str:
    if count == "0":
        return "None"
    return f"{count} or more" if int(count) >= MOST_HAND_OVERS else count


# A case that went back and forth more often is counted with these.
MOST_HAND_OVERS = 4


def _of(group: Group | None) -> int:
    return group.cases if group else 0


def _need(person: tuple[str, ...], parts: Mapping[str, Group]) -> tuple[int, int, int, str]:
    """Untrained people first, then those who escalate most."""
    how_to = parts.get("how_to")
    return (
        list(CERTIFICATES).index(person[3]),
        -_of(parts.get("escalated")),
        -(how_to.seconds if how_to else 0),
        person[0],
    )


def _training_chart(groups: Sequence[Group], names: Names) -> Chart | None:
    escalated = [group for group in groups if group.parts[0] == "escalated"]
    lines = sorted({group.parts[3] for group in escalated}, key=names.product_line)[:MOST_BARS]
    series = [
        Series(
            name,
            tone,
            tuple(
                sum(group.cases for group in escalated if (group.parts[3], group.parts[4]) == (line, state))
                for line in lines
            ),
        )
        for state, (name, tone) in CERTIFICATES.items()
    ]
    labels = tuple(names.product_line(line) for line in lines)
    return _chart("Cases escalated, by product line and certificate", labels, series, Kind.COUNT)


def _party(party: str, names: Names) -> str:
    return "Not decided yet" if party == UNDECIDED else names.organisation(party)


def _revenue_chart(ordered: Sequence[Group], names: Names) -> Chart | None:
    """The currency with the most cases; amounts of two currencies share no axis."""
    weight: dict[str, int] = defaultdict(int)
    for group in ordered:
        weight[group.parts[3]] += group.cases
    if not weight:
        return None
    currency = max(sorted(weight), key=lambda one: weight[one])
    totals: dict[str, int] = defaultdict(int)
    for group in ordered:
        if group.parts[3] == currency:
            totals[_party(group.parts[0], names)] += group.amount_minor
    labels = tuple(sorted(totals, key=lambda label: (-totals[label], label)))[:MOST_BARS]
    series = [Series("Revenue", "accent", tuple(totals[label] for label in labels))]
    return _chart(f"Revenue in {currency}, by party", labels, series, Kind.MONEY, currency)


def _chart(title: str, labels: Sequence[str], series: Iterable[Series], kind: Kind, currency: str = "") -> Chart | None:
    shown = tuple(each for each in series if any(each.values))
    return Chart(title, tuple(labels[:MOST_BARS]), shown, kind, currency) if shown else None
