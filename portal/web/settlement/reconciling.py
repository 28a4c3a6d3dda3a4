"""The four books by day, the differences between them as work, and what the bank's statement shows."""

from __future__ import annotations

from datetime import date

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import FileStorage
from wtforms import DateField, FileField
from wtforms.validators import InputRequired

from portal.errors import Invalid, NotFound
from portal.identity import queries as people
from portal.money import parse_amount
from portal.settlement import differences, tie_out
from portal.settlement.bank_statements import take_bank_file
from portal.web.forms import Form, line_field, page, refusals_of, text_field
from portal.web.gate import current_actor, current_now, current_session, current_zone, open_to
from portal.web.settlement.blueprint import blueprint, may_settle

LARGEST_BANK_FILE_BYTES = 10 * 1024 * 1024

# What differs, and what to do about it.
KINDS = {
    "movement_unposted": (
        "Moved at Stripe, not in the journal",
        "Find out at Stripe what it was: book it as a fee or adjustment, or have its event handled.",
    ),
    "movement_amount": (
        "Another amount at Stripe than in the journal",
        "Stripe's balance is what is there: book what the journal lacks.",
    ),
    "fee_amount": ("Another fee at Stripe than in the journal", "Compare the charge at Stripe; say why it stays."),
    "movement_repeated": (
        "Moved more than once at Stripe for one posting",
        "Have the second one taken back at Stripe; it goes by itself then.",
    ),
    "posting_unmoved": (
        "In the journal, not moved at Stripe",
        "Look the object up at Stripe; book it back when it never moved.",
    ),
    "transfer_unapproved": (
        "Transferred another amount than was approved",
        "Compare the statement's approval; have the transfer taken back at Stripe or say why it stands.",
    ),
    "bank_unseen": ("Not on the bank's statement", "Record the bank's line when it is there."),
    "bank_unknown": (
        "On the bank's statement, not in the journal",
        "Find out what it was: book a fee or charge of the bank's, or record the payment it brings.",
    ),
    "bank_amount": ("Another amount on the bank's statement", "Ask the bank; say why it stays."),
}
BOOKS = {
    "stripe": "Stripe",
    "journal": "Journal",
    "approved": "Approved",
    "sent": "Sent",
    "booked": "Bank, booked",
    "seen": "Bank, seen",
}
OUTCOMES = {"gone": "Gone by itself", "booked": "Booked", "accepted": "Accepted as it is"}


class ReasonForm(Form):
    explanation = text_field("Why", required="Say why.", limit=differences.LONGEST_REASON)


class BankLineForm(Form):
    amount = line_field("Amount", required="The amount on the bank's statement.", limit=30)
    booked_on = DateField("Booked on", validators=[InputRequired("The day on the bank's statement.")])
    reference = line_field("Reference", required="The bank's reference.", limit=differences.LONGEST_REFERENCE)


class BankFileForm(Form):
    file = FileField("File of the bank")


@blueprint.get("/reconciliation")
@open_to(may_settle)
def reconciliation() -> ResponseReturnValue:
    session, actor = current_session(), current_actor()
    rows = tie_out.open_differences(session, actor)
    return render_template(
        "settlement/reconciliation.html",
        days=tie_out.tied_days(session, actor, zone=str(current_zone())),
        differences=rows,
        owners=people.names(session, {row.owner_id for row in rows if row.owner_id}),
        bank=tie_out.waiting_for_bank(session, actor),
        fees=tie_out.fees_by_kind(session, actor),
        kinds=KINDS,
    )


@blueprint.get("/reconciliation/<on>/<currency>")
@open_to(may_settle)
def reconciled_day(on: str, currency: str) -> ResponseReturnValue:
    try:
        day = date.fromisoformat(on)
    except ValueError as error:
        raise NotFound from error
    moves = tie_out.moves_of_day(current_session(), current_actor(), day, currency, zone=str(current_zone()))
    return render_template(
        "settlement/day.html",
        on=day,
        currency=currency,
        books=[(book, title, [row for row in moves if row["book"] == book]) for book, title in BOOKS.items()],
    )


@blueprint.get("/differences/<int:difference_id>")
@open_to(may_settle)
def difference(difference_id: int) -> ResponseReturnValue:
    return _difference_page(difference_id, ReasonForm())


@blueprint.post("/differences/<int:difference_id>/owner")
@open_to(may_settle)
def own_difference(difference_id: int) -> ResponseReturnValue:
    differences.own_difference(current_session(), current_actor(), difference_id, now=current_now())
    flash("You look after it now.", "good")
    return redirect(url_for("settlement.difference", difference_id=difference_id), code=303)


