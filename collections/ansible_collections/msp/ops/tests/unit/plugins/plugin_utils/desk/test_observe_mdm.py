# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a look at Intune signs in: with the token of the list, or as the application in it."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.desk import observe
from ansible_collections.msp.ops.plugins.plugin_utils.observe import sources
from ansible_collections.msp.ops.plugins.plugin_utils.observe.live.graph import LOGIN, Client, Graph

APPLICATION = {"source": "mdm", "tenant": "example.org", "client_id": "c", "client_secret": "s3cret"}
NATIONAL = {**APPLICATION, "login": "https://login.microsoftonline.us", "base": "https://graph.microsoft.us"}


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"source": "mdm", "token": "s3cret"}, Graph("s3cret")),
        (APPLICATION, Graph(Client("example.org", "c", "s3cret", LOGIN))),
        (NATIONAL, Graph(Client("example.org", "c", "s3cret", NATIONAL["login"]), NATIONAL["base"])),
    ],
)
def test_a_look_signs_in_as_the_list_says_and_shows_no_secret(
    monkeypatch: pytest.MonkeyPatch, entry: dict[str, Any], expected: Graph
) -> None:
    asked: list[Graph] = []

    def stand_in(graph: Graph) -> list[Any]:
        asked.append(graph)
        return []

    monkeypatch.setattr(Graph, "managed_devices", stand_in)
    (source,) = sources.parse("bakery", [entry])

    done = observe.look("bakery", source, observe.Prefixes((), ()))

    assert asked == [expected]
    assert done.problems == ()
    assert "s3cret" not in f"{done!r} {observe.Observed((done,)).as_dict()}"
