# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a customer's own people may have done: the answers of a survey held against the offer behind it. Pure.

A survey alone is no wall: who may start a job in another way, or an AWX that was changed by hand, gives other answers.
So each answer is judged here again, by the declaration that the survey was made from. What is not allowed is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.awx.surveys import LONGEST, values_of
from ansible_collections.msp.ops.plugins.plugin_utils.contract.forms import shown

CONTRACTED = "contracted"


@dataclass(frozen=True, slots=True)
class Request:
    """What may be done: the host that it is for, if it is for one, and the answers by their variables."""

    host: str | None
    answers: Mapping[str, str]


def allowed(
    offer: Mapping[str, Any],
    answers: Mapping[str, Any],
    own: Mapping[str, Sequence[str]],
    customer: str,
    hosts: Mapping[str, Any],
) -> Request:
    """The request, or MspError. own has the customer's own lists; hosts is the variable msp of each host."""
    host, taken = None, {}
    for question in offer["questions"]:
        name = question["variable"]
        answer = answers.get(name)
        if answer in (None, "") and question.get("optional"):
            continue
        if not isinstance(answer, str) or not answer or len(answer) > question.get("longest", LONGEST):
            raise _refused(f"an answer of 1 to {question.get('longest', LONGEST)} characters", name, answer)
        match question["kind"]:
            case "asset":
                host = _host(answer, customer, hosts)
            case "one_of":
                if answer not in (values := values_of(question, own)):
                    raise _refused(f"one of {', '.join(values)}", name, answer)
            case _:
                if not re.fullmatch(question["pattern"], answer):
                    raise _refused(f"an answer of the form {question['pattern']}", name, answer)
        taken[name] = answer
    return Request(host, taken)


def offer_of(offers: Sequence[Mapping[str, Any]], key: str) -> Mapping[str, Any]:
    """The offer of this key."""
    found = next((one for one in offers if one["key"] == key), None)
    if found is None:
        raise MspError(
            "MSP-SLF-001", f"one of the offers {', '.join(one['key'] for one in offers)}", shown(key), "correct the key"
        )
    return found


def _host(asset: str, customer: str, hosts: Mapping[str, Any]) -> str:
    """The host of this asset. Somebody else's is not there, as one is not that does not exist."""
    wanted = asset.strip().casefold()
    found = [
        name
        for name, msp in hosts.items()
        if isinstance(msp, Mapping)
        and msp.get("customer") == customer
        and msp.get("status") == CONTRACTED
        and wanted in (str((msp.get("asset") or {}).get("name", "")).casefold(), name.casefold())
    ]
    if len(found) != 1:
        what = "several of that name" if found else f"no such machine: {shown(asset)}"
        raise MspError(
            "MSP-SLF-003", f"one machine of {customer} that is in the contract", what, "give the name on its sticker"
        )
    return found[0]


def _refused(expected: str, name: str, answer: Any) -> MspError:
    action = "choose what is offered, or ask the service desk"
    return MspError("MSP-SLF-002", f"{expected} in {name}", shown(answer), action)
