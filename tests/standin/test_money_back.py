"""Refunds, credit notes, disputes, fraud warnings and failing payouts, each with its movement of the balance."""

import io

import pytest
import stripe

from tests.standin.builders import an_open_invoice

PDF = b"%PDF-1.7 evidence"


def paid_charge(standin, client, amount=10_000):
    invoice = an_open_invoice(client, amount)
    standin.control.pay_invoice(invoice.id)
    return client.v1.charges.list({"customer": invoice.customer}).data[0]


def a_file(content=PDF):
    sent = io.BytesIO(content)
    sent.name = "evidence.pdf"
    return sent


def available(client):
    return client.v1.balance.retrieve().available[0].amount


def types(client):
    return [event.type for event in client.v1.events.list({"limit": 100})][::-1]


def movement(client, source):
    return client.v1.balance_transactions.list({"source": source}).data


def test_a_refund_that_fails_brings_the_money_back(standin, client):
    charge = paid_charge(standin, client)
    refund = client.v1.refunds.create({"charge": charge.id, "amount": 4000, "metadata": {"intent_id": "i"}})
    assert (refund.status, available(client)) == ("succeeded", 9680 - 4000)
    standin.control.fail_refund(refund.id)
    found = client.v1.refunds.retrieve(refund.id)
    assert (found.status, found.failure_reason, available(client)) == ("failed", "expired_or_canceled_card", 9680)
    assert client.v1.charges.retrieve(charge.id).amount_refunded == 0
    assert [one.type for one in movement(client, refund.id)] == ["refund_failure", "refund"]
    assert "refund.failed" in types(client)


def test_a_refund_beyond_the_balance_is_pending_and_may_fail_without_a_movement(standin, client):
    charge = paid_charge(standin, client)
    standin.control.set_available(0)
    refund = client.v1.refunds.create({"charge": charge.id})
    assert (refund.status, refund.pending_reason) == ("pending", "insufficient_funds")
    standin.control.fail_refund(refund.id)
    assert (client.v1.refunds.retrieve(refund.id).status, movement(client, refund.id)) == ("failed", [])


def test_a_credit_note_before_payment_lowers_what_is_due(standin, client):
    invoice = an_open_invoice(client)
    note = client.v1.credit_notes.create({"invoice": invoice.id, "amount": 2500, "memo": "Goodwill"})
    assert (note.type, note.number) == ("pre_payment", f"{invoice.number}-CN-01")
    assert client.v1.invoices.retrieve(invoice.id).amount_due == 7500
    standin.control.pay_invoice(invoice.id)
    charge = client.v1.charges.list({"customer": invoice.customer}).data[0]
    assert charge.amount == 7500


def test_a_credit_note_over_everything_makes_the_invoice_paid(client):
    invoice = an_open_invoice(client)
    client.v1.credit_notes.create({"invoice": invoice.id, "amount": 10_000})
    found = client.v1.invoices.retrieve(invoice.id)
    assert (found.status, found.amount_paid) == ("paid", 0)


def test_a_credit_note_beyond_what_is_due_is_refused(client):
    invoice = an_open_invoice(client)
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.credit_notes.create({"invoice": invoice.id, "amount": 10_001})


def test_a_credit_note_after_payment_says_where_its_amount_goes(standin, client):
    invoice = an_open_invoice(client)
    standin.control.pay_invoice(invoice.id)
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.credit_notes.create({"invoice": invoice.id, "amount": 3000})
    note = client.v1.credit_notes.create({"invoice": invoice.id, "amount": 3000, "refund_amount": 3000})
    assert (note.refunds[0].amount_refunded, available(client)) == (3000, 6680)
    outside = client.v1.credit_notes.create({"invoice": invoice.id, "amount": 100, "out_of_band_amount": 100})
    assert (outside.type, available(client)) == ("post_payment", 6680)


