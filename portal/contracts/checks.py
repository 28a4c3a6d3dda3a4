"""Contradictions that both kinds of documents can hold: doubled codes, unknown names, sums, rows that never apply."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from decimal import Decimal

from portal.contracts.blocks import (
    WHOLE_BP,
    Block,
    Recipient,
    ResolutionRow,
    Revenue,
    ShareRow,
    Tranche,
    Weights,
)
from portal.contracts.reading import Contradiction
from portal.contracts.toml_lines import Path
from portal.errors import RuleBroken
from portal.money import asked_step, minor_digits

AMOUNT_KEYS = frozenset(
    {
        "price_per_month",
        "standing_limit",
        "standing_limit_per_month",
        "default_nte",
        "least_nte",
        "confirm_parts_above",
        "deemed_up_to",
        "minimum_payout",
        "carry_limit",
        "cap",
        "floor",
        "above",
        "credit",
        "amount",
        "price",
        "per_trip",
        "most",
    }
)
# What a customer pays by itself, so that the payment processor is asked for just that.
CHARGED_ALONE = frozenset({("plans", "price_per_month"), ("packs", "price"), ("lapse", "amount")})
# What adds up with other amounts before it is paid; limits are not paid at all.
CHARGED_TOGETHER = frozenset({"amount", "credit", "per_trip", "minimum_payout"})
# What is earned with a bill item, whose own period says which months came before it.
BY_CASE = frozenset({Revenue.TIME_AND_MATERIALS, Revenue.INCLUDED, Revenue.PACK_USE, Revenue.MATERIALS})
ALWAYS_PARTIES = ("manufacturer", "integrator", "operator")


def amount_contradictions(document: Block, currency: str) -> Iterator[Contradiction]:
    """An unknown currency, or amounts with more decimals than the currency has; rates per hour may be finer."""
    try:
        digits = minor_digits(currency)
    except RuleBroken:
        yield Contradiction(("currency",), f'"{currency}" is no currency in use')
        return
    for path, text in _amounts(document, ()):
        if len(text.partition(".")[2]) > digits:
            yield Contradiction(path, f"amounts in {currency} have {digits or 'no'} decimals")


def uncharged_contradictions(document: Block, currency: str) -> Iterator[Contradiction]:
    """Prices that no payment processor can be asked for, with the nearest that it takes.

    Only of texts that are drafted: what was signed before stays as it is, and an invoice of it asks the next amount.
    """
    for path, nearest in _not_in_steps(document, currency):
        if (path[0], path[-1]) in CHARGED_ALONE:
            yield Contradiction(path, f"a price in {currency} ends in a zero to be charged; the nearest: {nearest}")


def uncharged_remarks(document: Block, currency: str) -> Iterator[Contradiction]:
    """Other amounts that are not paid as they stand: on an invoice, or in a transfer, they add up with others first."""
    for path, nearest in _not_in_steps(document, currency):
        if path[-1] in CHARGED_TOGETHER and (path[0], path[-1]) not in CHARGED_ALONE:
            words = (
                f"in {currency} only amounts that end in a zero are paid, an invoice asks the next: nearest {nearest}"
            )
            yield Contradiction(path, words)


def _not_in_steps(document: Block, currency: str) -> Iterator[tuple[Path, str]]:
    """Every amount that is no multiple of what can be asked, with its place and the nearest that are."""
    digits, step = minor_digits(currency), asked_step(currency)
    for path, text in _amounts(document, ()):
        minor = Decimal(text).scaleb(digits)
        if minor == minor.to_integral() and minor % step:
            below = int(minor) // step * step
            yield path, " or ".join(f"{Decimal(each).scaleb(-digits)}" for each in (below, below + step) if each)


def _amounts(value: object, path: Path) -> Iterator[tuple[Path, str]]:
    """Every amount of the document with its place."""
    if isinstance(value, Block):
        for name in type(value).model_fields:
            yield from _amounts(getattr(value, name), (*path, name))
    elif isinstance(value, tuple):
        for number, item in enumerate(value):
            yield from _amounts(item, (*path, number))
    elif isinstance(value, str) and path[-1] in AMOUNT_KEYS:
        yield path, value


def doubled(table: Path, codes: Iterable[object], key: str = "code") -> Iterator[Contradiction]:
    """Codes that name two rows of one table."""
    first: dict[object, int] = {}
    for number, code in enumerate(codes):
        if code in first:
            yield Contradiction((*table, number, key), f'"{code}" is named twice', (*table, first[code]))
        first.setdefault(code, number)


def unknown(path: Path, names: Iterable[str | None], known: Collection[str], table: str) -> Iterator[Contradiction]:
    """Names that no row of ``table`` has."""
    for name in names:
        if name is not None and name not in known:
            listed = ", ".join(sorted(known)) or "none"
            yield Contradiction(path, f'"{name}" is not in {table}; allowed here: {listed}')


def product_lines_of(document: Block) -> Iterator[tuple[Path, str]]:
    """Every product line that a document names, with the place of its list."""
    yield from _product_lines(document, ())


def _product_lines(value: object, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(value, Block):
        for name in type(value).model_fields:
            yield from _product_lines(getattr(value, name), (*path, name))
    elif isinstance(value, tuple) and path[-1] == "product_lines":
        for line in value:
            yield path, line
    elif isinstance(value, tuple):
        for number, item in enumerate(value):
            yield from _product_lines(item, (*path, number))


def spelling_contradictions(document: Block) -> Iterator[Contradiction]:
    """Product lines that are written in two ways: only one of them can be the line of a system."""
    first: dict[str, tuple[str, Path]] = {}
    for path, line in product_lines_of(document):
        written, place = first.setdefault(line.casefold(), (line, path))
        if written != line:
            yield Contradiction(path, f'"{line}" is written "{written}" elsewhere', place)


def never_applying(table: Path, rows: Sequence[Block], conditions: Sequence[str]) -> Iterator[Contradiction]:
    """Rows of a first-match table that an earlier row always takes."""
    for number, row in enumerate(rows):
        for earlier in range(number):
            if all(_wider(getattr(rows[earlier], name), getattr(row, name)) for name in conditions):
                yield Contradiction(
                    (*table, number), "this row never applies, an earlier one always comes first", (*table, earlier)
                )
                break


def _wider(first: object, second: object) -> bool:
    """Whether every case that meets the second condition meets the first; an empty one holds always."""
    if isinstance(first, tuple) and isinstance(second, tuple):
        return not first or (bool(second) and set(second) <= set(first))
    return first is None or first == second


def party_order_contradictions(path: Path, order: Sequence[str], parties: Collection[str]) -> Iterator[Contradiction]:
    """An order that leaves a party out, names one twice, or names a stranger."""
    for party in parties:
        if order.count(party) != 1:
            yield Contradiction(path, f'the order names "{party}" {order.count(party)} times, once is expected')
    yield from unknown(path, order, parties, "the parties")


# What is sold at one price and earned in two ways: by its use, and by what is left of it.
_SOLD_TOGETHER = ((Revenue.SUBSCRIPTION, Revenue.INCLUDED), (Revenue.PACK_USE, Revenue.PACK_BREAKAGE))


def share_contradictions(
    path: Path, rows: Sequence[ShareRow], parties: Collection[str], required: Collection[Revenue]
) -> Iterator[Contradiction]:
    """Kinds shared twice or not at all, tranches that do not sum to the whole, unknown fixed parties, stray caps."""
    first: dict[Revenue, int] = {}
    for number, row in enumerate(rows):
        here = (*path, number)
        for kind in row.revenues:
            if kind in first:
                yield Contradiction((*here, "revenues"), f'"{kind}" is shared twice', (*path, first[kind]))
            first.setdefault(kind, number)
        yield from _tranche_contradictions((*here, "tranches"), row.tranches, parties)
        yield from _supplier_contradictions((*here, "tranches"), row)
        yield from _volume_contradictions(here, row, parties)
    for kind in required:
        if kind not in first:
            yield Contradiction(path, f'no row shares "{kind}"')
    for one, other in _SOLD_TOGETHER:
        mine, its = first.get(one), first.get(other)
        if mine is not None and its is not None and rows[mine].acts_as is not rows[its].acts_as:
            sentence = f'"{one}" and "{other}" are parts of one price: they are sold as the same'
            yield Contradiction((*path, its, "acts_as"), sentence, (*path, mine, "acts_as"))


def _supplier_contradictions(path: Path, row: ShareRow) -> Iterator[Contradiction]:
    """A supplier's tranche of what nobody supplied."""
    if all(kind is Revenue.MATERIALS for kind in row.revenues):
        return
    slices = (*row.tranches, *(tranche for tier in row.volumes for tranche in tier.tranches))
    if any(tranche.to is Recipient.SUPPLIER for tranche in slices):
        yield Contradiction(path, 'only "materials" have a supplier')


