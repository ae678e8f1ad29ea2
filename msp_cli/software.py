"""./msp software NAME [VERSION|CONDITION...]: who runs this, over all customers, by each machine's last good audit.

It reads the evidence store alone. What no audit told is not in it, so it says how many machines it knows of.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from msp_cli.console import as_json, printable

if TYPE_CHECKING:
    from ansible_collections.msp.ops.plugins.plugin_utils.desk.software import Answer, Runs

HELP = "who runs this package, in this version"
NOTHING_FOUND = 3
MOST_SHOWN = 200


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="./msp software", description=HELP)
    parser.add_argument("name", metavar="NAME", help="a package, as its package manager calls it")
    parser.add_argument(
        "versions", metavar="VERSION", nargs="*", help="a version, or conditions that all hold: '>=1.22' '<2'"
    )
    parser.add_argument("--customer", metavar="SLUG", help="of one customer only")
    parser.add_argument("--all", action="store_true", help=f"list every machine, not only {MOST_SHOWN}")
    parser.add_argument("--json", action="store_true", help="the same for a program, every machine of it")
    try:
        options = parser.parse_args(list(arguments))
    except SystemExit as end:
        return int(end.code or 0)
    from ansible_collections.msp.ops.plugins.plugin_utils.desk import software as desk
    from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store

    with Store.open(timeout=10.0) as store:
        found = desk.who_runs(store, options.name, options.versions, options.customer)
    if options.json:
        print(as_json(_as_dict(found)))
    else:
        print("\n".join(_text(found, None if options.all else MOST_SHOWN)))
    return 0 if found.runs else NOTHING_FOUND


def _text(found: Answer, most: int | None) -> Iterator[str]:
    known = f"of {found.assets} machine(s) whose software is known"
    if not found.runs:
        more = f"; {found.others} have another version of it" if found.others else ""
        yield f"{printable(found.asked)}: nobody, {known}{more}"
        return
    assets = {(one.customer, one.asset) for one in found.runs}
    customers = {one.customer for one in found.runs}
    more = f"; {found.others} more have another version" if found.others else ""
    yield f"{printable(found.asked)}: {len(assets)} machine(s) of {len(customers)} customer(s), {known}{more}"
    for version, count, of_customers in found.by_version():
        yield f"  {printable(version):<32} {count:>6} machine(s) of {of_customers} customer(s)"
    yield ""
    for one in found.runs[:most]:
        yield _line(one)
    if most is not None and len(found.runs) > most:
        yield f"... and {len(found.runs) - most} more (--all)"


def _line(one: Runs) -> str:
    origin = one.package.origin or "origin not known"
    words = (one.customer, one.host, one.package.version, one.platform, origin, f"audited {one.at:%Y-%m-%d}")
    return "  ".join(printable(word) for word in words)


def _as_dict(found: Answer) -> dict[str, Any]:
    return {
        "asked": found.asked,
        "assets_known": found.assets,
        "with_another_version": found.others,
        "versions": [
            {"version": version, "assets": count, "customers": customers}
            for version, count, customers in found.by_version()
        ],
        "runs": [
            {
                "customer": one.customer,
                "asset": one.asset,
                "host": one.host,
                "version": one.package.version,
                "architecture": one.package.architecture,
                "origin": one.package.origin,
                "platform": one.platform,
                "audited": one.at.isoformat(),
            }
            for one in found.runs
        ],
    }
