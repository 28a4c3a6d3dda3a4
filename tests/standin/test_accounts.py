"""Connected accounts: what is included, how the capability moves, what the links do."""

import pytest
import stripe

from tests.standin.builders import an_account, status_of

INCLUDE = {"include": ["configuration.recipient", "requirements", "identity", "defaults"]}


def test_a_new_account_waits_for_onboarding(client):
    account = an_account(client, metadata={"organisation": "7"})
    assert account.id.startswith("acct_")
    assert status_of(account) == "pending"
    assert account.requirements.entries[0].minimum_deadline.status == "currently_due"
    assert (account.metadata["organisation"], account.livemode) == ("7", False)


def test_what_is_not_included_comes_back_null(client):
    account = client.v2.core.accounts.retrieve(an_account(client).id)
    assert (account.configuration, account.requirements, account.identity, account.defaults) == (None,) * 4
    account = client.v2.core.accounts.retrieve(account.id, INCLUDE)
    assert (account.identity.country, account.defaults.responsibilities.losses_collector) == ("us", "application")


@pytest.mark.parametrize(("status", "entries"), [("active", 0), ("restricted", 1), ("unsupported", 0)])
def test_the_capability_moves_as_told(standin, client, status, entries):
    account = an_account(client)
    standin.control.set_capability(account.id, status)
    account = client.v2.core.accounts.retrieve(account.id, INCLUDE)
    assert status_of(account) == status
    assert len(account.requirements.entries) == entries


def test_an_account_can_be_updated_and_ask_for_the_capability_later(client):
    account = an_account(client, configuration={"recipient": {}})
    assert account.configuration.recipient.capabilities is None
    changed = client.v2.core.accounts.update(
        account.id,
        {
            "display_name": "Renamed",
            "metadata": {"a": "1"},
            "configuration": {
                "recipient": {"capabilities": {"stripe_balance": {"stripe_transfers": {"requested": True}}}}
            },
            "include": ["configuration.recipient"],
        },
    )
    assert (changed.display_name, changed.metadata["a"], status_of(changed)) == ("Renamed", "1", "pending")


def test_accounts_are_listed_page_by_page(client):
    made = [an_account(client).id for _ in range(5)]
    found = client.v2.core.accounts.list({"limit": 2}).auto_paging_iter()
    assert [account.id for account in found] == made[::-1]


def test_thin_events_of_one_account_are_listed(standin, client):
    account = an_account(client)
    an_account(client)
    standin.control.complete_onboarding(account.id)
    found = client.v2.core.events.list({"object_id": account.id, "limit": 2}).auto_paging_iter()
    assert [event.type.rpartition(".")[2] for event in found] == ["updated", "capability_status_updated", "created"]


@pytest.mark.parametrize(
    "given",
    [
        {"colour": "red"},
        {"dashboard": "fancy"},
        {"include": ["secrets"]},
        {"configuration": {"merchant": {}}},
        {
            "configuration": {
                "recipient": {"capabilities": {"stripe_balance": {"stripe_transfers": {"requested": True}}}}
            }
        },
    ],
)
def test_an_account_that_makes_no_sense_is_refused(client, given):
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v2.core.accounts.create(given)
    assert caught.value.http_status == 400


def test_an_unknown_account_or_event_is_not_found(client):
    for retrieve in (client.v2.core.accounts.retrieve, client.v2.core.events.retrieve):
        with pytest.raises(stripe.InvalidRequestError) as caught:
            retrieve("acct_unknown")
        assert (caught.value.http_status, caught.value.code) == (404, "not_found")


def test_a_link_needs_an_account_and_its_addresses(client):
    account = an_account(client)
    for use_case in (
        {"type": "account_onboarding"},
        {"type": "account_onboarding", "account_onboarding": {"return_url": "https://a.example"}},
        {"type": "holiday"},
    ):
        with pytest.raises(stripe.InvalidRequestError):
            client.v2.core.account_links.create({"account": account.id, "use_case": use_case})
    with pytest.raises(stripe.InvalidRequestError):
        client.v2.core.account_links.create(
            {
                "account": "acct_unknown",
                "use_case": {"type": "account_onboarding", "account_onboarding": {"refresh_url": "https://a.example"}},
            }
        )
