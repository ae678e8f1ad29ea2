# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Settings of the kernel: what a file of sysctl.d says of them, and which of them the kernel has otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.module_utils.standards import kernel
from ansible_collections.msp.ops.plugins.module_utils.standards.reader import Absent, Reader


def text(settings: Mapping[str, str]) -> str:
    """The file, as sysctl.d(5) has it. What is for every interface (a star) comes first, for the last one wins."""
    names = sorted(settings, key=lambda name: ("*" not in name, name))
    lines = ["# Written by msp.ops. What is changed here is changed back."]
    return "\n".join([*lines, *("%s = %s" % (name, settings[name]) for name in names)]) + "\n"


def kept(reader: Reader, settings: Mapping[str, str], least: Iterable[str]) -> dict[str, str]:
    """The settings, but for those in least of which the kernel has a higher number: that stays. None has a star."""
    found = {name: _found(reader, name)[""] for name in least if name in settings}
    higher = {name: value for name, value in found.items() if value.isdigit() and int(value) > int(settings[name])}
    return {**settings, **higher}


def wrong(reader: Reader, settings: Mapping[str, str]) -> dict[str, str]:
    """Of each setting that is not as wanted, how it is; of one with a star, where it is otherwise."""
    found = {name: _found(reader, name) for name in settings}
    shown = {name: _otherwise(values, settings[name]) for name, values in found.items()}
    return {name: said for name, said in shown.items() if said}


def _found(reader: Reader, name: str) -> dict[str, str]:
    """By interface; by nothing, where it is not about one."""
    try:
        value = kernel.setting(reader, name)["value"]
    except Absent:
        value = "not there"
    return value if isinstance(value, dict) else {"": value}


def _otherwise(values: Mapping[str, str], wanted: str) -> str:
    rows = [(where, value) for where, value in sorted(values.items()) if value != wanted]
    return ", ".join("%s on %s" % (value, where) if where else value for where, value in rows)


def not_taken(settings: Mapping[str, str], found: Mapping[str, str]) -> MspError:
    return MspError(
        "MSP-STD-192",
        "the kernel to take %s" % ", ".join("%s = %s" % (name, settings[name]) for name in sorted(found)),
        "; ".join("%s: %s" % (name, found[name]) for name in sorted(found)),
        "in a container set them where it is started, for /proc/sys is read-only there; elsewhere see what writes them",
    )
