"""The questions about a case that the signed policy makes necessary, as fields of its form; none where it asks nothing.

A customer says what it wishes for; class and distance, which move its own price, are said by the two companies. How
somebody asked is a question on a call only: on a page it is the page.
"""

from __future__ import annotations

from wtforms import Field, SelectField

from portal.access import Side
from portal.contracts.circumstances import Circumstances, Questions
from portal.contracts.conditions import Word
from portal.contracts.targets import Channel
from portal.web.forms import CheckboxesField, Form, line_field

NAMES = ("customer_class", "requested", "distance", "level", "channel")
DISTANCE_LIMIT = 12
CALL_CHANNELS = [(Channel.PHONE.value, "By phone"), (Channel.EMAIL.value, "By email"), (Channel.CHAT.value, "By chat")]


def circumstance_fields(questions: Questions, side: Side) -> dict[str, Field]:
    """The fields that somebody of a side is asked, by name."""
    fields: dict[str, Field] = {}
    companies = side is not Side.CUSTOMER
    if questions.classes and companies:
        choices = _choices(questions.classes, "None of these")
        fields["customer_class"] = SelectField("Customer class", choices=choices, default="")
    if questions.requests:
        choices = [(word.code, word.label or word.code) for word in questions.requests]
        fields["requested"] = CheckboxesField("Asked for", choices=choices, description="What raises or lowers prices.")
    if questions.distance and companies:
        help_text = "One way, from the base to the site, in the policy's unit. Leave it empty where nobody travels."
        fields["distance"] = line_field(
            "Distance", limit=DISTANCE_LIMIT, description=help_text, render_kw={"inputmode": "decimal"}
        )
    if questions.levels:
        choices = [("", "Not stated"), *((str(level), f"Level {level}") for level in questions.levels)]
        fields["level"] = SelectField("Support level", choices=choices, default="")
    if questions.channels and side is Side.MANUFACTURER:
        fields["channel"] = SelectField("How they asked", choices=CALL_CHANNELS, default=Channel.PHONE.value)
    return fields


def circumstance_fields_of(form: Form) -> list[Field]:
    """Those of the fields that a form has, in order."""
    return [form[name] for name in NAMES if name in form]


def circumstances_of(form: Form) -> Circumstances:
    """What was said; what cannot be is refused by the action, at its field."""
    level = _said(form, "level")
    return Circumstances(
        customer_class=_said(form, "customer_class"),
        requested=tuple(form["requested"].data or ()) if "requested" in form else (),
        distance=_said(form, "distance").replace(",", "."),
        level=int(level) if level.isdecimal() else None,
        channel=Channel(_said(form, "channel") or Channel.PORTAL),
    )


def _said(form: Form, name: str) -> str:
    return (form[name].data or "") if name in form else ""


def _choices(words: tuple[Word, ...], none: str) -> list[tuple[str, str]]:
    return [("", none), *((word.code, word.label or word.code) for word in words)]
