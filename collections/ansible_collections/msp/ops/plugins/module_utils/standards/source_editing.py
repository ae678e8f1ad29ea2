# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which files with repositories have to change so that only allowed and signed ones stay on, and to what.

Reads files and writes none: the module does. The distribution's own repositories are allowed on every mirror, by their
signature. A change that would leave a host without its distribution, or any repository, is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.module_utils.standards import (
    of_distribution,
    repositories,
    software_probes,
    sources,
)
from ansible_collections.msp.ops.plugins.module_utils.standards.reader import Reader
from ansible_collections.msp.ops.plugins.module_utils.standards.repositories import Repository


class Edit(NamedTuple):
    path: str
    before: str
    after: str


class Plan(NamedTuple):
    """edits of files, and the repositories that they switch off, in words."""

    edits: tuple[Edit, ...]
    off: tuple[str, ...]


def plan(
    reader: Reader,
    allowed: Sequence[str] | None = None,
    distribution: Sequence[str] | None = None,
    keep: Sequence[str] = (),
) -> Plan:
    """allowed: patterns of what may be on; distribution: of what may be without a key of its own, and nothing may be
    unsigned. None: is not looked at. keep: addresses that have to stay on.

    MSP-STD-102 where one of those would be switched off, MSP-STD-103 where nothing would stay.
    """
    before = reader.once(software_probes.on)
    if not before:
        return Plan((), ())

    def unwanted(one: Repository) -> bool:
        foreign = allowed is not None and not software_probes.is_allowed(reader, one, allowed)
        common = distribution is not None and not one.signed_by
        return foreign or (common and not software_probes.is_allowed(reader, one, distribution or ()))

    off = [one for one in before if unwanted(one)]
    _refuse(reader, before, off, keep)
    main = reader.once(repositories.dnf_main)
    edits = []
    for path in reader.once(repositories.files)[1]:
        text = reader.host.text(path)
        made = sources.without(text, path, unwanted, main)
        if distribution is not None:
            made = sources.strict(made, path, main)
        if made != text:
            edits.append(Edit(path, text, made))
    return Plan(tuple(edits), tuple(sorted({str(one) for one in off})))


def _refuse(reader: Reader, before: Sequence[Repository], off: Sequence[Repository], keep: Sequence[str]) -> None:
    wanted = {uri.rstrip("/") for uri in keep}
    both = sorted({str(one) for one in off if one.uri.rstrip("/") in wanted})
    if both:
        raise MspError(
            "MSP-STD-102",
            "every repository of repositories-configured to be among those allowed, with a key",
            both[0],
            "allow its address in repositories-allowed, or take it out of repositories-configured",
        )
    stays = [one for one in before if one not in off]
    lost = _parts(reader, before) - _parts(reader, stays)
    # Sources alone update nothing.
    if lost or all(one.type == "deb-src" for one in stays):
        raise MspError(
            "MSP-STD-103",
            "repositories that stay on, from which the host gets its updates",
            "%s to be switched off, and with it %s"
            % (", ".join(sorted({str(one) for one in off})[:5]), ", ".join(sorted(lost)) or "all that is on"),
            "allow the mirror, or fetch its lists (apt update) so that the distribution's signature tells what it is;"
            " nothing was changed",
        )


def _parts(reader: Reader, found: Sequence[Repository]) -> set[str]:
    return {part for one in found for part in of_distribution.parts(reader, one)}
