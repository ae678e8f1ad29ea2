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
from ansible_collections.msp.ops.plugins.module_utils.encryption.volume import Volume, parse_all

LOOK, FORM, ADD, CLEAR, SETTLE = STEPS = ("look", "form", "add", "clear", "settle")
SPEC: dict[str, dict[str, Any]] = {
    "volumes": {"type": "dict", "required": True},
    "step": {"type": "str", "choices": list(STEPS), "default": LOOK},
    "name": {"type": "str"},
    "version": {"type": "str"},
    "key": {"type": "str", "no_log": True},
    "by": {"type": "str", "no_log": True},
    "current": {"type": "str"},
    "keep": {"type": "str"},
}
NEEDS = [
    ("step", FORM, ("name", "version", "key")),
    ("step", ADD, ("name", "version", "key")),
    ("step", CLEAR, ("name",)),
    ("step", SETTLE, ("name",)),
]


def answer(given: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What the module is asked, as its arguments are: the facts of all volumes, or of the one after a step."""
    volumes = {one.name: one for one in parse_all(given["volumes"])}
    if given["step"] == LOOK:
        return look(volumes.values())
    volume = volumes[given["name"]]
    return {volume.name: change(volume, given["step"], given)}


def look(volumes: Iterable[Volume]) -> dict[str, dict[str, Any]]:
    """The facts of every volume, by its name."""
    host, programs = Host(), Tools()
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
        changing.clear(given.get("keep") or None, given.get("by"))
    elif step == SETTLE:
        changing.settle(given.get("key"))
    return changing.look()
