# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""One step on a host, by its name, and what is found there afterwards."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.encryption import looking, tools
from ansible_collections.msp.ops.plugins.module_utils.encryption.changing import Changing
from ansible_collections.msp.ops.plugins.module_utils.encryption.tools import Tools
from ansible_collections.msp.ops.plugins.module_utils.encryption.volume import Volume
from ansible_collections.msp.ops.plugins.module_utils.errors import MspError

LOOK, FORM, ADD, CLEAR, SETTLE = STEPS = ("look", "form", "add", "clear", "settle")


def look(volumes: Iterable[Volume]) -> dict[str, dict[str, Any]]:
    """The facts of every volume, by its name."""
    host, programs = Host(), Tools()
    missing = [name for name in ("cryptsetup", "wipefs") if not programs.has(name)]
    if missing:
        raise MspError(
            "MSP-ENC-015", "the programs that encrypt disks", "no %s" % ", ".join(missing), "install cryptsetup"
        )
    return {volume.name: looking.look(programs, host, volume) for volume in volumes}


def change(volume: Volume, step: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Do a step while nobody else does one, and look."""
    with tools.alone():
        return do(Changing(Tools(), Host(), volume), step, given)


def do(changing: Changing, step: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """given are the arguments of the step: version, key, by, current, keep. The facts afterwards."""
    if step == FORM:
        changing.form(given["version"], given["key"], given.get("current"))
    elif step == ADD:
        changing.add(given["version"], given["key"], given.get("by"))
    elif step == CLEAR:
        changing.clear(given.get("keep") or None)
    elif step == SETTLE:
        changing.settle(given.get("key"))
    return changing.look()
