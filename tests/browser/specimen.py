"""A page that shows every building block of the portal's look, with and without errors."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

from flask import g, render_template_string
from wtforms import BooleanField, RadioField, SelectField

from portal.money import Money
from portal.web.forms import Form, line_field, text_field
from portal.web.gate import anyone, open_to
from portal.web.paging import Page

TEMPLATE = (Path(__file__).parent / "specimen.html").read_text("utf-8")


class NoteForm(Form):
    subject = line_field("Subject", required="Say it in one line.")
    text = text_field("What you saw")
    kind = SelectField("Kind", choices=[("note", "Note"), ("question", "Question")])
    audience = RadioField("Who reads it", choices=[("own", "My company"), ("companies", "Both companies")])
    waiting = BooleanField("My technician is on site waiting now")


@open_to(anyone)
def specimen() -> str:
    now = g.now
    form = NoteForm()
    form.validate_on_submit()
    lines = (
        _line("NOR-1042", "With factory", "accent", 1, 7500, 21250),
        _line("NOR-7", "Waiting", "warn", 3, 750, -1234567),
        _line("NOR-88", "Resolved", "good", 4, 0, 0),
    )
    timer = SimpleNamespace(
        label="NOR-1042", href="/", stop_href="/sign-out", started_at=now - timedelta(minutes=12, seconds=5)
    )
    return render_template_string(
        TEMPLATE,
        form=form,
        lines=lines,
        total=Money(-1213317, "USD"),
        page=Page(lines, "next"),
        due_at=now + timedelta(hours=1, minutes=20),
        late_at=now - timedelta(minutes=5),
        timer=timer,
    )


def _line(*values: object) -> SimpleNamespace:
    case, state, tone, severity, seconds, minor = values
    amount = Money(int(str(minor)), "USD")
    return SimpleNamespace(case=case, state=state, tone=tone, severity=severity, seconds=seconds, amount=amount)
