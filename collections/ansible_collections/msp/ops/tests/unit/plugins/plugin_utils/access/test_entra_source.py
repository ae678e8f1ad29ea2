# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where Entra is read, as a person writes it: one of three forms, and no secret in any message."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.access import entra_source

SECRET = "made~secret"  # noqa: S105 - made for this test
APPLICATION = {"tenant": "x.example", "client_id": "1", "client_secret": SECRET}


@pytest.mark.parametrize(
    ("said", "live"),
    [
        (APPLICATION, True),
        ({**APPLICATION, "login": "https://login.microsoftonline.us", "base": "https://graph.microsoft.us"}, True),
        ({"token": SECRET}, True),
        ({"registrations": "r.csv", "policies": "p.json"}, False),
    ],
)
def test_each_form_is_taken(said: dict[str, Any], live: bool) -> None:
    source = entra_source.parse("bakery", said)
    assert source.is_live is live
    assert SECRET not in f"{source!r} {source}"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (None, "a mapping"),
        ({}, "registrations"),
        ({"policies": "p.json"}, "registrations"),
        ({**APPLICATION, "registrations": "r.csv"}, "registrations"),
        ({"tenant": "x.example"}, "client_id, client_secret"),
        ({**APPLICATION, "tenant": "../x"}, "tenant"),
        ({**APPLICATION, "client_secret": ""}, "client_secret"),
        ({**APPLICATION, "base": "http://graph.example"}, "https"),
        ({**APPLICATION, "login": f"https://u:{SECRET}@login.example"}, "not shown"),
        ({"token": SECRET, "file": "x"}, "file"),
        ({"token": [SECRET]}, "an unusable value"),
    ],
)
def test_what_is_wrong_is_said_and_no_secret_with_it(said: Any, words: str) -> None:
    with pytest.raises(MspError, match=r"MSP-ACC-021.*bakery") as caught:
        entra_source.parse("bakery", said)
    assert words in str(caught.value)
    assert SECRET not in str(caught.value)
