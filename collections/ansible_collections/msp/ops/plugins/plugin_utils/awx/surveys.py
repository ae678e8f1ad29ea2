# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The survey of an offer of self-service, in the customer's language. Pure.

A survey shows what may be chosen, and AWX refuses other choices. The policy behind it is asked again by the playbook
(self_service/policy.py), from the same questions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

LONGEST = 100  # characters of an answer that names no limit


def survey(offer: Mapping[str, Any], language: str, own: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """The survey as AWX takes it. own has the lists of values that a customer's entry gives by itself."""
    return {
        "name": offer["title"][language],
        "description": offer["about"][language],
        "spec": [_question(one, language, own) for one in offer["questions"]],
    }


def values_of(question: Mapping[str, Any], own: Mapping[str, Sequence[str]]) -> list[str]:
    """What may be chosen: the customer's own list, or else the offer's."""
    return list(own.get(question["variable"], question.get("values", ())))


def _question(question: Mapping[str, Any], language: str, own: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    chosen = question["kind"] == "one_of"
    return {
        "question_name": question["ask"][language],
        "question_description": question.get("help", {}).get(language, ""),
        "required": not question.get("optional", False),
        "type": "multiplechoice" if chosen else "text",
        "variable": question["variable"],
        "min": None if chosen else 0,
        "max": None if chosen else question.get("longest", LONGEST),
        "default": "",
        "choices": values_of(question, own) if chosen else "",
    }