@blueprint.post("/differences/<int:difference_id>/acceptance")
@open_to(may_settle)
def accept_difference(difference_id: int) -> ResponseReturnValue:
    session, actor, form = current_session(), current_actor(), ReasonForm()
    differences.difference_seen(session, actor, difference_id)
    if form.validate_on_submit():
        with refusals_of(form):
            explanation = form.explanation.data
            differences.accept_difference(session, actor, difference_id, explanation=explanation, now=current_now())
            flash("The difference is accepted; it stays in the list of its day with your reason.", "good")
            return redirect(url_for("settlement.reconciliation"), code=303)
    return _difference_page(difference_id, form)


@blueprint.post("/differences/<int:difference_id>/booking")
@open_to(may_settle)
def book_difference(difference_id: int) -> ResponseReturnValue:
    session, actor, form = current_session(), current_actor(), ReasonForm()
    differences.difference_seen(session, actor, difference_id)
    if form.validate_on_submit():
        with refusals_of(form):
            differences.request_booking(session, actor, difference_id, explanation=form.explanation.data)
            flash("It is booked in a moment, against Stripe's fees.", "good")
            return redirect(url_for("settlement.reconciliation"), code=303)
    return _difference_page(difference_id, form)


def _difference_page(difference_id: int, form: ReasonForm) -> ResponseReturnValue:
    session, actor = current_session(), current_actor()
    found = differences.difference_seen(session, actor, difference_id)
    end = differences.end_of(session, found.id)
    owner_id = tie_out.owner_of(session, found.id)
    known = {each for each in (owner_id, end.ended_by if end else None) if each}
    return page(
        "settlement/difference.html",
        form,
        difference=found,
        says=KINDS[found.kind],
        end=end,
        owner_id=owner_id,
        names=people.names(session, known),
        outcomes=OUTCOMES,
        is_bookable=differences.is_bookable(session, found),
        transaction_id=tie_out.transaction_of(session, found.subject),
        posting_id=int(found.subject.split()[1]) if found.kind == "bank_unseen" else None,
    )


@blueprint.route("/bank-postings/<int:posting_id>/line", methods=["GET", "POST"])
@open_to(may_settle)
def bank_line(posting_id: int) -> ResponseReturnValue:
    session, actor, form = current_session(), current_actor(), BankLineForm()
    posting = differences.bank_posting_seen(session, actor, posting_id)
    if form.validate_on_submit():
        with refusals_of(form):
            differences.record_bank_line(
                session,
                actor,
                posting_id,
                amount_minor=_amount(form.amount.data, posting.currency),
                booked_on=form.booked_on.data,
                reference=form.reference.data,
                now=current_now(),
            )
            flash("The bank's line is recorded.", "good")
            return redirect(url_for("settlement.reconciliation"), code=303)
    return page("settlement/bank_line.html", form, posting=posting)


@blueprint.route("/bank-statement", methods=["GET", "POST"])
@open_to(may_settle)
def bank_statement() -> ResponseReturnValue:
    form = BankFileForm()
    if form.validate_on_submit():
        with refusals_of(form):
            sent = request.files.get("file")
            taken = take_bank_file(current_session(), current_actor(), _read(sent), now=current_now())
            flash(
                f"{taken.read} lines read: {taken.matched} matched, {taken.known} known already,"
                f" {taken.waiting} waiting for their posting.",
                "good",
            )
            return redirect(url_for("settlement.reconciliation"), code=303)
    return page("settlement/bank_statement.html", form)


def _read(sent: FileStorage | None) -> bytes:
    raw = sent.read(LARGEST_BANK_FILE_BYTES + 1) if sent is not None else b""
    if not raw:
        raise Invalid("Choose the bank's file.", {"file": "Choose the bank's file."})
    if len(raw) > LARGEST_BANK_FILE_BYTES:
        raise Invalid("The file is too large.", {"file": "At most 10 MB; export a shorter time."})
    return raw


def _amount(typed: str, currency: str) -> int:
    """Money that left the bank account is negative, as on its statement."""
    words = typed.strip()
    is_out = words.startswith(("-", "−"))
    try:
        return parse_amount(words.lstrip("-−"), currency).minor * (-1 if is_out else 1)
    except Invalid as error:
        raise Invalid(error.sentence, {"amount": error.sentence}) from error