def _volume_contradictions(path: Path, row: ShareRow, parties: Collection[str]) -> Iterator[Contradiction]:
    other = sorted(kind.value for kind in row.revenues if kind not in BY_CASE)
    if row.volumes and other:
        words = " and ".join(f'"{kind}"' for kind in other)
        yield Contradiction((*path, "volumes"), f"only what cases earn is shared by volume, not {words}")
    for number, tier in enumerate(row.volumes):
        here = (*path, "volumes", number)
        yield from _tranche_contradictions((*here, "tranches"), tier.tranches, parties)
        if number and Decimal(tier.above) <= Decimal(row.volumes[number - 1].above):
            before = (*path, "volumes", number - 1, "above")
            yield Contradiction((*here, "above"), "each volume is higher than the one before", before)


def _tranche_contradictions(
    path: Path, tranches: Sequence[Tranche], parties: Collection[str]
) -> Iterator[Contradiction]:
    total = sum(each.bp for each in tranches)
    if total != WHOLE_BP:
        yield Contradiction(path, f"the tranches sum to {total} basis points instead of {WHOLE_BP}")
    for number, tranche in enumerate(tranches):
        yield from unknown((*path, number, "party"), [tranche.party], parties, "the parties")
        if tranche.cap and tranche.floor and Decimal(tranche.floor) > Decimal(tranche.cap):
            here = (*path, number)
            yield Contradiction((*here, "floor"), "the floor is above the cap", (*here, "cap"))
    for key in ("cap", "floor"):
        if getattr(tranches[-1], key) is not None:
            yield Contradiction((*path, len(tranches) - 1, key), f"the last tranche takes the rest and has no {key}")
    kinds = [each.to for each in tranches]
    for kind in (Recipient.WORKED_TIME, Recipient.RESOLVER, Recipient.SELLER):
        if kinds.count(kind) > 1:
            yield Contradiction(path, f'two tranches go to "{kind}"; write one')


def weight_contradictions(path: Path, weights: Weights) -> Iterator[Contradiction]:
    """Weights that do not sum to the whole."""
    total = weights.integrator_bp + weights.manufacturer_bp
    if total != WHOLE_BP:
        yield Contradiction(path, f"the weights sum to {total} basis points instead of {WHOLE_BP}")


def resolution_contradictions(path: Path, rows: Sequence[ResolutionRow]) -> Iterator[Contradiction]:
    """Rows whose weights do not sum, and rows that never apply."""
    for number, row in enumerate(rows):
        yield from weight_contradictions((*path, number), row)
    yield from never_applying(path, rows, ("causes", "last_actions"))
