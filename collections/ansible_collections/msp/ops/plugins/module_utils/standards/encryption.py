# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which of a host's disks are encrypted and how, by the headers on them and by what the kernel has open now.

Nothing is opened and no key is tried: that takes seconds and memory. A key counts that its header says was proved.
"""

from __future__ import annotations

import datetime as dt
import os
import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.audit import disks
from ansible_collections.msp.ops.plugins.module_utils.audit.disks import Blocks
from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.encryption import looking, verdict
from ansible_collections.msp.ops.plugins.module_utils.encryption.header import Header
from ansible_collections.msp.ops.plugins.module_utils.encryption.tools import Tools
from ansible_collections.msp.ops.plugins.module_utils.encryption.volume import parse_all
from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.module_utils.standards.reader import Reader, Unmeasurable

_VERSION = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})T")


def volumes(reader: Reader, volumes: Mapping[str, Mapping[str, str]]) -> dict:
    """named: the volumes that the host has to have. wrong: what of them is not as it has to be.

    within_reach: what of that a machine may put right; out_of_reach: why it may not, for the rest.
    """
    if not reader.host.exists("/sys/class/block"):
        raise Unmeasurable("no /sys/class/block tells which disks there are")
    asked = parse_all(volumes)
    wrong: list[str] = []
    within: list[str] = []
    without: list[str] = []
    for volume in asked:
        seen = _seen(reader, volume)
        found = verdict.wrong(volume, seen)
        error = verdict.refusal(volume, seen)
        wrong += found
        if found and error is not None:
            without.append("%s: %s: %s" % (volume.name, error.code, error.found))
        elif found and verdict.only_by_hand(volume, seen):
            without.append("%s: a person opens it" % volume.name)
        else:
            within += found
    reach = {"within_reach": {"wrong": within}, "out_of_reach": {"wrong": without}}
    return {"named": [one.name for one in asked], "wrong": wrong, **reach}


def _seen(reader: Reader, volume: Any) -> dict:
    try:
        return looking.look(Tools(), reader.host, volume)
    except MspError as error:
        raise Unmeasurable("%s: %s" % (volume.name, error.found)) from error


def whole(reader: Reader) -> dict:
    """All of a host. root: its root file system is encrypted. swap: what of its swap space is not.

    strays: key slots of which nobody says whose they are. managed: volumes with a recovery key of ours.
    recovery_days: how old the oldest of these keys is.
    """
    host = reader.host
    blocks = Blocks(host)
    heads = {_name(blocks, name): _header(host, name) for name in blocks.all if _is_luks(blocks, name)}
    ours = {name: head for name, head in heads.items() if head.proven}
    ages = {name: reader.today - _day(head.proven[0].version) for name, head in ours.items()}
    # Without a key of the host's own a person has to give one, before a machine can renew another.
    alone = {name: age for name, age in ages.items() if ours[name].host_key}
    return {
        "root": _root(host, blocks),
        "swap": _open_swap(host, blocks),
        "strays": sorted("%s: slot %d" % (name, slot) for name, head in heads.items() for slot in head.strays),
        "managed": sorted(ours),
        "recovery_days": max(ages.values(), default=0),
        "within_reach": {"recovery_days": max(alone.values(), default=0)},
        "out_of_reach": {"recovery_days": sorted(set(ages) - set(alone))},
    }


def _is_luks(blocks: Blocks, name: str) -> bool:
    """As udev recognised it, or as the kernel has it open."""
    holders = blocks.host.names("/sys/class/block/%s/holders" % name)
    return blocks.locked(name) or any((blocks.crypt(one) or "").startswith("LUKS") for one in holders)


def _name(blocks: Blocks, name: str) -> str:
    """What people know it by: its mapping while it is open, else the device."""
    for one in blocks.host.names("/sys/class/block/%s/holders" % name):
        if blocks.crypt(one):
            return blocks.host.line("/sys/class/block/%s/dm/name" % one) or one
    return name


def _header(host: Host, name: str) -> Header:
    try:
        return looking.read_header(Tools(), host.path("/dev/" + name))
    except MspError as error:
        raise Unmeasurable("%s: %s" % (name, error.found)) from error


def _day(version: str) -> int:
    """The day of a version's name, in days since 1970."""
    match = _VERSION.match(version)
    if match is None:
        raise Unmeasurable("the recovery key's version %s has no day in it" % version)
    year, month, day = (int(one) for one in match.groups())
    return (dt.date(year, month, day) - dt.date(1970, 1, 1)).days


def _root(host: Host, blocks: Blocks) -> bool | None:
    for number, point, _fstype, source in disks.parse_mounts(host.text("/proc/self/mountinfo")):
        if point == "/":
            device = blocks.of_number(number) or blocks.of_source(source)
            if device is not None:
                return blocks.encrypted_below(device)
    return None


def _open_swap(host: Host, blocks: Blocks) -> list[str]:
    """Swap that is not encrypted, on a device or in a file. What is in memory alone is no swap."""
    swaps = disks.parse_swaps(host.text("/proc/swaps")) if host.exists("/proc/swaps") else []
    found = []
    for swap in swaps:
        device = blocks.of_source(swap)
        if device is None:
            number = os.stat(host.path(swap)).st_dev
            device = blocks.of_number("%d:%d" % (os.major(number), os.minor(number)))
        if device is None or not blocks.encrypted_below(device):
            found.append(swap)
    return found
