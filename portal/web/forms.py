"""Forms: what is typed stays, what is wrong is said at the field.

A view builds a form, asks ``form.validate_on_submit()``, and runs its one action inside ``refusals_of(form)``: a
refusal that concerns what was typed lands on the fields, the transaction is undone, and the page is shown again
with 422.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask import render_template
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm
from wtforms import (
    EmailField,
    Field,
    HiddenField,
    IntegerField,
    PasswordField,
    SelectMultipleField,
    StringField,
    TextAreaField,
)
from wtforms.validators import DataRequired, InputRequired, Length, Regexp
from wtforms.widgets import CheckboxInput, HiddenInput, ListWidget

from portal.errors import Invalid, RuleBroken
from portal.web.gate import current_session

LINE_LIMIT = 200
TEXT_LIMIT = 20_000
EMAIL_LIMIT = 254
PASSWORD_LIMIT = 1_000

# Whether an address exists is known when mail arrives; this only catches a slip of the finger.
_ADDRESS = re.compile(r"\A[^@\s,;<>\"]+@[^@\s,;<>\"]+\.[^@\s,;<>\".]+\Z")


class Form(FlaskForm):  # type: ignore[misc]
    """Base of every form; ``refusal`` is the sentence about the whole of it."""

    refusal: str | None = None

    def refuse(self, error: RuleBroken) -> None:
        """Put the refusal's sentences where they belong; those of unknown fields join the summary."""
        self.refusal = error.sentence
        if not isinstance(error, Invalid):
            return
        for name, sentence in error.fields.items():
            field = self._fields.get(name)
            if field is None:
                self.refusal = f"{self.refusal} {sentence}"
            else:
                field.errors = [*field.errors, sentence]

    @property
    def is_refused(self) -> bool:
        """Whether there is something to say above the fields."""
        return bool(self.refusal) or any(field.errors for field in self if not isinstance(field, HiddenField))


class CheckboxesField(SelectMultipleField):  # type: ignore[misc]
    """Several choices as a list of checkboxes."""

    widget = ListWidget(prefix_label=False)
    option_widget = CheckboxInput()


@contextmanager
def refusals_of(form: Form) -> Iterator[None]:
    """Run one action; a broken rule is said on the form and everything the action wrote is undone."""
    try:
        yield
    except RuleBroken as error:
        current_session().rollback()
        form.refuse(error)


def page(template: str, form: Form, **context: Any) -> ResponseReturnValue:
    """The page of a form: 200 when it is first shown, 422 when something has to be put right."""
    status = 422 if form.is_refused or form.errors else 200
    return render_template(template, form=form, **context), status


def trimmed(value: str | None) -> str | None:
    """Typed text without surrounding blanks and without the NUL that PostgreSQL cannot hold."""
    return value.replace("\x00", "").strip() if value is not None else None


def line_field(label: str, *, required: str = "", limit: int = LINE_LIMIT, **options: Any) -> Field:
    """One line of text; ``required`` is the sentence for an empty one."""
    return StringField(label, filters=[trimmed], validators=_checks(required, limit), **options)


def text_field(label: str, *, required: str = "", limit: int = TEXT_LIMIT, **options: Any) -> Field:
    """Several lines of text."""
    return TextAreaField(label, filters=[trimmed], validators=_checks(required, limit), **options)


def email_field(label: str = "Email address", *, autocomplete: str = "email") -> Field:
    """An address of one person."""
    return EmailField(
        label,
        filters=[trimmed],
        validators=[
            InputRequired("Type the address."),
            Length(max=EMAIL_LIMIT, message=f"At most {EMAIL_LIMIT} characters."),
            Regexp(_ADDRESS, message="This does not look like an address, such as name@company.com."),
        ],
        render_kw={"autocomplete": autocomplete, "inputmode": "email"},
    )


def password_field(label: str = "Password", *, new: bool = False) -> Field:
    """A password, never shown again and never trimmed."""
    return PasswordField(
        label,
        validators=[InputRequired("Type the password."), Length(max=PASSWORD_LIMIT, message="That is too long.")],
        render_kw={"autocomplete": "new-password" if new else "current-password"},
    )


def seq_field() -> Field:
    """The version of the case the form was made from; a stale one is refused by the action."""
    return IntegerField(widget=HiddenInput(), validators=[InputRequired("This page was made from an unknown version.")])


def once_field() -> Field:
    """A key made with the page: a form sent twice carries the same one, and a unique column refuses the second."""
    return HiddenField(default=lambda: str(uuid.uuid4()))


def described(field: Field, help_text: str = "") -> dict[str, str]:
    """What ties a control to its help and its errors for a screen reader."""
    ids = [f"{field.id}-help"] if help_text else []
    ids += [f"{field.id}-error"] if field.errors else []
    attributes = {"aria-describedby": " ".join(ids)} if ids else {}
    if field.errors:
        attributes["aria-invalid"] = "true"
    return attributes


def _checks(required: str, limit: int) -> list[Any]:
    length = Length(max=limit, message=f"At most {limit:,} characters; this has more.")
    # Blanks alone are no answer: what is checked is the trimmed text.
    return [DataRequired(required), length] if required else [length]
