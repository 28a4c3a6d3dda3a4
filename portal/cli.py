"""The command line: run the portal's processes and do what an operator does by hand.

A command reads the settings, opens the database, calls one function and says what happened. What is ours to say goes
to standard output; log lines go to standard error.
"""

from __future__ import annotations

import gc
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from portal import logs
from portal.collecting import collect_seldom
from portal.config import MIGRATIONS, Settings, child_environment
from portal.errors import DocumentInvalid, Misconfigured, PortalError
from portal.lazily import lazily
from portal.quoting.commands import agreement_group, policy_group, quote_command, why_deadline_command

if TYPE_CHECKING:
    from portal import backup as backups
    from portal import db, embedded
else:
    # The master of the web's processes is this program and opens no database.
    backups, db, embedded = (lazily(f"portal.{name}") for name in ("backup", "db", "embedded"))


class _Commands(click.Group):
    """Say our own errors in their sentence; anything else is a defect and keeps its traceback."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except DocumentInvalid as error:
            raise click.ClickException("\n".join([error.sentence, *map(str, error.problems)])) from error
        except PortalError as error:
            raise click.ClickException(error.sentence) from error


@click.group(cls=_Commands)
@click.version_option(package_name="factoryline")
def main() -> None:
    """Factoryline: support that two companies give one customer."""


@main.command()
@click.option("--bind", default="127.0.0.1:8000", show_default=True, help="Address and port to listen on.")
@click.option("--workers", default=2, show_default=True, type=click.IntRange(1, 64), help="Web processes.")
@click.option("--threads", default=4, show_default=True, type=click.IntRange(1, 64), help="Threads of each process.")
@click.option("--after-demo", is_flag=True, hidden=True, help="Open the port when the demonstration has been made.")
def serve(bind: str, workers: int, threads: int, *, after_demo: bool) -> None:
    """Serve the pages."""
    # What a start makes stays: collecting meanwhile would look through all of it again and again.
    gc.disable()
    with ready_settings() as settings:
        from portal.serving import serve_pages

        def build() -> Any:
            from portal.app import create_app, warm

            # Without a database every page would say so; whoever starts the portal is told instead.
            require_answer(address)
            app = create_app(settings)
            warm(app)
            if after_demo:
                wait_for_demo(settings)
            return app

        address = required(settings.web_database_url, "WEB_DATABASE_URL")
        serve_pages(build, bind=bind, workers=workers, threads=threads)


@main.command()
@click.option("--concurrency", default=2, show_default=True, type=click.IntRange(1, 32), help="Jobs run at once.")
@click.option("--until-empty", is_flag=True, help="Stop when no job is due, instead of waiting for more.")
def work(concurrency: int, *, until_empty: bool) -> None:
    """Run the jobs: mail, billing, transfers, sweeps."""
    with ready_settings() as settings:
        from portal.app import create_worker
        from portal.worker.running import work as work_on

        required(settings.work_database_url, "WORK_DATABASE_URL")
        edges = create_worker(settings)
        collect_seldom()
        work_on(edges, concurrency=concurrency, until_empty=until_empty)


@main.command()
@click.option("--revision", default="head", show_default=True, help="Stop at this revision.")
def migrate(revision: str) -> None:
    """Bring the database's tables to this release; safe to run beside the release before."""
    with ready_settings(migrate_embedded=False) as settings:
        db.upgrade(required(settings.database_url, "DATABASE_URL"), MIGRATIONS, revision=revision)
    click.echo(f"The database is at revision {db.code_revision(MIGRATIONS) if revision == 'head' else revision}.")


@main.command("import-log")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--mapping", required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path), help="TOML file."
)
@click.option("--rejected", type=click.Path(dir_okay=False, path_type=Path), help="Where to list rejected rows.")
@click.option("--bill", is_flag=True, help="Bill the closed cases at once instead of by the worker's jobs.")
def import_log(file: Path, mapping: Path, rejected: Path | None, *, bill: bool) -> None:
    """Import the event log of another support system, CSV or gzipped CSV; again goes on, or changes nothing."""
    with ready_settings() as settings:
        from portal.importing import actions, report

        engine = db.engine_for(required(settings.work_database_url, "WORK_DATABASE_URL"))
        plan = actions.plan_import(file, mapping)
        now = datetime.now(UTC)
        run_id, figures = actions.import_log(engine, plan, now=now, progress=show_progress)
        if bill:
            livemode = settings.livemode
            actions.bill_imported(engine, run_id, now=now, livemode=livemode, progress=show_progress)
        beside = rejected or file.with_name(f"{file.name}.rejected.csv")
        refused = report.write_rejections(engine, run_id, beside)
        engine.dispose()
    click.echo(report.as_table(figures))
    if refused:
        click.echo(f"{refused} rejected rows are listed in {beside}.")


def show_progress(what: str, done: int, total: int) -> None:
    """One line that moves on a terminal; nothing where the output is kept."""
    if sys.stderr.isatty():
        share = done / total if total else 1
        click.echo(f"\r{what} [{'#' * round(share * 30):<30}] {share:4.0%}", err=True, nl=done >= total)


