"""Refusals as Stripe words them: status, type, code and parameter."""

import pytest

from portal.standin import refusals


@pytest.mark.parametrize(
    ("refusal", "status", "error", "kept"),
    [
        (
            refusals.bad_parameter("Invalid integer: x", "amount"),
            400,
            {"type": "invalid_request_error", "param": "amount"},
            False,
        ),
        (
            refusals.refused("Insufficient funds.", "balance_insufficient"),
            400,
            {
                "type": "invalid_request_error",
                "code": "balance_insufficient",
                "doc_url": "https://stripe.com/docs/error-codes/balance-insufficient",
            },
            True,
        ),
        (
            refusals.missing_object("transfer", "tr_1"),
            404,
            {"message": "No such transfer: 'tr_1'", "code": "resource_missing", "param": "id"},
            False,
        ),
        (
            refusals.missing_object("account", "acct_1", "destination"),
            400,
            {"message": "No such account: 'acct_1'", "code": "resource_missing", "param": "destination"},
            False,
        ),
        (refusals.server_error(), 500, {"type": "api_error"}, True),
        (refusals.refused_as_told(), 400, {"code": "parameter_invalid"}, False),
        (refusals.declined(), 402, {"type": "card_error", "code": "card_declined"}, True),
        (refusals.too_many_requests(), 429, {"code": "rate_limit"}, False),
        (refusals.key_in_use("k-1"), 409, {"type": "idempotency_error", "code": "idempotency_key_in_use"}, False),
        (refusals.key_reused("k-1", other_path="/v1/transfers"), 400, {"type": "idempotency_error"}, False),
        (refusals.key_reused("k-1", other_path=None), 400, {"type": "idempotency_error"}, False),
    ],
)
def test_a_refusal_says_what_stripe_says(refusal, status, error, kept):
    body = refusal.body("req_1")["error"]
    assert (refusal.status, refusal.kept) == (status, kept)
    assert {name: body.get(name) for name in error} == error
    assert body["request_log_url"].endswith("/req_1")
    assert ("param" in body) is (refusal.param is not None)


def test_a_key_used_again_is_told_apart_by_address_and_by_parameters():
    elsewhere, changed = (
        refusals.key_reused("k-1", other_path="/v1/transfers"),
        refusals.key_reused("k-1", other_path=None),
    )
    assert "same endpoint" in elsewhere.message
    assert "/v1/transfers" in elsewhere.message
    assert "same parameters" in changed.message
