# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What Entra says of people, from Graph and from exports. A part of a list is no list."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import hashing
from ansible_collections.msp.ops.plugins.plugin_utils.observe import entra
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.access.made_access import (
    cloud,
    policy,
    registration,
    user,
)

ANNA, BERT = registration("anna"), registration("bert", registered=False)
CSV = (
    "User,Name,Multifactor authentication capable,Methods registered,User type,Last updated\r\n"
    'anna@x.example,Anna,Capable,"Microsoft Authenticator, Mobile phone",Member,2026-11-18\r\n'
    "bert@x.example,Bert,Not Capable,,Member,2026-11-18\r\n"
    "g_y.example#EXT#@x.example,Guest,Capable,Email,,2026-11-18\r\n"
)
SHELL = '#TYPE x\n"UserPrincipalName";"IsMfaRegistered";"IsMfaCapable";"AccountEnabled"\n"a@x";"True";"False";"False"\n'


def text(value: Any) -> bytes:
    return json.dumps(value).encode()


def test_graphs_answers_are_read_as_one_several_or_their_rows() -> None:
    for given in ({"value": [ANNA, BERT]}, [{"value": [ANNA]}, {"value": [BERT]}], [ANNA, BERT]):
        assert entra.rows(text(given), "file") == [ANNA, BERT]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>",
        b"{",
        text([1]),
        text({"value": [ANNA], "@odata.nextLink": "https://graph.microsoft.com/more"}),
        b"a,b\n1,2\n",
        CSV.replace("anna@x.example,Anna", "anna@x.example").encode(),
        CSV[:-20].encode(),
    ],
)
def test_what_is_not_whole_or_something_else_is_an_error(content: bytes) -> None:
    with pytest.raises(MspError, match=r"MSP-ACC-020.*file"):
        entra.rows(content, "file")


def test_the_csv_of_the_admin_centre_says_who_is_capable_and_so_registered() -> None:
    people = {one["name"]: one for one in entra.people(entra.rows(CSV.encode(), "file"), None, "file")}
    anna, bert, guest = people["anna@x.example"], people["bert@x.example"], people["g_y.example#EXT#@x.example"]
    assert (anna["registered"], anna["capable"], anna["enabled"]) == (True, True, None)
    # That he is not capable does not say that he has registered nothing.
    assert (bert["registered"], bert["capable"]) == (None, False)
    assert anna["methods"] == ["Microsoft Authenticator", "Mobile phone"]
    assert (anna["type"], guest["type"]) == ("member", "guest")


def test_powershells_csv_is_read_too() -> None:
    (one,) = entra.people(entra.rows(SHELL.encode(), "file"), None, "file")
    assert (one["name"], one["registered"], one["capable"], one["enabled"]) == ("a@x", True, False, False)


def test_who_is_disabled_comes_from_the_list_of_users() -> None:
    henk = registration("henk")
    people = entra.people([ANNA, BERT], [user(ANNA), user(BERT, enabled=False), user(henk, enabled=False)], "file")
    found = {one["name"].split("@")[0]: (one["enabled"], one["registered"]) for one in people}
    assert found == {"anna": (True, True), "bert": (False, False), "henk": (False, None)}
    # By name where an export has no ids.
    (one,) = entra.people([{**ANNA, "id": None}], [user(ANNA, enabled=False)], "file")
    assert one["enabled"] is False and one["id"] == ANNA["id"]


def test_a_row_that_does_not_say_whose_it_is_is_an_error() -> None:
    with pytest.raises(MspError, match="MSP-ACC-020"):
        entra.people([{"isMfaRegistered": True}], None, "file")


def test_policies_keep_what_decides_and_a_strange_one_is_an_error() -> None:
    (found,) = entra.policies([policy("All", excludeUsers=["x"])], "file")
    assert found["state"] == "enabled" and found["grants"] == {"operator": "OR", "builtInControls": ["mfa"]}
    assert found["conditions"]["users"] == {"includeUsers": ["All"], "excludeUsers": ["x"]}
    assert "locations" not in found["conditions"]
    for wrong in ({**policy("All"), "state": "perhaps"}, {**policy("All"), "conditions": None}, {}):
        with pytest.raises(MspError, match="MSP-ACC-020"):
            entra.policies([wrong], "file")


def test_whose_members_have_to_be_known_is_said_by_policies_that_are_on() -> None:
    one, two = "00000000-0000-0000-0000-00000000000a", "00000000-0000-0000-0000-00000000000b"
    rules = [
        policy("On", includeGroups=[one], excludeRoles=[two]),
        policy("Off", state="disabled", includeGroups=["00000000-0000-0000-0000-00000000000c"]),
        policy("Odd", includeGroups=["../users"]),
    ]
    assert entra.asked(entra.policies(rules, "file")) == ([one], [two])


def test_what_is_kept_is_the_same_whenever_the_same_was_said() -> None:
    body = cloud()
    assert hashing.facts_hash(body) == hashing.facts_hash(json.loads(json.dumps(body)))
    assert [one["name"] for one in entra.read(body)] == sorted(one["name"] for one in entra.read(body))
    assert len(entra.read_policies(body) or []) == 2