@main.command("close-period")
@click.argument("manufacturer", metavar="MANUFACTURER-CODE")
@click.argument("label")
def close_period(manufacturer: str, label: str) -> None:
    """Close a manufacturer's month, such as 2026-03, and print its statements; again only prints them."""
    with ready_settings() as settings:
        from portal.settlement import closing, report

        engine = db.engine_for(required(settings.work_database_url, "WORK_DATABASE_URL"))
        with db.transaction(engine) as session:
            period = report.period_named(session, manufacturer, label)
        now = datetime.now(UTC)
        closing.close_period(
            engine,
            period.manufacturer_id,
            period.id,
            livemode=settings.livemode,
            now=now,
            automatic_tax=settings.automatic_tax,
        )
        with db.transaction(engine) as session:
            figures = report.period_figures(session, period.id)
        engine.dispose()
    click.echo(report.as_table(figures))


@main.command("export-journal")
@click.argument("manufacturer", metavar="MANUFACTURER-CODE")
@click.argument("label", metavar="MONTH")
@click.option(
    "--format", "syntax", type=click.Choice(["beancount", "hledger"]), required=True, help="For which program."
)
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="A file instead of standard output.")
def export_journal(manufacturer: str, label: str, syntax: str, output: Path | None) -> None:
    """Write a manufacturer's month, such as 2026-03, as a journal that beancount or hledger checks by itself."""
    with ready_settings() as settings:
        from portal.ledger import exports
        from portal.settlement import report

        engine = db.engine_for(required(settings.work_database_url, "WORK_DATABASE_URL"))
        with db.transaction(engine) as session, click.open_file(str(output or "-"), "w", encoding="utf-8") as file:
            period = report.period_named(session, manufacturer, label)
            file.writelines(exports.journal_text(session, period, syntax))
        engine.dispose()


@main.command("reset-factors")
@click.argument("address")
def reset_factors(address: str) -> None:
    """Take off the second factors of whoever signs in with ADDRESS; the password stays, the person is told."""
    with ready_settings() as settings:
        from portal.identity.factors import resetting

        engine = db.engine_for(required(settings.work_database_url, "WORK_DATABASE_URL"))
        with db.transaction(engine) as session:
            name = resetting.reset_by_operator(session, address, datetime.now(UTC))
        engine.dispose()
    click.echo(f"{name} signs in by password alone; every browser is signed out.")


@main.command("check-books")
@click.option("--stripe", is_flag=True, help="Also compare Stripe's imported movements with the clearing account.")
def check_books(*, stripe: bool) -> None:
    """Verify the books: sums, chain, shares, lines, payables, hours, invoices, statements; say what is wrong."""
    with ready_settings() as settings:
        from portal.billing.books import stripe_tie_out
        from portal.settlement.books import all_problems

        engine = db.engine_for(required(settings.work_database_url, "WORK_DATABASE_URL"))
        with db.transaction(engine) as session:
            problems = [*all_problems(session), *(stripe_tie_out(session) if stripe else ())]
        engine.dispose()
    for problem in problems:
        click.echo(str(problem))
    if problems:
        raise click.ClickException(f"Problems found: {len(problems)}.")
    click.echo("The books are right.")


@main.command()
@click.argument("folder", type=click.Path(path_type=Path))
def backup(folder: Path) -> None:
    """Write database and files into a new FOLDER."""
    with ready_settings(migrate_embedded=False) as settings:
        url = required(settings.database_url, "DATABASE_URL")
        # A bucket is backed up by its own means, such as versions; its files are only verified after a restore.
        files_dir = None if settings.files_url else settings.files_dir
        made = backups.back_up(url, files_dir, folder, now=datetime.now(UTC))
    click.echo(f"{folder} holds the database at revision {made.revision} and {made.file_count} files.")


@main.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
def restore(folder: Path) -> None:
    """Bring the backup in FOLDER into an empty database, bring its tables to this release and verify the books."""
    with ready_settings(migrate_embedded=False) as settings:
        from portal.files import store_at
        from portal.settlement.books import all_problems

        url = required(settings.database_url, "DATABASE_URL")
        restored = backups.restore(url, settings.files_dir, folder)
        db.upgrade(url, MIGRATIONS)
        engine = db.engine_for(required(settings.work_database_url, "WORK_DATABASE_URL"))
        with db.transaction(engine) as session:
            store = store_at(settings.files_url, settings.files_dir)
            wrong = [f"file {key} is missing or damaged" for key in backups.missing_files(session, store)]
            wrong += [str(problem) for problem in all_problems(session)]
        engine.dispose()
    for line in wrong:
        click.echo(line)
    if wrong:
        raise click.ClickException(f"Restored, and problems found: {len(wrong)}.")
    click.echo(f"The backup of {restored.made_at} is restored, {restored.file_count} files; the books are right.")


