"""What people say about their time: how they worked, as whom, on what, from when until when."""

from __future__ import annotations

from wtforms import DateTimeLocalField, HiddenField, RadioField, SelectField
from wtforms.validators import InputRequired

from portal.cases.models import SupportCase
from portal.entitlement.queries import terms_in_force
from portal.metering import rules
from portal.metering.actions import Work
from portal.web.forms import CheckboxesField, Form, line_field, text_field
from portal.web.gate import current_session

MINUTE_FORM = "%Y-%m-%dT%H:%M"


class WorkForm(Form):
    mode = RadioField("How", choices=list(rules.MODES.items()), default="remote", validators=[InputRequired("Choose.")])
    task_class = RadioField(
        "What kind of work",
        choices=list(rules.TASK_CLASSES.items()),
        default="support",
        validators=[InputRequired("Choose.")],
    )
    role = SelectField("As", choices=[("", "Not stated")], default="")
    skill = SelectField("Which takes", choices=[("", "Not stated")], default="")
    note = text_field("What was done", required="Say what you did.", limit=rules.LONGEST_NOTE)

    @property
    def work(self) -> Work:
        """What was said, as the action takes it."""
        return Work(self.mode.data, self.task_class.data, self.note.data, self.role.data or "", self.skill.data or "")

    def offer_words(self, case: SupportCase | None) -> None:
        """Offer the roles and skills that the case's policy prices apart."""
        if case is None:
            return
        policy = terms_in_force(
            current_session(), manufacturer_id=case.manufacturer_id, integrator_id=case.integrator_id, at=case.opened_at
        ).policy
        for field, words in ((self.role, policy.roles), (self.skill, policy.skills)):
            field.choices = [("", "Not stated"), *((word.code, word.label or word.code) for word in words)]


class StopForm(WorkForm):
    stopped_at = HiddenField()
    ended_at = DateTimeLocalField("Worked until", format=MINUTE_FORM, validators=[])


class EntryForm(WorkForm):
    case = line_field("Case", required="Name the case, such as NOR-1042.", limit=40)
    started_at = DateTimeLocalField(
        "From", format=MINUTE_FORM, validators=[InputRequired("Say when the work started.")]
    )
    ended_at = DateTimeLocalField("To", format=MINUTE_FORM, validators=[InputRequired("Say when it ended.")])


class CorrectionForm(EntryForm):
    reason = line_field("Why it was wrong", required="A correction needs its reason.")


class ReversalForm(Form):
    reason = line_field("Why it was wrong", required="A correction needs its reason.")


class ApprovalForm(Form):
    entries = CheckboxesField("Entries", coerce=int, validate_choice=False)
