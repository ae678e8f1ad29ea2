# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who is audited: the asset behind an inventory host. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError

_BY_ADDRESS = ("ssh", "smart", "paramiko", "paramiko_ssh", "winrm", "psrp")


@dataclass(frozen=True)
class Subject:
    """customer is the tenant's slug, asset the key in NetBox ("device:12"), facts_hash what NetBox knows of it.

    has_address is False for an asset that NetBox has no address of. Its name must not be looked up instead: a name
    server with a wildcard would lead to somebody else's machine. exposed: NetBox says that the internet reaches it.
    """

    host: str
    customer: str
    asset: str
    facts_hash: str | None = None
    has_address: bool = True
    exposed: bool = False


def subject(host: str, variables: Mapping[str, Any]) -> Subject:
    """The subject in the host's variable `msp`, as the inventory msp.ops.netbox gives it."""
    msp = variables.get("msp")
    asset = msp.get("asset") if isinstance(msp, Mapping) else None
    if not isinstance(msp, Mapping) or not isinstance(asset, Mapping) or not msp.get("customer"):
        raise MspError(
            "MSP-AUD-005",
            f"an inventory that says whose asset {host} is (its variable msp)",
            "a host without it",
            "take the hosts from the inventory msp.ops.netbox; what NetBox does not have is no asset yet",
        )
    connection = str(variables.get("ansible_connection") or "ssh").rpartition(".")[2]
    # Ansible puts the host's name where there is no address.
    has_address = variables.get("ansible_host", host) != host or connection not in _BY_ADDRESS
    facts_hash, exposed = _text(asset.get("facts_hash")), asset.get("exposed") is True
    return Subject(host, str(msp["customer"]), str(asset["key"]), facts_hash, has_address, exposed)


def _text(value: object) -> str | None:
    return str(value) if value else None
