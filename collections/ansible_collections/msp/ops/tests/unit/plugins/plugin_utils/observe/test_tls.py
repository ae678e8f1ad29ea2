# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A secret goes over TLS to a host that is named, or nowhere."""

from __future__ import annotations

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.observe.tls import keeps_secrets


@pytest.mark.parametrize(
    "url",
    [
        "https://graph.microsoft.com",
        "https://graph.example:8443/",
        "http://127.0.0.1:8080",
        "http://[::1]",
        "http://localhost",
    ],
)
def test_a_host_over_tls_and_this_machine_itself_keep_secrets(url: str) -> None:
    assert keeps_secrets(url)


@pytest.mark.parametrize(
    "url",
    [
        *(
            "http://graph.example",
            "ftp://127.0.0.1",
            "graph.example",
            "https://",
            "https://[x",
            "https://host:port",
            "",
        ),
        *("https://svc:pw@graph.example", "https://svc@graph.example", "http://svc:pw@127.0.0.1"),
    ],
)
def test_no_other_address_does(url: str) -> None:
    assert not keeps_secrets(url)
