# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Leases of Kea (the CSV files of its memfile backend) as observations. Pure: bytes in, a Reading out.

The file is a journal: a lease that changes is written again, and the last row of an address counts. The headings say
which columns there are; IPv4 and IPv6 differ:

    address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context,pool_id
    address,duid,valid_lifetime,expire,subnet_id,pref_lifetime,lease_type,iaid,prefix_len,...,hostname,hwaddr,state,...

The client was last heard of valid_lifetime seconds before `expire`. A row with valid_lifetime 0 takes a lease away:
it ends when it begins. A comma inside a value is written "&#x2c". States: 0 given, 1 declined, 2 expired, 3 released,
4 registered.
A delegated prefix (lease_type 2) is no host's address.

The file is never the whole truth: Kea's cleanup (kea-lfc) moves it aside, and what is written from then on holds only
the leases that changed since. So a reading is never complete; what the file names is used.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
from collections.abc import Mapping

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.observe.lease import (
    Lease,
    State,
    address,
    from_epoch,
    lines,
    reading,
)
from ansible_collections.msp.ops.plugins.plugin_utils.observe.reading import Context, Reading, Skip
from ansible_collections.msp.ops.plugins.plugin_utils.observe.words import client_id_mac, duid_mac, hex_bytes, mac

_NEEDED = ("address", "valid_lifetime", "expire")
_STATES: dict[str, State] = {"0": "active", "1": "nobody", "2": "ended", "3": "ended", "4": "active"}
_PREFIX = ("2", "IA_PD")
_FOREVER = 0xFFFFFFFF
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_ESCAPE = re.compile(r"&#x([0-9a-fA-F]{2})")
NOT_ALL = Skip(
    "the file", "it may hold only what changed since Kea last moved it aside (kea-lfc), so it proves no absence"
)


def parse(content: bytes, context: Context) -> Reading:
    """The clients that a Kea server gave addresses, IPv4 or IPv6."""
    text = lines(content, context)
    heads = text.whole[0].strip().split(",") if text.whole else []
    if not set(_NEEDED) <= set(heads):
        raise MspError(
            "MSP-OBS-013",
            f"{context.origin} to be a lease file of Kea, with the columns {', '.join(_NEEDED)} and others",
            f"the first line {(text.whole or (text.cut,))[0][:80]!r}",
            "give the file that Kea's lease-database names (kea-leases4.csv, kea-leases6.csv), not a table of its own",
        )
    leases, damage = [], text.damage
    for number, line in enumerate(text.whole[1:], start=2):
        if not line.strip():
            continue
        cells = line.split(",")
        if len(cells) != len(heads):
            damage.append(Skip(f"line {number}", f"{len(cells)} values for {len(heads)} columns"))
            continue
        row = {head: _ESCAPE.sub(_character, cell) for head, cell in zip(heads, cells, strict=True)}
        if row.get("lease_type") in _PREFIX:
            continue
        found = _lease(row)
        if isinstance(found, Lease):
            leases.append(found)
        else:
            damage.append(Skip(f"line {number}", found))
    told = reading(leases, damage, context)
    return dataclasses.replace(told, skipped=(NOT_ALL, *told.skipped), complete=False)


def _character(found: re.Match[str]) -> str:
    return chr(int(found.group(1), 16))


def _lease(row: Mapping[str, str]) -> Lease | str:
    """The lease of a row, or why there is none."""
    where, until, lifetime = address(row["address"]), from_epoch(row["expire"]), row["valid_lifetime"]
    state = _STATES.get(row.get("state") or "0")
    if where is None:
        return "no address"
    if until is None or not (lifetime.isascii() and lifetime.isdigit() and len(lifetime) <= 10):
        return "no time"
    if state is None:
        return "an unknown state"
    seconds = int(lifetime)
    return Lease(
        where,
        state,
        mac(row.get("hwaddr", "")) or _from_client(row),
        (row.get("hostname", ""),),
        _seen(until, seconds),
        None if seconds == _FOREVER else until,
    )


def _seen(until: dt.datetime, seconds: int) -> dt.datetime:
    """When the client was last heard of. A dump of a database has that itself as the end of a lease without one."""
    try:
        seen = until - dt.timedelta(seconds=seconds)
    except OverflowError:
        return until
    return seen if seen >= _EPOCH else until


def _from_client(row: Mapping[str, str]) -> str | None:
    if "duid" in row:
        return duid_mac(hex_bytes(row["duid"]) or b"")
    return client_id_mac(hex_bytes(row.get("client_id", "")) or b"")