main.add_command(quote_command)
main.add_command(policy_group)
main.add_command(agreement_group)
main.add_command(why_deadline_command)


_TOML = click.Path(exists=True, dir_okay=False, path_type=Path)
_DAY = click.DateTime(["%Y-%m-%d"])


@main.command("what-if")
@click.argument("manufacturer", metavar="MANUFACTURER-CODE")
@click.option("--policy", "policy_file", type=_TOML, help="A policy, TOML; else the signed one of each case.")
@click.option("--agreement", "agreement_file", type=_TOML, help="An agreement, TOML; else the signed one of each case.")
@click.option("--integrator", metavar="CODE", help="Only this partnership; needed with an agreement.")
@click.option("--from", "from_on", required=True, type=_DAY, help="First day of the period, UTC.")
@click.option("--until", "until_on", required=True, type=_DAY, help="First day after the period, UTC.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def what_if(manufacturer: str, *, from_on: datetime, until_on: datetime, as_json: bool, **named: Any) -> None:
    """Rate what was billed in a period by other documents, and print both side by side; nothing is changed."""
    with ready_settings() as settings:
        from portal.whatif import by_hand

        engine = db.engine_for(required(settings.work_database_url, "WORK_DATABASE_URL"))
        period = from_on.replace(tzinfo=UTC), until_on.replace(tzinfo=UTC)
        question = by_hand.question(engine, manufacturer, period=period, **named)
        said = by_hand.answer(engine, question, as_json=as_json, progress=show_progress)
        engine.dispose()
    click.echo(said)


@main.command()
@click.option("--port", default=8000, show_default=True, help="Port of the portal; another where it is taken.")
@click.option("--stripe-port", default=12111, show_default=True, help="Port of Stripe's stand-in.")
def demo(port: int, stripe_port: int) -> None:
    """Run the portal with a demonstration: database, web, worker and Stripe's stand-in."""
    from portal.demo import running

    # Asked to end by another program, it ends its processes in order as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    where = running.addresses(port, stripe_port)
    environ = child_environment(running.environment(where))
    # The database's own programs make it meanwhile.
    threading.Thread(target=import_module, args=("portal.app",), daemon=True).start()
    with ready_settings(environ) as settings:
        folder = settings.instance_dir
        folder.mkdir(parents=True, exist_ok=True)
        # The web makes itself ready on another core and opens its port when the demonstration is there.
        with running.standin_running(where, folder, environ), running.web_running(where, folder, environ) as web:
            build_demo(settings, where.standin)
            running.serve_until_stopped(where, folder, environ, web, click.echo)


def build_demo(settings: Settings, standin_url: str) -> None:
    """Fill an empty database with the demonstration; one that holds it already is left as it is."""
    from portal.app import create_worker
    from portal.demo import building
    from portal.demo.standin_control import StandIn
    from portal.worker.catching_up import catching_up

    at = [datetime.now(UTC)]
    with catching_up(create_worker(settings, clock=lambda: at[0])) as past:
        with db.open_session(past.edges.engine) as session:
            if building.is_built(session):
                return
            building.check_empty(session)
        click.echo("Making the demonstration: three months of cases, time, bills and statements ...")

        def run_jobs(now: datetime) -> None:
            at[0] = now
            past.run_jobs()

        building.build(past.edges.engine, StandIn(standin_url), now=at[0], run_jobs=run_jobs)


def wait_for_demo(settings: Settings) -> None:
    """Come back when the database holds the demonstration."""
    from portal.demo import building

    engine = db.engine_for(required(settings.work_database_url, "WORK_DATABASE_URL"))
    building.wait_until_built(engine)
    engine.dispose()


@contextmanager
def ready_settings(environ: Mapping[str, str] | None = None, *, migrate_embedded: bool = True) -> Iterator[Settings]:
    """Settings with a database that answers, while the block runs; the embedded one is migrated on the way."""
    settings = Settings.from_env(environ)
    logs.configure(settings.log_level)
    if settings.names_a_database:
        yield settings
        return
    with embedded.database_for(settings) as ready:
        if migrate_embedded:
            db.upgrade(required(ready.database_url, "DATABASE_URL"), MIGRATIONS)
        yield ready


def required(address: str | None, key: str) -> str:
    """The address this command cannot do without."""
    if address is None:
        raise Misconfigured(f"This command needs {key}.")
    return address


def require_answer(address: str) -> None:
    """Go on if the database lets this login in, at once. *Raises*: Misconfigured with what to look at."""
    from psycopg import OperationalError, connect
    from sqlalchemy.engine import make_url

    try:
        connect(db.driver_conninfo(address)).close()
    except OperationalError as error:
        named = make_url(address)
        why = (str(error).strip().splitlines() or [type(error).__name__])[-1]
        raise Misconfigured(
            f"The database {named.database or ''} at {named.host or 'this machine'} does not answer: {why}. Start it,"
            " or correct the address and the login in the settings, and start again."
        ) from error


if __name__ == "__main__":
    main()
