# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options that everything of ours which talks to NetBox shares. msp.ops.netbox.plugin is for inventory plugins."""

from __future__ import annotations


class ModuleDocFragment:
    """Documentation only."""

    DOCUMENTATION = r"""
options:
  netbox_api:
    description:
      - Address of NetBox, without C(/api).
      - If not set, the environment variable E(NETBOX_API) is used.
    type: str
  netbox_token:
    description:
      - API token, version 2 (C(nbt_...)) or version 1.
      - If not set, the environment variable E(NETBOX_TOKEN) is used, so that it need not be in a playbook.
    type: str
  validate_certs:
    description:
      - Verify NetBox's TLS certificate. Set it to V(false) only on a network where nobody else is.
    type: bool
    default: true
  timeout:
    description:
      - Seconds to wait for each answer of NetBox.
    type: float
    default: 30
"""

    PLUGIN = r"""
options:
  netbox_api:
    description:
      - Address of NetBox, without C(/api).
    type: str
    env:
      - name: NETBOX_API
  netbox_token:
    description:
      - API token, version 2 (C(nbt_...)) or version 1. Better in the environment than in a file.
    type: str
    env:
      - name: NETBOX_TOKEN
  validate_certs:
    description:
      - Verify NetBox's TLS certificate. Set it to V(false) only on a network where nobody else is.
    type: bool
    default: true
    env:
      - name: NETBOX_VALIDATE_CERTS
  timeout:
    description:
      - Seconds to wait for each answer of NetBox.
    type: float
    default: 30
"""
