"""What can prove somebody, and what cannot: nothing that others may know of them, and no code on another channel."""

from __future__ import annotations

import itertools

import portal.web.identity
import portal.worker.tasks  # noqa: F401  registers every letter and model
from portal.config import ROOT
from portal.db import Base
from portal.identity.factors import proving, rules
from portal.identity.factors.rules import Held, Proof
from portal.notifications.letters import LETTERS
from portal.web.forms import Form
from portal.web.stepping import ProofForm

# Fields by which somebody shows who they are; a new one has to be thought about here.
PROVING_FIELDS = {"password", "old", "passkey", "proof_code", "proof_password", "proof_passkey", "proof_sent"}
OTHER_FIELDS = {
    "email", "name", "zone", "phone", "code", "roles", "reason", "domain", "mapping", "issuer", "client_id",
    "client_secret", "roles_claim", "must_show_factor", "acr_values", "is_enabled", "csrf_token",
}  # fmt: skip
ASKED_OF_MEMORY = ("hint", "question", "maiden", "birth", "pet", "reminder")


def test_six_proofs_exist_and_no_other():
    assert set(Proof) == {"password", "provider", "provider_alone", "generator", "passkey", "recovery"}


def test_no_table_keeps_a_hint_or_a_question_about_a_person():
    identity = [table for table in Base.metadata.tables.values() if table.name in IDENTITY_TABLES]
    assert len(identity) == len(IDENTITY_TABLES)
    named = [f"{table.name}.{column.name}" for table in identity for column in table.columns]
    assert [name for name in named if any(word in name for word in ASKED_OF_MEMORY)] == []


IDENTITY_TABLES = frozenset({"person", "credential", "code_generator", "passkey", "recovery_code", "pending_sign_in"})


def test_no_form_of_signing_in_asks_for_anything_but_known_proofs():
    forms = [each for each in every(Form) if each.__module__.startswith("portal.web.identity") or each is ProofForm]
    asked = {name for form in forms for name in vars(form) if hasattr(getattr(form, name), "field_class")}
    assert len(forms) > 10
    assert asked - PROVING_FIELDS - OTHER_FIELDS == set()
    assert set(proving.Answer.__dataclass_fields__) == {"password", "code", "passkey"}


def test_a_step_is_never_taken_by_what_is_sent_over_another_channel():
    sides = itertools.product((False, True), (False, True), (0, 1), (0, 1))
    for held in itertools.starmap(Held, sides):
        ways = rules.step_up_ways(held) | rules.asked_after(Proof.PASSWORD, held)
        assert ways <= {Proof.PASSWORD, Proof.GENERATOR, Proof.PASSKEY, Proof.RECOVERY}


def test_no_letter_and_no_package_sends_a_code():
    assert {name for name in LETTERS if "code" in name} == set()
    written = (ROOT / "portal" / "notifications" / "security_letters.py").read_text()
    assert not any(word in written for word in ("totp", "otp_", "proof_code", "generate_otp"))
    needs = (ROOT / "pyproject.toml").read_text().lower()
    assert not any(sender in needs for sender in ("twilio", "vonage", "messagebird", "plivo", "sinch", "phonenumbers"))


def every(kind: type) -> list[type]:
    """The class's descendants."""
    return [each for child in kind.__subclasses__() for each in (child, *every(child))]
