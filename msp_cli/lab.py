"""./msp lab up|down|status: a real NetBox and real hosts on this machine, for trying things out. Not for production."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from lab import lab, netbox
from msp_cli import lab_events
from msp_cli.console import table

HELP = "up, down or status of a NetBox and hosts on this machine"


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="./msp lab", description=__doc__)
    parser.add_argument("action", choices=("up", "down", "status"))
    parser.add_argument("--name", default="demo", help="which lab; labs share nothing (default: demo)")
    parser.add_argument("--no-hosts", action="store_true", help="up: NetBox only, no containers")
    parser.add_argument(
        "--events", action="store_true", help="up: the chain from a change in NetBox to its work as well"
    )
    parser.add_argument("--purge", action="store_true", help="down: delete the lab's data as well")
    options = parser.parse_args(arguments)
    if options.action == "down":
        ended = lab.down(options.name, purge=options.purge)
        print(f"lab {options.name}: down, {ended} processes ended{', data deleted' if options.purge else ''}")
        return 0
    chain: list[tuple[str, str]] = []
    if options.action == "up":
        running = lab.up(options.name, hosts=not options.no_hosts)
        chain = lab_events.up(running) if options.events else []
    return _print(lab.status(options.name), chain)


def _print(status: lab.Status, more: Sequence[tuple[str, str]] = ()) -> int:
    """Print how a lab is doing and how to get in; secrets only as the path of their file."""
    if not status.running or status.lab is None:
        dead = [service for service, runs in status.services.items() if not runs]
        if len(dead) < len(status.services):
            print(
                f"lab {status.name}: broken, {', '.join(dead)} not running; ./msp lab up --name {status.name} mends it"
            )
        else:
            print(f"lab {status.name}: down; ./msp lab up --name {status.name} starts it")
        return 1
    rows = [
        ("NetBox", f"{status.lab.version} at {status.lab.url}"),
        ("log in as", f"{netbox.ADMIN}, password in {status.paths.admin_password}"),
        ("API", f". {status.paths.env}   (sets NETBOX_API and NETBOX_TOKEN)"),
        ("logs", str(status.paths.logs)),
        *more,
    ]
    print(f"lab {status.name}: up")
    print(*(f"  {name:<10} {value}" for name, value in rows), sep="\n")
    if status.hosts:
        header = ("host", "customer", "address", "state")
        print(table(header, [[str(host.get(column, "")) for column in ("name", *header[1:])] for host in status.hosts]))
    return 0
