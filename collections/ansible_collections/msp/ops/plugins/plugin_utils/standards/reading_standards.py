# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Standards out of data by name, and everything that is wrong among them. Pure: any JSON may come.

A standard extends another one, that one a third; what any of them chooses must be within the limits of its control.
Never fills in what is missing: an error names where it stands.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.contract.forms import advice, shown
from ansible_collections.msp.ops.plugins.plugin_utils.contract.yamlfile import Path, dotted
from ansible_collections.msp.ops.plugins.plugin_utils.standards import limits
from ansible_collections.msp.ops.plugins.plugin_utils.standards.model import Control, Standard, Words


def standard(name: str, data: Mapping[str, Any]) -> Standard:
    """A standard of data that has the form standard_schema.STANDARD."""
    return Standard(
        name=name,
        version=data["version"],
        title=Words(**data["title"]),
        asset_class=data["class"],
        extends=data.get("extends"),
        controls={id: dict(chosen) for id, chosen in data["controls"].items()},
        without=dict(data.get("without", {})),
    )


def lineage(name: str, known: Mapping[str, Standard]) -> tuple[Standard, ...]:
    """A standard and those that it extends, the first of them first; as far as they are known, and each once."""
    line: list[Standard] = []
    following: str | None = name
    while following is not None and following in known and known[following] not in line:
        line.append(known[following])
        following = known[following].extends
    return tuple(reversed(line))


def chosen(line: tuple[Standard, ...]) -> dict[str, dict[str, Any]]:
    """By control of a lineage what its standards choose in it; the later one decides."""
    found: dict[str, dict[str, Any]] = {}
    for one in line:
        for id in one.without:
            found.pop(id, None)
        for id, values in one.controls.items():
            found[id] = {**found.get(id, {}), **values}
    return found


def left_out(line: tuple[Standard, ...]) -> dict[str, str]:
    """By control that a standard of the lineage leaves out, and no later one takes up again, why."""
    found: dict[str, str] = {}
    for one in line:
        found.update(one.without)
        for id in one.controls:
            found.pop(id, None)
    return found


def contradictions(
    found: Mapping[str, Standard], known: Mapping[str, Standard], controls: Mapping[str, Control], here: Path
) -> Iterator[MspError]:
    """What is wrong in the standards found; known are they and those that they may extend."""
    for cycle in cycles(found, known):
        yield MspError(
            "MSP-STD-015",
            f"standards in {dotted(here)} that end in one that extends no other",
            " -> ".join((*cycle, cycle[0])),
            f"take extends out of one of {', '.join(cycle)}",
        )
    for name, one in sorted(found.items()):
        path = (*here, name)
        if one.extends is not None and one.extends not in known:
            yield unknown_standard(one.extends, known, (*path, "extends"))
        yield from choices(one.controls, controls, (*path, "controls"))
        yield from _without(one, known, controls, path)


def cycles(found: Mapping[str, Standard], known: Mapping[str, Standard]) -> list[tuple[str, ...]]:
    """Each ring of standards that extend each other, once, beginning with the first of its names."""
    rings: set[tuple[str, ...]] = set()
    for name in found:
        line: list[str] = []
        following: str | None = name
        while following is not None and following in known and following not in line:
            line.append(following)
            following = known[following].extends
        if following is not None and following in line:
            ring = line[line.index(following) :]
            first = ring.index(min(ring))
            rings.add((*ring[first:], *ring[:first]))
    return sorted(rings)


def choices(chosen: Mapping[str, Mapping[str, Any]], controls: Mapping[str, Control], here: Path) -> Iterator[MspError]:
    """Controls that are none, parameters that they have not, and values outside their limits."""
    for id, values in sorted(chosen.items()):
        if id not in controls:
            yield unknown_control(id, controls, here)
            continue
        parameters = controls[id].parameters
        for name, value in sorted(values.items(), key=lambda pair: str(pair[0])):
            path = (*here, id, name)
            if name not in parameters:
                listed = ", ".join(parameters) or "it has none"
                wanted = f"in {dotted((*here, id))} only parameters of the control ({listed})"
                yield MspError("MSP-STD-017", wanted, shown(name), advice(str(name), sorted(parameters)))
                continue
            for place, wanted, found in limits.outside(parameters[name], value, path):
                expected = f"{dotted(place)} to be {wanted}"
                yield MspError("MSP-STD-018", expected, found, "choose a value within the limits")


def _without(
    one: Standard, known: Mapping[str, Standard], controls: Mapping[str, Control], here: Path
) -> Iterator[MspError]:
    """Controls left out that the standard itself has, or that what it extends has not."""
    line = lineage(one.extends, known) if one.extends is not None else ()
    inherited = chosen(line)
    # Where the lineage is broken nobody knows what it would have had, and that has its own error.
    whole = one.extends is None or (bool(line) and line[0].extends is None)
    path = (*here, "without")
    for id in sorted(one.without):
        if id not in controls:
            yield unknown_control(id, controls, path)
        elif id in one.controls:
            wanted = f"{id} in {dotted((*here, 'controls'))} or in {dotted(path)}"
            yield MspError("MSP-STD-020", wanted, "it in both", "keep the one that is meant")
        elif whole and id not in inherited:
            wanted = f"in {dotted(path)} only controls that the standard would have from the one that it extends"
            yield MspError("MSP-STD-020", wanted, id, "remove it")


def unknown_standard(name: str, known: Mapping[str, Standard], path: Path) -> MspError:
    names = sorted(known)
    return MspError(
        "MSP-STD-013", f"{dotted(path)} to be a standard ({', '.join(names)})", shown(name), advice(name, names)
    )


def unknown_control(id: str, controls: Mapping[str, Control], path: Path) -> MspError:
    wanted = f"in {dotted(path)} only controls of the catalogue (docs/standards.md lists them)"
    return MspError("MSP-STD-016", wanted, shown(id), advice(id, sorted(controls)))
