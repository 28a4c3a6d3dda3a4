"""The reference: what the accounts hold after each operation, in whole cents, by rules written down a second time.

Debits are positive. Parties are "factory" (manufacturer and operator in one), "integrator" and "customer". Nothing of
the portal is imported: dividing is done here by its own small implementations.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

FACTORY, INTEGRATOR, CUSTOMER, NOBODY = "factory", "integrator", "customer", ""
# Whom the shares of a bill go to, in the order of the agreement: integrator, manufacturer, operator.
PARTIES = (INTEGRATOR, FACTORY, FACTORY)
HOUR = 3600
PER_HOUR = 15_000
OPERATOR_CAP = 2_500
MINIMUM_PAYOUT = 5_000
DISPUTE_FEE = 1_500
# For so long after a payment a party's share of it may be taken back; later the factory bears it.
CLAW_BACK_SECONDS = 180 * 24 * 3600
# What expires of a pack: 3 % operator, 15 % seller, 40 % manufacturer, 42 % by 40 to 60.
BREAKAGE = (3_180, 6_520, 300)


def by_remainder(amount: int, weights: Sequence[Fraction | int]) -> list[int]:
    """Hamilton: everybody's whole part, then a cent each to the largest remainders, the first of equals first."""
    whole = sum(weights, Fraction(0))
    exact = [amount * Fraction(weight) / whole for weight in weights]
    parts = [int(each) for each in exact]
    rest = [(parts[at] - exact[at], at) for at in range(len(exact))]
    for _, at in sorted(rest)[: amount - sum(parts)]:
        parts[at] += 1
    return parts


