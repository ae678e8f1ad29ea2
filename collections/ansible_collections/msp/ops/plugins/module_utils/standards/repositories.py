# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every repository that is on, and apt's settings as apt has put them together. Asks no repository anything."""

from __future__ import annotations

import re

from ansible_collections.msp.ops.plugins.module_utils.standards import software_probes, sources
from ansible_collections.msp.ops.plugins.module_utils.standards.reader import Reader

_DUMP = ("apt-config", "dump")


def measure(reader: Reader) -> dict:
    """unsigned are those whose packages are taken without a signature, keyless those that any trusted key may sign for."""
    found = sorted(reader.once(software_probes.all_repositories))
    return {
        "enabled": [
            {
                "uri": sources.shown(one.uri),
                "suite": one.suite,
                "components": list(one.components),
                "signed_by": one.key or None,
                "file": one.file,
                "type": one.form,
            }
            for one in found
        ],
        "unsigned": [str(one) for one in found if one.trusted],
        "keyless": [str(one) for one in found if not one.key],
    }


def parse_dump(text: str) -> tuple[dict[str, str], dict[str, list[str]]]:
    """`apt-config dump`: settings with one value, and lists, whose lines end in "::". Names are in lower case."""
    single: dict[str, str] = {}
    many: dict[str, list[str]] = {}
    for name, value in re.findall(r'^(\S+) "(.*)";$', text, re.MULTILINE):
        lowered = name.lower()
        if lowered.endswith("::"):
            many.setdefault(lowered[:-2], []).append(value)
        else:
            single[lowered] = value
    return single, many


def prepare_apt(reader: Reader) -> None:
    reader.host.prepare(*_DUMP, unprivileged=True)


def apt_config(reader: Reader, name: str) -> dict:
    """What is set to nothing counts as not set, as it does for apt."""
    single, many = reader.once(_dump)
    lowered = name.lower()
    return {"value": single.get(lowered) or None, "values": many.get(lowered, [])}


def _dump(reader: Reader) -> tuple[dict[str, str], dict[str, list[str]]]:
    return parse_dump(reader.answer(*_DUMP, unprivileged=True).out)