def test_a_chargeback_takes_amount_and_fee_and_won_returns_the_amount(standin, client):
    charge = paid_charge(standin, client)
    dispute = standin.control.dispute(charge.id, amount=6000)
    found = client.v1.disputes.retrieve(dispute)
    assert (found.status, found.amount, found.is_charge_refundable) == ("needs_response", 6000, False)
    (taken,) = found.balance_transactions
    assert (taken.amount, taken.fee, taken.net, taken.reporting_category) == (-6000, 1500, -7500, "dispute")
    assert available(client) == 9680 - 7500
    standin.control.decide(dispute, "won")
    assert (client.v1.disputes.retrieve(dispute).status, available(client)) == ("won", 9680 - 1500)
    assert [one.reporting_category for one in movement(client, dispute)] == ["dispute_reversal", "dispute"]
    wanted = ["created", "funds_withdrawn", "closed", "funds_reinstated"]
    assert [name.rpartition(".")[2] for name in types(client) if "dispute" in name] == wanted


def test_a_charge_in_dispute_is_not_refunded_and_a_lost_one_gives_nothing_back(standin, client):
    charge = paid_charge(standin, client)
    dispute = standin.control.dispute(charge.id)
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.refunds.create({"charge": charge.id, "amount": 1})
    assert caught.value.code == "charge_disputed"
    standin.control.decide(dispute, "lost")
    assert available(client) == 9680 - 11_500


def test_an_inquiry_moves_no_money_until_it_becomes_a_chargeback(standin, client):
    charge = paid_charge(standin, client)
    dispute = standin.control.dispute(charge.id, inquiry=True)
    assert (client.v1.disputes.retrieve(dispute).status, available(client)) == ("warning_needs_response", 9680)
    standin.control.escalate(dispute)
    assert (client.v1.disputes.retrieve(dispute).status, available(client)) == ("needs_response", -1820)


def test_evidence_with_a_file_is_submitted_once(standin, client):
    dispute = standin.control.dispute(paid_charge(standin, client).id)
    sent = client.v1.files.create({"purpose": "dispute_evidence", "file": a_file()})
    assert (sent.type, sent.size) == ("pdf", len(PDF))
    evidence = {"service_documentation": sent.id, "uncategorized_text": "What was done"}
    draft = client.v1.disputes.update(dispute, {"evidence": evidence, "submit": False})
    assert (draft.status, draft.evidence_details.has_evidence) == ("needs_response", True)
    done = client.v1.disputes.update(dispute, {"evidence": evidence, "submit": True})
    assert (done.status, done.evidence_details.submission_count) == ("under_review", 1)
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.disputes.update(dispute, {"evidence": evidence})


def test_evidence_names_a_file_that_was_sent_for_it(standin, client):
    dispute = standin.control.dispute(paid_charge(standin, client).id)
    other = client.v1.files.create({"purpose": "additional_verification", "file": a_file()})
    for file_id in ("file_unknown", other.id):
        with pytest.raises(stripe.InvalidRequestError):
            client.v1.disputes.update(dispute, {"evidence": {"receipt": file_id}})


def test_evidence_is_a_document_or_a_picture(client):
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.files.create({"purpose": "dispute_evidence", "file": a_file(b"MZ program")})


def test_the_same_key_with_another_file_is_refused(client):
    options = {"idempotency_key": "one"}
    first = client.v1.files.create({"purpose": "dispute_evidence", "file": a_file()}, options=options)
    again = client.v1.files.create({"purpose": "dispute_evidence", "file": a_file()}, options=options)
    assert first.id == again.id
    with pytest.raises(stripe.IdempotencyError):
        client.v1.files.create({"purpose": "dispute_evidence", "file": a_file(PDF + b"2")}, options=options)


def test_a_fraud_warning_can_be_acted_on_until_the_charge_is_refunded(standin, client):
    charge = paid_charge(standin, client)
    warning = standin.control.warn_of_fraud(charge.id)
    assert client.v1.radar.early_fraud_warnings.retrieve(warning).actionable
    client.v1.refunds.create({"charge": charge.id})
    assert not client.v1.radar.early_fraud_warnings.list({"charge": charge.id}).data[0].actionable
    assert types(client)[-1] == "radar.early_fraud_warning.updated"


def test_a_payout_that_the_bank_sends_back_is_in_the_balance_again(standin, client):
    standin.control.fund(1000)
    payout = client.v1.payouts.create({"amount": 400, "currency": "usd"})
    standin.control.fail_payout(payout.id)
    found = client.v1.payouts.retrieve(payout.id)
    assert (found.status, found.failure_code, available(client)) == ("failed", "account_closed", 1000)
    assert [one.reporting_category for one in movement(client, payout.id)] == ["payout_reversal", "payout"]