def by_ranking(amount: int, weights: Sequence[int]) -> list[int]:
    """Webster, one cent after the other from where nobody can have too much: the next goes to the best claim."""
    if not amount:
        return [0] * len(weights)
    whole = sum(weights)
    # No divisor method gives a party less than its quota by as many cents as there are parties.
    parts = [max(0, amount * weight // whole - len(weights)) for weight in weights]
    while sum(parts) < amount:
        claims = [(-Fraction(weight, 2 * parts[at] + 1), at) for at, weight in enumerate(weights)]
        parts[min(claims)[1]] += 1
    return parts


def card_fee(amount: int) -> int:
    """2.9 %, the half cent up, and 30 cents."""
    return (amount * 290 + 5_000) // 10_000 + 30


@dataclass
class Pack:
    """Hours that were bought."""

    id: int
    price: int
    seconds: int
    on_invoice: bool
    # Work before it was bought does not use it.
    since: float = 0
    drawn: int = 0
    used: int = 0
    expired: bool = False

    @property
    def left(self) -> int:
        """Seconds that may still be used."""
        return 0 if self.expired else self.seconds - self.drawn


@dataclass
class Use:
    """What a case earned of a pack."""

    pack: Pack
    seconds: int
    minor: int
    parts: list[int]


@dataclass
class Case:
    """Work of one person: what it costs, who has what of it, and what cash has made payable of that."""

    id: int
    worker: str
    integrator_bp: int
    seconds: int
    started: float
    item: int = 0
    amount: int = 0
    shares: list[int] = field(default_factory=lambda: [0, 0, 0])
    applied: list[int] = field(default_factory=lambda: [0, 0, 0])
    taken: list[int] = field(default_factory=lambda: [0, 0, 0])
    uses: list[Use] = field(default_factory=list)
    # What stands on an invoice of it, and what of that is to be credited.
    charged: int = 0
    to_credit: int = 0
    to_charge: int = 0


@dataclass
class Receipt:
    """A payment of an invoice."""

    id: int
    amount: int
    by_card: bool
    paid_at: float = 0
    refunded: int = 0
    dispute: str = ""


@dataclass
class Invoice:
    """Lines as (kind, row, amount): "case" or "pack"; what was taken off each, and what was paid."""

    id: int
    lines: list[tuple[str, Case | Pack, int]]
    reduced: list[int]
    receipts: list[Receipt] = field(default_factory=list)

    @property
    def total(self) -> int:
        """What is owed at first."""
        return sum(amount for _, _, amount in self.lines)

    @property
    def open(self) -> int:
        """What is not paid yet."""
        return self.total - sum(receipt.amount for receipt in self.receipts)

    @property
    def charged(self) -> list[int]:
        """The lines that cost something, by their place."""
        return [at for at, (_, _, amount) in enumerate(self.lines) if amount > 0]

    @property
    def rest(self) -> int:
        """What can still be taken off."""
        return sum(self.lines[at][2] - self.reduced[at] for at in self.charged)


@dataclass
class Statement:
    """A party's statement; ``contested`` gives the amount and end of each contested line."""

    id: int
    party: str
    net: int
    contested: dict[int, tuple[int, str]] = field(default_factory=dict)
    prepared: list[tuple[str, int]] | None = None
    disposed: bool = False
    held: dict[int, int] = field(default_factory=dict)


@dataclass
class Transfer:
    """Money that went to the integrator, and what of it came back."""

    amount: int
    back: int = 0


@dataclass
class Debt:
    """What the integrator could not give back at once."""

    rest: int


@dataclass
class Loss:
    """What a refund or chargeback took: per line, per share of a case or whole; and per party."""

    invoice: Invoice
    by_line: dict[int, int]
    by_share: dict[int, list[int]]
    by_party: Counter[str]


class Model:
    """All accounts and what they are made of."""

    def __init__(self) -> None:
        self.accounts: Counter[tuple[str, str]] = Counter()
        self.packs: list[Pack] = []
        self.cases: list[Case] = []
        self.invoices: list[Invoice] = []
        self.statements: list[Statement] = []
        self.transfers: list[Transfer] = []
        self.debts: list[Debt] = []
        self.disputes: dict[int, Loss] = {}
        self.queue: list[int] = []
        self.party_invoices: list[int] = []
        self.is_restricted = False

    def move(self, amount: int, debit: str, credit: str, to: str = NOBODY, out_of: str = NOBODY) -> None:
        """Debit one account and credit another."""
        self.accounts[debit, to] += amount
        self.accounts[credit, out_of] -= amount

    def standing(self) -> dict[tuple[str, str], int]:
        """The accounts that hold something."""
        return {account: minor for account, minor in self.accounts.items() if minor}

    def payable(self, party: str) -> int:
        """What a party has coming."""
        return -self.accounts["payable", party]

    # Sales and work

    def fund(self, amount: int) -> None:
        """The operator tops its Stripe balance up."""
        self.move(amount, "stripe_clearing", "bank")

    def buy(self, pack: Pack) -> None:
        """A pack is sold, paid at once or with the next invoice."""
        self.packs.append(pack)
        paid = ("receivable_unbilled", CUSTOMER) if pack.on_invoice else ("bank", NOBODY)
        self.move(pack.price, paid[0], "deferred_revenue", paid[1], CUSTOMER)

    def hours_left(self) -> int:
        """Seconds of all packs."""
        return sum(pack.left for pack in self.packs)

    def bill(self, case: Case) -> None:
        """Hours that were bought first, the oldest first; the rest is owed."""
        rest = case.seconds
        case.uses = []
        for pack in self.packs:
            seconds = min(rest, pack.left) if pack.since <= case.started else 0
            if seconds:
                rest -= seconds
                case.uses.append(self._use(case, pack, seconds))
        case.amount = rest * PER_HOUR // HOUR
        case.shares, case.applied = _time_shares(case), [0, 0, 0]
        self._accrue(case, 1)
        case.to_charge = case.amount

    def _use(self, case: Case, pack: Pack, seconds: int) -> Use:
        pack.drawn += seconds
        minor = max(by_ranking(pack.price, [pack.drawn, pack.seconds - pack.drawn])[0] - pack.used, 0)
        pack.used += minor
        weights = [9_700, 0, 300] if case.worker == INTEGRATOR else [1_200, 8_500, 300]
        parts = by_remainder(minor, weights) if minor else [0, 0, 0]
        for party, part in zip(PARTIES, parts, strict=True):
            self.move(part, "deferred_revenue", "payable", CUSTOMER, party)
        return Use(pack, seconds, minor, parts)

    def _accrue(self, case: Case, sign: int) -> None:
        for party, part in zip(PARTIES, case.shares, strict=True):
            self.move(sign * part, "receivable_unbilled", "payable_accrued", CUSTOMER, party)

    def correct(self, case: Case, seconds: int) -> None:
        """What was billed is taken back and billed again."""
        for use in case.uses:
            use.pack.drawn -= use.seconds
            use.pack.used -= use.minor
            for party, part in zip(PARTIES, use.parts, strict=True):
                self.move(-part, "deferred_revenue", "payable", CUSTOMER, party)
        self._apply(case, [0, 0, 0])
        self._accrue(case, -1)
        if case.charged:
            case.to_credit += case.charged
            case.charged = 0
        case.seconds = seconds
        self.bill(case)
        self._fund_connected([invoice for invoice in self.invoices if _bills(invoice, case)], needs_cash=True)

    def expire(self, pack: Pack) -> None:
        """What nobody used is earned; the last cent with it."""
        pack.expired = True
        rest = pack.price - pack.used
        if pack.drawn == pack.seconds or not rest:
            return
        for party, part in zip(PARTIES, by_remainder(rest, BREAKAGE), strict=True):
            self.move(part, "deferred_revenue", "payable", CUSTOMER, party)

    # Invoices and cash

    def to_invoice(self) -> list[tuple[str, Case | Pack, int]]:
        """The lines of the next invoice: credits, packs, work; nothing where nobody would owe anything."""
        on_invoices = {id(row) for invoice in self.invoices for _, row, _ in invoice.lines}
        lines: list[tuple[str, Case | Pack, int]] = []
        lines += [("case", case, -case.to_credit) for case in self.cases if case.to_credit]
        lines += [("pack", pack, pack.price) for pack in self.packs if pack.on_invoice and id(pack) not in on_invoices]
        work = [case for case in self.cases if case.to_charge]
        lines += [("case", case, case.to_charge) for case in sorted(work, key=lambda case: case.item)]
        return lines if sum(amount for _, _, amount in lines) > 0 else []

    def invoice(self, number: int) -> None:
        """What is owed becomes an invoice."""
        lines = self.to_invoice()
        made = Invoice(number, lines, [0] * len(lines))
        for kind, row, amount in lines:
            if kind == "case" and isinstance(row, Case):
                if amount < 0:
                    row.to_credit = 0
                else:
                    row.charged, row.to_charge = amount, 0
        self.invoices.append(made)
        self.move(made.total, "receivable", "receivable_unbilled", CUSTOMER, CUSTOMER)

    def pay(self, invoice: Invoice, receipt: Receipt) -> None:
        """Cash makes shares payable."""
        invoice.receipts.append(receipt)
        fee = card_fee(receipt.amount) if receipt.by_card else 0
        place = "stripe_clearing" if receipt.by_card else "bank"
        self.move(receipt.amount - fee, place, "receivable", NOBODY, CUSTOMER)
        self.move(fee, "fees", "receivable", NOBODY, CUSTOMER)
        self._fund_connected([invoice])

    def _fund_connected(self, invoices: list[Invoice], *, needs_cash: bool = False) -> None:
        if needs_cash and not any(invoice.receipts for invoice in invoices):
            return
        found = list(invoices)
        for invoice in found:
            cases = [row for _, row, _ in invoice.lines if isinstance(row, Case)]
            found += [other for other in self.invoices if other not in found and any(_bills(other, c) for c in cases)]
        funded = self._funding(sorted(found, key=lambda invoice: invoice.id))
        for case in (case for case in self.cases if any(_bills(invoice, case) for invoice in found)):
            self._apply(case, by_ranking(funded.get(case.id, 0), case.shares) if case.amount else [0, 0, 0])

    def _funding(self, invoices: list[Invoice]) -> dict[int, int]:
        """How much of each case is paid: an invoice's cash, with what the cases it credits were paid too much."""
        funded: dict[int, int] = {}
        too_much: Counter[int] = Counter()
        for invoice in invoices:
            nets: dict[tuple[str, int], int] = {}
            for kind, row, amount in invoice.lines:
                nets[kind, row.id] = nets.get((kind, row.id), 0) + amount
            pool = sum(receipt.amount for receipt in invoice.receipts)
            for (_, number), net in nets.items():
                if net < 0:
                    pool += too_much.pop(number, 0)
            owing = [(key, net) for key, net in nets.items() if net > 0]
            parts = by_ranking(min(pool, sum(net for _, net in owing)), [net for _, net in owing])
            for ((kind, number), _), part in zip(owing, parts, strict=True):
                if kind == "case":
                    owed = next(case.amount for case in self.cases if case.id == number)
                    reached = funded.get(number, 0) + part
                    funded[number] = min(reached, owed)
                    too_much[number] += reached - funded[number]
        return funded

    def _apply(self, case: Case, parts: list[int]) -> None:
        for party, now, before in zip(PARTIES, parts, case.applied, strict=True):
            self.move(now - before, "payable_accrued", "payable", party, party)
        case.applied = parts

    # Money that goes back

    def may_go_back(self, invoice: Invoice) -> bool:
        """Whether nothing on the invoice was corrected, which the machine leaves out."""
        return all(
            amount > 0 and (not isinstance(row, Case) or row.charged == amount) for _, row, amount in invoice.lines
        )

    def is_adjusted(self, case: Case) -> bool:
        """Whether something was taken off an invoice of the case, or its bank has its payment."""
        return any(
            any(invoice.reduced) or any(receipt.refunded or receipt.dispute for receipt in invoice.receipts)
            for invoice in self.invoices
            if _bills(invoice, case)
        )

    def loss(self, invoice: Invoice, amount: int, *, is_late: bool) -> Loss:
        """Who loses what: lines by what they cost, shares by what they were, packs by the factory alone."""
        lines, costs = invoice.charged, [invoice.lines[at][2] for at in invoice.charged]
        before = [invoice.reduced[at] for at in lines]
        reached = by_ranking(sum(before) + amount, costs)
        parts = [now - then for now, then in zip(reached, before, strict=True)]
        loss = Loss(invoice, dict(zip(lines, parts, strict=True)), {}, Counter())
        for at, minor in loss.by_line.items():
            row = invoice.lines[at][1]
            if isinstance(row, Pack):
                loss.by_party[FACTORY] += minor
                continue
            left = by_ranking(row.amount - sum(row.taken) - minor, row.shares)
            parts = [share - keeps - gone for share, keeps, gone in zip(row.shares, left, row.taken, strict=True)]
            loss.by_share[at] = parts
            for party, part in zip(PARTIES, parts, strict=True):
                loss.by_party[FACTORY if is_late and part > 0 else party] += part
        return loss

    def _book_loss(self, loss: Loss, sign: int) -> None:
        for at, minor in loss.by_line.items():
            loss.invoice.reduced[at] += sign * minor
        for at, parts in loss.by_share.items():
            row = loss.invoice.lines[at][1]
            if isinstance(row, Case):
                row.taken = [gone + sign * part for gone, part in zip(row.taken, parts, strict=True)]

    def refund(self, invoice: Invoice, receipt: Receipt, amount: int, now: float, *, is_refused: bool = False) -> None:
        """Shares are taken back, what was paid out comes back from a transfer or is owed, the payer gets its money.

        Where Stripe refuses, the parties have coming again what they lost, also what had come back from a transfer.
        """
        loss = self.loss(invoice, amount, is_late=now > receipt.paid_at + CLAW_BACK_SECONDS)
        self._book_loss(loss, 1)
        had = self.payable(INTEGRATOR)
        for party, minor in loss.by_party.items():
            self.move(minor, "payable", "refunds_promised", party, CUSTOMER)
        self._claw_back(loss.by_party[INTEGRATOR], had)
        if is_refused:
            self._book_loss(loss, -1)
            for party, minor in loss.by_party.items():
                self.move(minor, "refunds_promised", "payable", CUSTOMER, party)
            return
        receipt.refunded += amount
        self.move(amount, "refunds_promised", "stripe_clearing", CUSTOMER)

    def _claw_back(self, lost: int, had: int) -> None:
        short = lost - min(max(had, 0), lost)
        if short <= 0:
            return
        for transfer in reversed(self.transfers):
            if transfer.amount - transfer.back >= short:
                transfer.back += short
                self.move(short, "stripe_clearing", "payable", NOBODY, INTEGRATOR)
                return
        self.debts.append(Debt(short))
        self.move(short, "receivable_party", "payable", INTEGRATOR, INTEGRATOR)

    def charge_back(self, invoice: Invoice, receipt: Receipt, now: float) -> None:
        """The bank takes a payment and Stripe its fee; the shares are held."""
        amount = receipt.amount - receipt.refunded
        receipt.dispute = "open"
        self.move(amount, "disputed", "stripe_clearing", CUSTOMER)
        self.move(DISPUTE_FEE, "fees", "stripe_clearing")
        is_late = now > receipt.paid_at + CLAW_BACK_SECONDS
        loss = self.loss(invoice, min(amount, invoice.rest), is_late=is_late)
        self._book_loss(loss, 1)
        for party, minor in loss.by_party.items():
            self.move(minor, "payable", "held", party, party)
        self.disputes[receipt.id] = loss

    def end_dispute(self, receipt: Receipt, *, won: bool) -> None:
        """The bank gives the payment back, or keeps it."""
        loss = self.disputes.pop(receipt.id)
        amount = receipt.amount - receipt.refunded
        if won:
            receipt.dispute = "won"
            self.move(amount, "stripe_clearing", "disputed", NOBODY, CUSTOMER)
            self._book_loss(loss, -1)
            for party, minor in loss.by_party.items():
                self.move(-minor, "payable", "held", party, party)
            return
        receipt.dispute = "lost"
        for party, minor in loss.by_party.items():
            self.move(minor, "held", "disputed", party, CUSTOMER)
        self.move(amount - sum(loss.by_party.values()), "payable", "disputed", FACTORY, CUSTOMER)
        lost = loss.by_party[INTEGRATOR]
        self._claw_back(lost, self.payable(INTEGRATOR) + lost)

    # Settlement

    def close(self) -> dict[str, int]:
        """What was held comes back, what is owed is netted; each party's net of what is on no statement yet."""
        for statement in self.statements:
            for line, minor in list(statement.held.items()):
                if statement.contested[line][1]:
                    del statement.held[line]
                    self.move(minor, "held", "payable", statement.party, statement.party)
        for debt in self.debts:
            part = min(max(self.payable(INTEGRATOR), 0), debt.rest)
            debt.rest -= part
            self.move(part, "payable", "receivable_party", INTEGRATOR, INTEGRATOR)
        return {party: self.payable(party) - self.undisposed(party) for party in (FACTORY, INTEGRATOR)}

    def undisposed(self, party: str) -> int:
        """What stands on statements of which nothing has become yet."""
        return sum(one.net for one in self.statements if one.party == party and not one.disposed)

    def plan(self, statement: Statement) -> list[tuple[str, int]]:
        """What becomes of a statement: contested lines are held, the rest is paid, carried, taken back or invoiced."""
        held = [minor for minor, end in statement.contested.values() if minor and end in ("", "corrected")]
        parts = [("held", sum(held))] if held else []
        rest = statement.net - sum(held)
        if not rest:
            return parts
        if statement.party == FACTORY:
            return [*parts, ("retained", rest)]
        if abs(rest) < MINIMUM_PAYOUT:
            return [*parts, ("carried", rest)]
        if rest > 0:
            return [*parts, ("transferred", rest)]
        holds = any(transfer.amount - transfer.back >= -rest for transfer in self.transfers)
        return [*parts, ("transferred" if holds else "invoiced", rest)]

    def dispose(self, statement: Statement) -> None:
        """Carry out what was approved."""
        statement.disposed = True
        party = statement.party
        for kind, minor in statement.prepared or []:
            if kind == "held":
                statement.held = {
                    line: part for line, (part, end) in statement.contested.items() if part and end in ("", "corrected")
                }
                self.move(minor, "payable", "held", party, party)
            elif kind == "retained":
                self.move(minor, "payable", "retained", party, party)
            elif kind == "transferred" and minor > 0:
                self.move(minor, "payable", "payable_in_transfer", party, party)
                self.queue.append(minor)
            elif kind == "transferred":
                transfer = next(one for one in reversed(self.transfers) if one.amount - one.back >= -minor)
                transfer.back -= minor
                self.move(-minor, "stripe_clearing", "payable", NOBODY, party)
            elif kind == "invoiced":
                self.move(-minor, "receivable_party", "payable", party, party)
                self.party_invoices.append(-minor)
        self.send()

    def send(self) -> None:
        """Transfers that wait leave, the oldest first, where the account may receive them."""
        while self.queue and not self.is_restricted:
            minor = self.queue.pop(0)
            self.transfers.append(Transfer(minor))
            self.move(minor, "payable_in_transfer", "stripe_clearing", INTEGRATOR)

    def pay_net(self) -> int:
        """The integrator pays the oldest invoice of a net that it owes, by card."""
        minor = self.party_invoices.pop(0)
        self.move(minor - card_fee(minor), "stripe_clearing", "receivable_party", NOBODY, INTEGRATOR)
        self.move(card_fee(minor), "fees", "receivable_party", NOBODY, INTEGRATOR)
        return minor


def _time_shares(case: Case) -> list[int]:
    """Operator 3 % up to its cap, seller 7 % and what the cap left, 70 % who worked, 20 % who resolved."""
    if not case.amount:
        return [0, 0, 0]
    operator = min(Fraction(case.amount * 3, 100), Fraction(OPERATOR_CAP))
    worked, solved = Fraction(case.amount * 70, 100), Fraction(case.amount * 20, 100)
    integrator = solved * case.integrator_bp / 10_000 + (worked if case.worker == INTEGRATOR else 0)
    return by_remainder(case.amount, [integrator, case.amount - operator - integrator, operator])


def _bills(invoice: Invoice, case: Case) -> bool:
    return any(row is case for _, row, _ in invoice.lines)
