# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The options of the documentation fragment msp.ops.netbox, as an argument spec and as a connection.

Every action of ours that talks to NetBox uses these two, so that the options mean the same everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.register.client import Register

NETBOX_SPEC: dict[str, dict[str, Any]] = {
    "netbox_api": {"type": "str"},
    "netbox_token": {"type": "str", "no_log": True},
    "validate_certs": {"type": "bool", "default": True},
    "timeout": {"type": "float", "default": 30.0},
}


def register_of(arguments: Mapping[str, Any]) -> Register:
    """Open the NetBox that the arguments, or else the environment, name."""
    return Register.connect(
        arguments.get("netbox_api"),
        arguments.get("netbox_token"),
        timeout=float(arguments.get("timeout") or 30.0),
        verify=arguments.get("validate_certs") is not False,
    )
