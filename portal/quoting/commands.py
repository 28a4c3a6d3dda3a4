"""Commands about documents that need no database: what a case would cost, and what is wrong or new in a document.

The documents' schema is imported when a command needs it: other commands start without it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import click

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("quote")
@click.option("--policy", "policy_file", required=True, type=_FILE, help="The policy, TOML.")
@click.option("--agreement", "agreement_file", type=_FILE, help="The agreement, TOML; else the house terms hold.")
@click.option("--case", "case_file", required=True, type=_FILE, help="The case, TOML or JSON.")
@click.option("--json", "as_json", is_flag=True, help="Print the quote as JSON.")
def quote_command(policy_file: Path, agreement_file: Path | None, case_file: Path, *, as_json: bool) -> None:
    """Price, cover and date a case that need not exist: the answers of the portal, without a database."""
    from portal.contracts.agreement import parse_agreement
    from portal.contracts.copying import with_holidays
    from portal.contracts.policy import parse_policy
    from portal.quoting.case_input import case_from_text
    from portal.quoting.printing import printed
    from portal.quoting.quote import quote

    text = policy_file.read_text(encoding="utf-8")
    policy = with_holidays(parse_policy(text), text)
    agreement = parse_agreement(agreement_file.read_text(encoding="utf-8")) if agreement_file else None
    answer = quote(policy, agreement, case_from_text(case_file.read_text(encoding="utf-8")))
    click.echo(json.dumps(answer, indent=2) if as_json else printed(answer))


@click.command("why-deadline")
@click.argument("file", type=_FILE)
def why_deadline_command(file: Path) -> None:
    """Count a deadline again from the file its case page gives, window by window, without a database."""
    from portal.cases.rules import recount
    from portal.quoting.printing import printed_recount

    try:
        proof = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise click.ClickException(f"This is no JSON: {error}.") from error
    found = recount(proof)
    click.echo(printed_recount(proof, found))
    if not found.agrees:
        raise click.exceptions.Exit(1)


@click.group("policy")
def policy_group() -> None:
    """Check, describe and compare policies."""


@policy_group.command("check")
@click.argument("file", type=_FILE)
def policy_check(file: Path) -> None:
    """Say what is wrong with a policy: line, key and what is allowed; then what could be written better."""
    from portal.contracts.copying import with_holidays
    from portal.contracts.policy import parse_policy
    from portal.contracts.style import policy_remarks

    text = file.read_text(encoding="utf-8")
    policy = with_holidays(parse_policy(text), text)
    _say_checked(policy.title, policy_remarks(policy, text))


@policy_group.command("doc")
@click.option("--for", "document", type=click.Choice(["policy", "agreement", "case"]), default="policy")
def policy_doc(document: str) -> None:
    """Describe every table and key of the language, from the schema itself."""
    from portal.contracts.agreement import Agreement
    from portal.contracts.blocks import Block
    from portal.contracts.language import described
    from portal.contracts.policy import Policy
    from portal.quoting.case_input import CaseInput

    schemas: dict[str, type[Block]] = {"policy": Policy, "agreement": Agreement, "case": CaseInput}
    click.echo(described(schemas[document]))


@policy_group.command("diff")
@click.argument("before", type=_FILE)
@click.argument("after", type=_FILE)
def policy_diff(before: Path, after: Path) -> None:
    """Say in sentences what a new version of a policy changes."""
    from portal.contracts.differences import differences
    from portal.contracts.policy import parse_policy

    old, new = (parse_policy(file.read_text(encoding="utf-8")) for file in (before, after))
    _say_changes([each.sentence for each in differences(old, new)])


@click.group("agreement")
def agreement_group() -> None:
    """Check and compare agreements."""


@agreement_group.command("check")
@click.argument("file", type=_FILE)
@click.option("--policy", "policy_file", type=_FILE, help="The policy whose words the agreement uses.")
def agreement_check(file: Path, policy_file: Path | None) -> None:
    """Say what is wrong with an agreement, by itself and against its policy."""
    from portal.contracts.agreement import agreement_against_policy, parse_agreement
    from portal.contracts.policy import parse_policy
    from portal.contracts.style import agreement_remarks
    from portal.errors import DocumentInvalid

    text = file.read_text(encoding="utf-8")
    agreement = parse_agreement(text)
    if policy_file is not None:
        policy = parse_policy(policy_file.read_text(encoding="utf-8"))
        if problems := agreement_against_policy(agreement, policy, text):
            raise DocumentInvalid(list(problems))
    _say_checked(agreement.title, agreement_remarks(agreement, text))


@agreement_group.command("diff")
@click.argument("before", type=_FILE)
@click.argument("after", type=_FILE)
def agreement_diff(before: Path, after: Path) -> None:
    """Say in sentences what a new version of an agreement changes."""
    from portal.contracts.agreement import parse_agreement
    from portal.contracts.differences import differences

    old, new = (parse_agreement(file.read_text(encoding="utf-8")) for file in (before, after))
    _say_changes([each.sentence for each in differences(old, new)])


def _say_checked(title: str, remarks: Sequence[object]) -> None:
    for remark in remarks:
        click.echo(f"Remark: {remark}")
    click.echo(f"{title}: no mistakes" + (f", {len(remarks)} remarks." if remarks else "."))


def _say_changes(sentences: Sequence[str]) -> None:
    for sentence in sentences:
        click.echo(sentence)
    if not sentences:
        click.echo("The two say the same.")
