# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What accounts are for, as a config context says it; and NetBox's profile takes exactly that."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.access import naming
from ansible_collections.msp.ops.plugins.plugin_utils.access.naming import Named
from ansible_collections.msp.ops.plugins.plugin_utils.register import model_desk, names

WHOLE = {
    "break_glass": ["nood"],
    "automation": ["msp", "backup"],
    "services": ["scanner"],
    "microsoft_365": {"break_glass": ["Nood@Bakkerij.example"]},
}


def takes(said: Any) -> bool:
    (found,) = [item for item in model_desk.profiles().items if item.key == names.PROFILE_ACCESS]
    return jsonschema.Draft202012Validator(found.body["schema"]).is_valid({names.CONTEXT_ACCESS: said, "other": 1})


def test_names_are_read_as_they_stand_and_those_of_microsoft_in_lower_case() -> None:
    assert naming.read(WHOLE, "srv01") == Named(
        frozenset({"nood"}), frozenset({"msp", "backup"}), frozenset({"scanner"}), frozenset({"nood@bakkerij.example"})
    )
    assert naming.read(None, "srv01") == naming.read({}, "srv01") == Named()
    assert takes(WHOLE) and takes({})


@pytest.mark.parametrize(
    "said",
    [
        [],
        "nood",
        {"break_glass": "nood"},
        {"break_glass": [5]},
        {"break_glass": [""]},
        {"breakglass": ["nood"]},
        {"microsoft_365": ["nood@x.example"]},
        {"microsoft_365": {"breakglass": []}},
        {"microsoft_365": {"break_glass": "nood@x.example"}},
    ],
)
def test_what_is_in_another_form_is_refused_by_both(said: Any) -> None:
    with pytest.raises(MspError, match=r"MSP-ACC-010.*srv01"):
        naming.read(said, "srv01")
    assert not takes(said)


def test_whichever_asset_names_them_they_are_the_customers() -> None:
    one, other = (naming.read({"microsoft_365": {"break_glass": [name]}}, "") for name in ("a@x", "B@x"))
    assert naming.joined([one, other, Named()]) == {"a@x", "b@x"}
