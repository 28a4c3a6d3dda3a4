"""Commands about documents that need no database: what a case would cost, and what is wrong or new in a document.

The documents' schema is imported when a command needs it: other commands start without it.
"""

from __future__ import annotations

import json
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
