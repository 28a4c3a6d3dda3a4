"""The payer's answer by mailed link: the page shows what would be authorized, one more tap says yes."""

from __future__ import annotations

from flask import request, url_for
from flask.typing import ResponseReturnValue

from portal.cases import actions
from portal.entitlement.actions import LINK_ACT
from portal.errors import NotFound
from portal.identity.links import OpenLink
from portal.web.display import money_text
from portal.web.forms import page, refusals_of
from portal.web.gate import current_actor, current_now, current_session
from portal.web.links import act, consume, done
from portal.web.plans.authorizations import Asked, NoForm, YesForm, asked_for, say_yes


@act(LINK_ACT)
def authorize(link: OpenLink) -> ResponseReturnValue:
    if not link.act.object_id.isdecimal():
        raise NotFound
    asked = asked_for(int(link.act.object_id))
    if asked.replaced_by is not None:
        return _replaced(asked, asked.replaced_by)
    if not asked.is_open and request.method == "GET":
        return done("This is answered already", f"{asked.case.name}, {asked.case.title}: {asked.state}.")
    if request.form.get("answer") == "no":
        return _no(link, asked)
    form = YesForm(**asked.suggested)
    if form.validate_on_submit():
        with refusals_of(form):
            say_yes(form, asked)
            consume(link)
            return done("You said yes", f"{asked.case.name}: {_allowed(asked_for(asked.id))}. Both companies know.")
    return page("plans/authorize_by_link.html", form, yes=form, no=NoForm(None), asked=asked, link=link)


def _replaced(asked: Asked, replaced_by: int) -> ResponseReturnValue:
    """What became of the request, and where the new one is; its mail has a link of its own."""
    said = f"{asked.case.name}, {asked.case.title}: {asked.withdrawn} The request that you opened is withdrawn."
    said = f"{said} Use the link of the newer mail, or sign in."
    where = url_for("plans.authorization", request_id=replaced_by)
    return done("This was asked anew", said, where, "Look at the new one")


def _allowed(asked: Asked) -> str:
    """What a yes opened."""
    hours = f"{asked.given_seconds // 60} more minutes of your hours" if asked.given_seconds else ""
    money = f"never more than {money_text(asked.given)}" if asked.given and asked.given.minor else ""
    return " and ".join(part for part in (hours, money) if part)


def _no(link: OpenLink, asked: Asked) -> ResponseReturnValue:
    form = NoForm()
    if form.validate_on_submit():
        with refusals_of(form):
            actions.refuse_authorization(
                current_session(), current_actor(), asked.id, reason=form.reason.data, now=current_now()
            )
            consume(link)
            return done("You said no", f"{asked.case.name}: no more work is billed to you. Both companies know.")
    shown = YesForm(None, **asked.suggested)
    return page("plans/authorize_by_link.html", form, yes=shown, no=form, asked=asked, link=link)
