"""What a draft makes of a case: the facts of its bill under other documents, rated, cut and shared as bills are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from portal.billing.facts import CLOSING, BillingFacts, tariff_of, up_to
from portal.billing.rules import ItemPart, included_seconds, lines_of, parts_by_payer, worth_minor
from portal.billing.splitting import UsedPack, split
from portal.billing.volumes import Volumes
from portal.cases.models import Resolution
from portal.contracts.discounts import discount_bearer
from portal.contracts.rules import table_weights
from portal.contracts.sharing import UNDETERMINED, Share, settle_undetermined
from portal.entitlement.queries import Terms
from portal.errors import RuleBroken
from portal.rating.engine import rate
from portal.rating.facts import INTEGRATOR, RateKey
from portal.rating.lines import Line, RatedCase, difference
from portal.rating.tariff import Row, Tariff
from portal.whatif.reading import Billed
from portal.whatif.rules.values import Figure, LineKey, Outcome


@dataclass
class _Sums:
    """An outcome while it is added up, cut by cut."""

    by_payer: dict[int, int]
    lines: dict[LineKey, Figure]
    shares: dict[int | None, int]
    use_minor: int
    rounded: list[int]


def draft_outcome(facts: BillingFacts, billed: Sequence[Billed], volumes: Volumes) -> Outcome:
    """What the items that the period holds would come to by these facts; ``volumes`` as they were, by ledger period.

    *Raises*: RuleBroken when the documents cannot bill the case.
    """
    instants = _instants(billed)
    try:
        return _outcome(facts, instants, volumes)
    except _BelowZero:
        # A cut that would take back more than it bills is billed together with those before it.
        asked = [rows for rows in instants if rows[0].is_asked]
        before = [rows for rows in instants if not rows[0].is_asked]
        earlier = [row for rows in asked[:-1] for row in rows]
        return _outcome(facts, [*before, [*asked[-1], *earlier]], volumes)


class _BelowZero(RuleBroken):
    """A later cut of the case would take back money."""


def as_drafted(facts: BillingFacts, signed: Terms, resolution: Resolution | None, product_line: str) -> BillingFacts:
    """The facts with what the signed documents had decided about them decided by the draft.

    A price that the payer had accepted is the draft's for the same work; weights that the signed table gave are those
    of the draft's table.
    """
    drafted = facts.documents
    accepted = facts.facts.accepted_rates
    if accepted:
        before = tariff_of(signed, product_line)
        prices = {key: _accepted(key, price, before, facts.tariff) for key, price in accepted.items()}
        facts = replace(facts, facts=replace(facts.facts, accepted_rates=prices))
    weights = facts.outcome.weights
    if resolution is None or weights is None:
        return facts
    words = {"cause": resolution.cause, "last_action": resolution.last_action}
    if table_weights(signed.policy, signed.agreement, **words) == weights:
        by_draft = table_weights(drafted.policy, drafted.agreement, **words)
        facts = replace(facts, outcome=replace(facts.outcome, weights=by_draft or weights))
    return facts


def _accepted(key: RateKey, price: Fraction, signed: Tariff, draft: Tariff) -> Fraction:
    """The draft's price where the accepted one was a price of the signed tariff; what was free stays free."""
    for plan in signed.timetables:
        row = _row(signed, plan, key)
        if row is not None and Fraction(row.rate_num, row.rate_den) == price:
            other = _row(draft, plan, key)
            return price if other is None else Fraction(other.rate_num, other.rate_den)
    return price


def _row(tariff: Tariff, plan: str, key: RateKey) -> Row | None:
    if plan not in tariff.timetables:
        return None
    try:
        return tariff.row(plan, key.mode, key.task_class, key.band)
    except RuleBroken:
        return None


def _instants(billed: Sequence[Billed]) -> list[list[Billed]]:
    """The items in order, those of one instant of the case together."""
    found: list[list[Billed]] = []
    for row in billed:
        if found and (found[-1][0].cut.kind, found[-1][0].cut.cut_at) == (row.cut.kind, row.cut.cut_at):
            found[-1].append(row)
        else:
            found.append([row])
    return found


