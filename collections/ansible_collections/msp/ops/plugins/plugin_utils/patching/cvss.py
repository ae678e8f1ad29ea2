# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The base score of a CVSS vector, by the equations of versions 2.0, 3.0 and 3.1. Pure: no I/O.

Version 4.0 has no equation but a table of judgements: a score is taken where one is given, else it is unknown.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

_V3: Mapping[str, Mapping[str, float]] = {
    "AV": {"N": 0.85, "A": 0.62, "L": 0.55, "P": 0.2},
    "AC": {"L": 0.77, "H": 0.44},
    "PR": {"N": 0.85, "L": 0.62, "H": 0.27},
    "UI": {"N": 0.85, "R": 0.62},
    "S": {"U": 0.0, "C": 1.0},
    "C": {"H": 0.56, "L": 0.22, "N": 0.0},
    "I": {"H": 0.56, "L": 0.22, "N": 0.0},
    "A": {"H": 0.56, "L": 0.22, "N": 0.0},
}
_PR_CHANGED: Mapping[str, float] = {"N": 0.85, "L": 0.68, "H": 0.5}
_V2: Mapping[str, Mapping[str, float]] = {
    "AV": {"L": 0.395, "A": 0.646, "N": 1.0},
    "AC": {"H": 0.35, "M": 0.61, "L": 0.71},
    "Au": {"M": 0.45, "S": 0.56, "N": 0.704},
    "C": {"N": 0.0, "P": 0.275, "C": 0.66},
    "I": {"N": 0.0, "P": 0.275, "C": 0.66},
    "A": {"N": 0.0, "P": 0.275, "C": 0.66},
}


def base_score(text: str) -> float | None:
    """The score of a vector, or of a bare number from 0 to 10; None when it is neither, or is of version 4.0."""
    bare = text.strip()
    if re.fullmatch(r"\d{1,2}(\.\d+)?", bare):
        return float(bare) if float(bare) <= 10 else None
    if bare.startswith(("CVSS:3.0/", "CVSS:3.1/")):
        chosen = _metrics(bare.partition("/")[2], _V3)
        return None if chosen is None else _version_3(chosen)
    chosen = None if bare.startswith("CVSS:") else _metrics(bare.strip("()"), _V2)
    return None if chosen is None else _version_2(chosen)


def _metrics(text: str, table: Mapping[str, Mapping[str, float]]) -> dict[str, str] | None:
    """The base metrics of a vector, all of them and each once; what else it holds does not change the base score."""
    pairs = [part.partition(":")[::2] for part in text.split("/")]
    names = [name for name, _value in pairs]
    found = dict(pairs)
    if len(set(names)) != len(names) or any(found.get(name) not in values for name, values in table.items()):
        return None
    return {name: found[name] for name in table}


def _version_3(chosen: Mapping[str, str]) -> float:
    value = {name: _V3[name][letter] for name, letter in chosen.items()}
    changed = chosen["S"] == "C"
    lost = 1 - (1 - value["C"]) * (1 - value["I"]) * (1 - value["A"])
    impact = 7.52 * (lost - 0.029) - 3.25 * (lost - 0.02) ** 15 if changed else 6.42 * lost
    if impact <= 0:
        return 0.0
    privileges = _PR_CHANGED[chosen["PR"]] if changed else value["PR"]
    exploitability = 8.22 * value["AV"] * value["AC"] * privileges * value["UI"]
    return _round_up(min((1.08 if changed else 1.0) * (impact + exploitability), 10.0))


def _round_up(number: float) -> float:
    """The next tenth, as version 3.1 defines it: in whole numbers, so that 4.000000001 stays 4.0."""
    hundred_thousands = round(number * 100_000)
    if hundred_thousands % 10_000 == 0:
        return hundred_thousands / 100_000
    return (math.floor(hundred_thousands / 10_000) + 1) / 10


def _version_2(chosen: Mapping[str, str]) -> float:
    value = {name: _V2[name][letter] for name, letter in chosen.items()}
    impact = 10.41 * (1 - (1 - value["C"]) * (1 - value["I"]) * (1 - value["A"]))
    exploitability = 20 * value["AV"] * value["AC"] * value["Au"]
    weight = 0.0 if impact == 0 else 1.176
    return math.floor((0.6 * impact + 0.4 * exploitability - 1.5) * weight * 10 + 0.5) / 10
