"""The form of a new case: the same questions for everybody, and those of the product line's checklist."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from wtforms import BooleanField, Field, HiddenField, RadioField, SelectField, StringField
from wtforms.validators import InputRequired, Length, Optional

from portal.access import Actor, Side
from portal.cases.actions import NewCase
from portal.cases.actions.opening import LONGEST_TEXT, LONGEST_TITLE
from portal.contracts.agreement import Agreement
from portal.contracts.blocks import TaskClass
from portal.contracts.circumstances import questions_of
from portal.contracts.policy import Policy
from portal.contracts.terms import FieldKind, IntakeField
from portal.errors import Invalid
from portal.money import Money, parse_amount, plain_amount
from portal.web.cases.circumstances import circumstance_fields, circumstance_fields_of
from portal.web.forms import Form, line_field, once_field, text_field, trimmed
from portal.web.uploads import ANSWERS, files_field, kept_field

SEVERITIES = {1: "System down", 2: "Badly limited", 3: "Limited", 4: "A question or a wish"}
ANSWER_LIMIT = 500
AMOUNT_LIMIT = 20
MINUTES_LIMIT = 6


class CaseForm(Form):
    """``step`` says which button was pressed, ``shown`` what price was shown before it; ``once`` is made once."""

    once = once_field()
    shown = HiddenField()
    # The pressed button's own name: a hidden field of it would be sent beside the button.
    step = StringField()


class OpeningForm(CaseForm):
    """What everybody is asked."""

    severity = RadioField("How bad is it", validators=[InputRequired("Choose how bad it is.")])
    title = line_field("What is wrong, in short", required="Say in a few words what is wrong.", limit=LONGEST_TITLE)
    symptom = text_field("What happens", required="Describe what happens.", limit=LONGEST_TEXT)
    files = files_field("Photos and other files")
    kept = kept_field()
    nte = line_field("Authorize up to", limit=AMOUNT_LIMIT)

    @property
    def task_class_chosen(self) -> TaskClass:
        """What kind of help is asked for."""
        field = self._fields.get("task_class")
        return TaskClass(field.data) if field is not None and field.data else TaskClass.SUPPORT

    @property
    def checklist_fields(self) -> list[Field]:
        """The fields of the product line's checklist, in its order."""
        return [field for field in self if field.name.startswith(ANSWERS)]

    @property
    def circumstance_fields(self) -> list[Field]:
        """The fields that the policy's prices and cover make necessary."""
        return circumstance_fields_of(self)

    def flag(self, name: str) -> bool:
        """Whether a box is there and ticked."""
        field = self._fields.get(name)
        return field is not None and bool(field.data)

    def with_amount(self, new: NewCase, currency: str) -> NewCase:
        """The case with the amount that was typed. *Raises*: Invalid at the field."""
        return replace(new, nte_minor=typed_minor(self.nte.data, currency))


class Needed:
    """Marks a field as not optional; that its answer is missing is said by the action, with all the others."""

    field_flags = {"required": True}

    def __call__(self, form: Form, field: Field) -> None:
        """Nothing to check here."""


def opening_form(
    checklist: Sequence[IntakeField], policy: Policy, agreement: Agreement | None, actor: Actor
) -> OpeningForm:
    """The form for one system and one actor."""
    fields: dict[str, Field] = {ANSWERS + asked.code: checklist_field(asked) for asked in checklist}
    fields |= circumstance_fields(questions_of(policy, agreement), actor.side)
    if actor.side is Side.INTEGRATOR:
        fields["on_site_waiting"] = BooleanField("My technician is on site waiting now")
        fields["is_fyi"] = BooleanField("Only inform the factory: we keep the case")
        labels = {row.code: row.label for row in policy.task_classes}
        kinds = (TaskClass.SUPPORT, TaskClass.HOW_TO)
        fields["task_class"] = RadioField(
            "What kind of help",
            choices=[(kind.value, labels.get(kind, kind.value.replace("_", " ").capitalize())) for kind in kinds],
            default=TaskClass.SUPPORT.value,
            validators=[Optional()],
        )
    form: OpeningForm = type("SystemForm", (OpeningForm,), fields)()
    form.severity.choices = severity_choices(policy)
    return form


def severity_choices(policy: Policy | None) -> list[tuple[str, str]]:
    """The four severities in words; where a policy is known, those that do not wait with what it means by them."""
    urgent = policy.emergency.severities if policy else ()
    meant = policy.emergency.system_down if policy else ""
    return [
        (str(level), f"{level}: {word}. {meant}" if level in urgent else f"{level}: {word}")
        for level, word in SEVERITIES.items()
    ]


def answers_of(form: OpeningForm) -> dict[str, str]:
    """What was answered, by the checklist's codes; files answer by themselves."""
    return {
        field.name.removeprefix(ANSWERS): field.data
        for field in form.checklist_fields
        if isinstance(field.data, str) and field.data
    }


def once_key_of(form: Form) -> str:
    """The form's own key as one word. *Raises*: Invalid for one that no form of ours made."""
    try:
        return f"k{UUID(form.once.data or '').hex}"
    except ValueError:
        raise Invalid("This form is not complete. Open the page again.") from None


def amount_of(minor: int, currency: str) -> str:
    """An amount as it stands in a field."""
    return plain_amount(Money(minor, currency))


def typed_minor(text: str | None, currency: str, field: str = "nte") -> int:
    """An amount that was typed, in minor units. *Raises*: Invalid at the field."""
    try:
        return parse_amount(text or "", currency).minor
    except Invalid as error:
        raise Invalid(error.sentence, {field: error.sentence}) from error


def typed_seconds(text: str | None, field: str = "minutes") -> int:
    """Whole minutes that were typed, in seconds; none where nothing was. *Raises*: Invalid at the field."""
    said = (text or "").strip()
    if said and not (said.isascii() and said.isdecimal()):
        raise Invalid("Type whole minutes.", {field: "Type whole minutes, such as 60."})
    return int(said or 0) * 60


def checklist_field(asked: IntakeField) -> Field:
    """One question of the checklist."""
    checks = [Needed()] if asked.required else []
    options: dict[str, Any] = {"description": asked.help or "", "validators": checks}
    if asked.kind is FieldKind.FILE:
        return files_field(asked.label, **options)
    if asked.kind is FieldKind.CHOICE:
        choices = [("", "Choose"), *((choice, choice) for choice in asked.choices)]
        return SelectField(asked.label, choices=choices, **options)
    if asked.kind is FieldKind.NUMBER:
        options["render_kw"] = {"inputmode": "decimal"}
    checks.append(Length(max=ANSWER_LIMIT, message=f"At most {ANSWER_LIMIT} characters; this has more."))
    return StringField(asked.label, filters=[trimmed], **options)
