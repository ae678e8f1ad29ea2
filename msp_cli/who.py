"""./msp who NAME|IP|MAC|SERIAL: whose is it, is it in the contract, when was it seen and patched, what is wrong.

It waits on a telephone call, so everything heavy is imported when it is needed, and NetBox and store are asked at once.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from msp_cli.console import as_json, printable

if TYPE_CHECKING:
    from ansible_collections.msp.ops.plugins.plugin_utils.desk.who import Answer, Found
    from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
    from ansible_collections.msp.ops.plugins.plugin_utils.register.client import Register

HELP = "whose is this name, address, MAC or serial, and how is it"
NOTHING_FOUND = 3
LONGEST_TERM = 255


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="./msp who", description=HELP)
    parser.add_argument("term", metavar="NAME|IP|MAC|SERIAL", help="an asset tag or inventory host name works too")
    parser.add_argument("--json", action="store_true", help="the same for a program")
    try:
        options = parser.parse_args(list(arguments))
    except SystemExit as end:
        return int(end.code or 0)
    from ansible_collections.msp.ops.plugins.plugin_utils.desk import who as desk

    term = _term(options.term)
    found = desk.who(term, _register, _store, dt.datetime.now(dt.UTC))
    print(as_json(_as_dict(found)) if options.json else _text(term, found))
    for source, error in found.silent.items():
        print(
            f"msp: {source} did not answer, so this is not all there is to know: {printable(str(error))}",
            file=sys.stderr,
        )
    if found.silent:
        return 1
    return 0 if found.answers else NOTHING_FOUND


def _term(typed: str) -> str:
    """What to look for. What nothing can be called is asked of nobody: NetBox's refusal would read as its silence."""
    term = typed.strip()
    wanted = f"a name, address, MAC or serial of 1 to {LONGEST_TERM} characters"
    what_to_do = "give one, as in ./msp who jansen-srv01"
    if not 0 < len(term) <= LONGEST_TERM:
        found = f"{len(term)} characters" if term else "nothing but space" if typed else "nothing"
        raise MspError("MSP-CLI-007", wanted, found, what_to_do)
    try:
        term.encode()
    except UnicodeEncodeError as error:
        raise MspError("MSP-CLI-007", f"{wanted}, in UTF-8", f"other bytes: {term!a}", what_to_do) from error
    return term


def _register() -> Register:
    from ansible_collections.msp.ops.plugins.plugin_utils.register.client import Register

    return Register.connect(timeout=10.0, retries=0)


def _store() -> Store:
    from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store

    return Store.open(timeout=2.0)


def _text(term: str, found: Found) -> str:
    if found.answers:
        return "\n\n".join(_block(answer) for answer in found.answers)
    if found.silent:
        return f"{printable(term)}: nothing known by what did answer"
    return (
        f"{printable(term)}: nothing known. Looked in NetBox at {os.environ.get('NETBOX_API')} (name, serial, asset "
        "tag, address, MAC of devices and virtual machines) and in the evidence store (everything any source saw)."
    )


def _block(answer: Answer) -> str:
    rows = [(label, words) for label, words in _lines(answer) if words]
    return "\n".join([printable(answer.name), *(f"  {label:<10} {printable(words)}" for label, words in rows)])


def _lines(answer: Answer) -> list[tuple[str, str]]:
    from ansible_collections.msp.ops.plugins.plugin_utils.desk.who import wrong

    one = answer.compared
    status = answer.status or "not known, NetBox did not answer"
    if answer.contract_end:
        status += f" (contract until {answer.contract_end})"
    if answer.status == "unlisted" and answer.asset is None:
        status = "unlisted: seen, but not in NetBox"
    return [
        ("customer", f"{answer.customer_name} ({answer.customer or 'none'})"),
        ("contract", status),
        ("warranty", f"{one.warranty.state}{f', until {one.warranty.end}' if one.warranty.end else ''}" if one else ""),
        ("seen", _when(answer.last_seen, answer) + _by(answer)),
        ("audited", _when(answer.last_good.at if answer.last_good else None, answer)),
        ("patched", _when(one.condition.last_patched, answer, never="not measured") if one else ""),
        ("standard", _standard(answer)),
        ("system", (one.condition.os or "") if one else ""),
        ("wrong", "; ".join(wrong(answer)) or ("nothing known" if one and answer.last_good else "")),
    ]


def _by(answer: Answer) -> str:
    sources = sorted({s.source for s in answer.sightings} | ({"audit"} if answer.last_good else set()))
    return f" by {', '.join(sources)}" if sources else ""


def _standard(answer: Answer) -> str:
    """What its last check says of its standard; empty where nobody ever checked it."""
    found = answer.standard
    if found is None:
        return ""
    state = f"{found.state}, {found.why}" if found.why else found.state
    return f"{found.standard} {found.version}: {state}; checked {_when(found.checked, answer)}"


def _when(moment: dt.datetime | None, answer: Answer, never: str = "never") -> str:
    if moment is None:
        return never
    try:
        there = moment.astimezone(ZoneInfo(answer.timezone))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        there = moment
    return f"{there:%Y-%m-%d %H:%M %Z}"


def _as_dict(found: Found) -> dict[str, Any]:
    return {
        "complete": not found.silent,
        "silent": {source: error.as_dict() for source, error in found.silent.items()},
        "answers": [_answer(answer) for answer in found.answers],
    }


def _answer(answer: Answer) -> dict[str, Any]:
    from ansible_collections.msp.ops.plugins.plugin_utils.desk.who import wrong

    one = answer.compared

    def text(value: object) -> str | None:
        return None if value is None else value.isoformat() if isinstance(value, dt.date) else str(value)

    return {
        "name": answer.name,
        "asset": answer.asset.key if answer.asset else None,
        "customer": answer.customer,
        "customer_name": answer.customer_name,
        "contract_status": answer.status,
        "warranty": one.warranty.state if one else None,
        "warranty_end": text(one.warranty.end) if one else None,
        "last_seen": text(answer.last_seen),
        "last_audited": text(answer.last_good.at if answer.last_good else None),
        "last_patched": text(one.condition.last_patched) if one else None,
        "security_updates": one.condition.security if one else None,
        "sources": sorted({s.source for s in answer.sightings}),
        "standard": answer.standard
        and {
            "name": answer.standard.standard,
            "version": answer.standard.version,
            "state": answer.standard.state,
            "drift": list(answer.standard.drift),
            "waived": list(answer.standard.waived),
            "unmeasured": list(answer.standard.unmeasured),
            "checked": text(answer.standard.checked),
            "why": answer.standard.why,
        },
        "wrong": wrong(answer),
    }
