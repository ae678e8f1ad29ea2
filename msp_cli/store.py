"""./msp store: the evidence store's own commands. What they do is in plugin_utils/evidence; this only speaks."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import (
    codec,
    deliver,
    export,
    migrate,
    retention,
    spool,
    statistics,
)
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.address import default_url
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.engine import Database
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from msp_cli.console import printable, step, table

HELP = "the evidence store: upgrade, status, deliver, export, retain, prune"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="./msp store", description="The evidence store (MSP_STORE_URL).")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("upgrade", help="make the tables, or bring an older store up to date")
    commands.add_parser("status", help="where it is, its schema, rows, size, and what waits in the spool")
    commands.add_parser("deliver", help="write what waits in the spool to the store")
    out = commands.add_parser("export", help="everything of a customer as JSON lines, facts included")
    out.add_argument("--customer", action="append", help="its slug; may be repeated; without it every customer")
    out.add_argument("--to", type=Path, default=Path("build/export"), help="directory, a file a customer (%(default)s)")
    keep = commands.add_parser("retain", help="set for how many days a customer's evidence is kept")
    keep.add_argument("--customer", required=True)
    keep.add_argument("--days", type=int, required=True)
    old = commands.add_parser("prune", help="show, or with --apply remove, evidence older than a customer's retention")
    old.add_argument("--customer", required=True)
    old.add_argument("--older-than", type=int, metavar="DAYS", help="instead of the customer's own retention")
    old.add_argument("--apply", action="store_true", help="remove; without it nothing is changed")
    return parser


def main(arguments: Sequence[str]) -> int:
    try:
        chosen = _parser().parse_args(list(arguments))
    except SystemExit as end:  # argparse has said why
        return int(end.code or 0)
    commands = {
        "upgrade": _upgrade,
        "status": _status,
        "deliver": _deliver,
        "export": _export,
        "retain": _retain,
        "prune": _prune,
    }
    return commands[chosen.command](chosen)


def _upgrade(_chosen: argparse.Namespace) -> int:
    with step("upgrading the evidence store"), Store.open(upgrade=True) as store:
        listed = store.list_software()
        print(f"store: {store.name}: schema {migrate.revision(store.database)}")
    if listed:
        print(f"software: {listed:,} assets listed from their last good audits")
    return 0


def _status(_chosen: argparse.Namespace) -> int:
    database = Database(default_url(), timeout=5)
    print(f"store: {database.name}")
    problem = None
    try:
        migrate.check(database)
        print(f"schema: {migrate.revision(database)}")
        found = statistics.store(database)
        print(f"size: {found.bytes / 1e6:,.1f} MB")
        print(table(("table", "rows"), [(name, f"{count:,}") for name, count in found.rows.items()]))
        for customer, days in found.retention.items():
            print(f"retention: {customer}: {days} days")
    except MspError as error:
        problem = error
    finally:
        database.close()
    backlog = statistics.backlog()
    oldest = f", the oldest since {backlog.oldest:%Y-%m-%d %H:%M} UTC" if backlog.oldest else ""
    print(f"spool: {spool.default_directory()}: {backlog.files} files, {backlog.bytes / 1e6:,.1f} MB wait{oldest}")
    if backlog.rejected:
        print(
            f"rejected: {backlog.rejected} files in {spool.default_directory() / spool.REJECTED}, a reason in each line"
        )
    if problem is not None:
        raise problem
    return 0


def _deliver(_chosen: argparse.Namespace) -> int:
    with Store.open() as store, step("delivering the spool"):
        done = deliver.deliver(store)
    print(f"delivered: {done.records:,} records from {done.files:,} files")
    for run in done.interrupted:
        print(f"interrupted: run {run} was started and its process died")
    for reason in done.rejected:
        print(printable(f"rejected: {reason}"))
    return 1 if done.rejected else 0


def _export(chosen: argparse.Namespace) -> int:
    with Store.open() as store:
        known = export.customers(store)
        if unknown := sorted(set(chosen.customer or []) - set(known)):
            raise MspError(
                "MSP-EVD-014",
                "customers that the store knows something of",
                f"nothing of {', '.join(unknown)}",
                "give the customer's slug as NetBox has it; without --customer every customer is exported",
            )
        try:
            _write(store, chosen.customer or known, chosen.to)
        except OSError as error:
            raise MspError(
                "MSP-EVD-017",
                "a directory for the export that can be written, with room in it",
                f"{error.filename or chosen.to}: {error.strerror}",
                "give another with --to, or make room and run it again",
            ) from error
    return 0


def _write(store: Store, customers: Sequence[str], to: Path) -> None:
    """A file a customer, readable by its owner alone, there under its name only when it is whole."""
    to.mkdir(mode=0o700, parents=True, exist_ok=True)
    for customer in customers:
        path = to / f"{quote(customer, safe='')}.jsonl"
        partial = path.with_suffix(".part")
        with (
            step(f"exporting {customer}"),
            os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as file,
        ):
            count = 0
            for count, record in enumerate(export.export(store, customer), start=1):  # noqa: B007
                file.write(codec.encode(record) + "\n")
        partial.replace(path)
        print(f"exported: {customer}: {count:,} records: {path}")


def _retain(chosen: argparse.Namespace) -> int:
    with Store.open() as store:
        retention.retain(store, chosen.customer, chosen.days)
    print(f"retention: {chosen.customer}: {chosen.days} days; ./msp store prune shows what is older")
    return 0


def _prune(chosen: argparse.Namespace) -> int:
    with Store.open() as store, step("looking for old evidence" if not chosen.apply else "removing old evidence"):
        removed = retention.prune(store, chosen.customer, chosen.older_than, apply=chosen.apply)
    print(table(("table", "rows removed" if chosen.apply else "rows to remove"), list(removed.items())))
    if not chosen.apply:
        print("nothing was changed; --apply removes it", file=sys.stderr)
    return 0
