"""./msp escrow: which secrets are kept, and fetching one. What it does is in plugin_utils/desk/escrowing.py."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.desk import escrowing
from ansible_collections.msp.ops.plugins.plugin_utils.escrow import keeping, records, sealing
from msp_cli.console import table

if TYPE_CHECKING:
    from ansible_collections.msp.ops.plugins.plugin_utils.desk.escrowing import Escrowed
    from ansible_collections.msp.ops.plugins.plugin_utils.escrow.records import Place
    from ansible_collections.msp.ops.plugins.plugin_utils.escrow.sealing import Identity
    from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import SecurityEvent

HELP = "secrets of hosts: list, fetch, verify, history"
IDENTITY = "MSP_ESCROW_IDENTITY"
_TIME = "%Y-%m-%d %H:%M UTC"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="./msp escrow", description=f"Passwords and keys of hosts ({escrowing.WHERE}, {escrowing.WHO_MAY})."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    every = commands.add_parser("list", help="which secrets are kept, of which machines, and who may open them")
    every.add_argument("customer")
    one = commands.add_parser(
        "fetch", help="print a secret; who fetched it and why is put on record, and it is changed"
    )
    one.add_argument("customer")
    one.add_argument("machine", help="its name, or the asset as in list (device:12)")
    one.add_argument("--purpose", choices=records.PURPOSES, help="where the machine has secrets for more than one")
    one.add_argument("--name", help="of which account or volume, where there is more than one")
    one.add_argument("--why", required=True, metavar="REASON", help="put on record")
    one.add_argument("--ticket", default="", metavar="NUMBER", help="put on record")
    one.add_argument(
        "--version", metavar="VERSION", help="one that was replaced, for a machine that was put back from an old copy"
    )
    drill = commands.add_parser("verify", help="open every secret that may be in use, and print none of them")
    drill.add_argument("customer")
    for each in (one, drill):
        each.add_argument(
            "--identity",
            type=Path,
            default=os.environ.get(IDENTITY),
            metavar="FILE",
            help=f"your key: of age-keygen, or of ssh without a passphrase; - for standard input (else {IDENTITY})",
        )
    log = commands.add_parser("history", help="who did what with a customer's secrets, and why")
    log.add_argument("customer")
    return parser


def main(arguments: Sequence[str]) -> int:
    try:
        chosen = _parser().parse_args(list(arguments))
    except SystemExit as end:  # argparse has said why
        return int(end.code or 0)
    if chosen.command == "fetch":
        return _fetch(chosen)
    with escrowing.at_hand(chosen.customer, spooled=chosen.command == "list") as escrowed:
        return {"list": _list, "verify": _verify, "history": _history}[chosen.command](escrowed, chosen)


def _list(escrowed: Escrowed, _chosen: argparse.Namespace) -> int:
    hosts = escrowed.hosts()
    if escrowed.store is None:
        print(
            "msp: the evidence store can't be opened: nobody knows machines by name, nor who fetched", file=sys.stderr
        )
    found = []
    for place in escrowed.escrow.places(escrowed.customer):
        standing = escrowed.standing(place)
        since = "never proven" if standing.current is None else f"{records.made(standing.current):{_TIME}}"
        fetched = escrowed.events(place, keeping.FETCHED) if escrowed.store is not None else []
        by = f"{fetched[-1].at:{_TIME}} by {_shown(fetched[-1].who)}" if fetched else "-"
        row = (
            _shown(hosts.get(place.asset, "")),
            place.asset,
            place.purpose,
            place.name,
            since,
            len(standing.later),
            by,
        )
        found.append(row)
    header = ("machine", "asset", "purpose", "name", "in force, made", "unproven since", "fetched last")
    print(table(header, found) if found else f"no secret of {escrowed.customer} is kept in {escrowed.escrow.name}")
    print(f"\nMay open what is kept from now on ({escrowed.recipients_file}):")
    for line in escrowed.recipients_text().splitlines():
        if line.strip() and not line.strip().startswith("#"):
            print(f"  {_shown(line.strip())}")
    return 0


def _fetch(chosen: argparse.Namespace) -> int:
    by = _identities(chosen.identity)
    with escrowing.at_hand(chosen.customer, spooled=True) as escrowed:
        place = _place(escrowed, chosen)
        found = escrowed.fetch(place, by, why=chosen.why, ticket=chosen.ticket, version=chosen.version)
        spooled = escrowed.store is None
    for secret in found.every:
        print(secret.value)
    for version, error in found.closed.items():
        print(f"msp: version {version}, which the machine may take, can't be opened: {error}", file=sys.stderr)
    if chosen.version is None and (len(found.every) > 1 or found.current is None or found.closed):
        print(
            "msp: a change was cut off, so nobody knows which of these the machine takes: try them in this order",
            file=sys.stderr,
        )
    print(f"msp: {place}: {_what_follows(chosen, place, spooled=spooled)}", file=sys.stderr)
    return 0


def _what_follows(chosen: argparse.Namespace, place: Place, *, spooled: bool) -> str:
    if chosen.version is not None:
        return "on record; this version is an old one, and what is in force is not changed for it"
    playbook = "disk_keys.yml" if place.purpose == records.DISK else "rotate.yml"
    changed = f"is changed by the next run of playbooks/{playbook}"
    if spooled:
        return (
            "the evidence store can't be opened, so that you fetched it waits in the spool of this machine; run "
            f"./msp store deliver here once the store is back: then it {changed}, and not before"
        )
    return f"on record; it {changed}"


def _place(escrowed: Escrowed, chosen: argparse.Namespace) -> Place:
    """The one secret that is meant. Raises MspError (MSP-ESC-016): there is none, or more than one."""
    assets = {asset for asset, host in escrowed.hosts().items() if chosen.machine in (host, host.partition(".")[0])}
    found = [
        place
        for place in escrowed.escrow.places(escrowed.customer)
        if (place.asset == chosen.machine or place.asset in assets)
        and chosen.purpose in (None, place.purpose)
        and chosen.name in (None, place.name)
    ]
    if len(found) != 1:
        none = f"none in {escrowed.escrow.name}"
        if escrowed.store is None:
            none += "; machines have their names in the evidence store, which can't be opened"
        raise MspError(
            "MSP-ESC-016",
            f"one secret of {chosen.machine}",
            "; ".join(str(place) for place in found) or none,
            f"see ./msp escrow list {escrowed.customer}; give the asset, --purpose and --name",
        )
    return found[0]


def _verify(escrowed: Escrowed, chosen: argparse.Namespace) -> int:
    by = _identities(chosen.identity)
    broken, opened, places = 0, 0, 0
    for place in escrowed.escrow.places(escrowed.customer):
        places += 1
        try:
            opened += escrowed.verify(place, by)
        except MspError as error:
            broken += 1
            print(f"{place}: {error}")
    print(f"{places} places: {opened} versions opened, {broken} places could not be opened")
    if not places:
        raise MspError(
            "MSP-ESC-009",
            f"secrets of {escrowed.customer}",
            f"none in {escrowed.escrow.name}",
            f"look at {escrowing.WHERE}: nothing was verified",
        )
    return 1 if broken else 0


def _history(escrowed: Escrowed, _chosen: argparse.Namespace) -> int:
    if escrowed.store is None:
        return 1
    found = [
        (f"{event.at:{_TIME}}", event.action, _shown(event.host), event.subject, *map(_shown, _said(event)))
        for event in escrowed.store.security_events(escrowed.customer)
    ]
    print(table(("when", "what", "machine", "of", "who", "ticket", "why"), found))
    return 0


def _said(event: SecurityEvent) -> tuple[str, str, str]:
    return event.who, event.ticket, event.why


def _shown(text: str) -> str:
    """What somebody else wrote, without what a terminal would do on being told."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def _identities(path: Path | None) -> list[Identity]:
    if path is None:
        raise MspError("MSP-ESC-004", "your key, in a file", "none named", f"give --identity FILE, or set {IDENTITY}")
    try:
        text = sys.stdin.read() if str(path) == "-" else Path(path).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise MspError(
            "MSP-ESC-004", f"your key in {path}", getattr(error, "strerror", None) or "no text", "name another file"
        ) from error
    return sealing.identities(text, str(path))