def _outcome(facts: BillingFacts, instants: Sequence[Sequence[Billed]], volumes: Volumes) -> Outcome:
    sums = _Sums({}, {}, {}, 0, [])
    before: dict[str, RatedCase] = {}
    for rows in instants:
        # The facts of a closing are all of the case's.
        of_cut = facts if rows[0].cut.kind == CLOSING else up_to(facts, rows[0].cut)
        if shared_by := volumes[rows[0].period_id]:
            of_cut = replace(of_cut, volumes=shared_by)
        parts = parts_by_payer(rate(of_cut.facts, of_cut.work, of_cut.grants, of_cut.tariff))
        if rows[0].is_asked:
            for part in parts:
                _add(sums, of_cut, part, before.get(part.payer), rows)
            for side in before.keys() - {part.payer for part in parts}:
                if before[side].amount_minor:
                    raise _BelowZero("A later bill of this case would be below zero.")
        before = {part.payer: part.rated for part in parts}
    return Outcome(sums.by_payer, sums.lines, sums.shares, sums.use_minor, tuple(sums.rounded))


def _add(sums: _Sums, facts: BillingFacts, part: ItemPart, earlier: RatedCase | None, rows: Sequence[Billed]) -> None:
    lines = difference(part.rated.lines, lines_of(earlier))
    amount_minor = sum(line.amount_minor for line in lines)
    if amount_minor < 0:
        raise _BelowZero("A later bill of this case would be below zero.")
    policy = facts.documents.policy
    use = worth_minor(policy, included_seconds(part.rated)) - worth_minor(policy, included_seconds(earlier))
    payer_id = facts.case.integrator_id if part.payer == INTEGRATOR else facts.case.customer_id
    sums.by_payer[payer_id] = sums.by_payer.get(payer_id, 0) + amount_minor
    # What packs earn by their use is what it was: it is a part of the price that was paid, whatever an hour costs.
    packs = [pack for row in rows if row.payer_id == payer_id for pack in row.packs]
    sums.use_minor += max(use, 0) + sum(pack.minor for pack in packs)
    decided_later = any(row.decided_later for row in rows)
    for line in lines:
        key = LineKey(line.kind, line.key.mode, line.key.task_class, line.key.band)
        known = sums.lines.get(key, Figure())
        sums.lines[key] = Figure(known.seconds + line.seconds, known.minor + line.amount_minor)
    for share in _shares(facts, part, lines, (amount_minor, max(use, 0)), packs, decided_later=decided_later):
        party_id = None if share.party == UNDETERMINED else facts.parties[share.party]
        if share.amount_minor:
            sums.shares[party_id] = sums.shares.get(party_id, 0) + share.amount_minor
        elif party_id is not None:
            sums.rounded.append(party_id)


def _shares(
    facts: BillingFacts,
    part: ItemPart,
    lines: Sequence[Line],
    minors: tuple[int, int],
    packs: Sequence[UsedPack],
    *,
    decided_later: bool,
) -> list[Share]:
    """Who gets what; where it was so, the resolvers' part apart from the rest, as it was divided then."""
    weights = facts.outcome.weights
    # Where somebody bears the discount of a pack that was used, all shares are decided together.
    borne = discount_bearer(facts.documents.agreement, "") is not None and any(pack.discount_minor for pack in packs)
    apart = decided_later and weights is not None and not borne
    asked = replace(facts, outcome=replace(facts.outcome, weights=None)) if apart else facts
    amount_minor, use_minor = minors
    found = split(
        asked, facts.parties, lines, payer=part.payer, amount_minor=amount_minor, use_minor=use_minor, packs=packs
    )
    if not apart or weights is None:
        return list(found)
    policy, agreement = facts.documents.policy, facts.documents.agreement
    return [
        settled
        for share in found
        for settled in (
            settle_undetermined(policy, agreement, share, weights, has_integrator=facts.has_integrator)
            if share.party == UNDETERMINED
            else (share,)
        )
    ]
