# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where a channel's address or a token is kept, and reading it: the environment, or a customer's encrypted secrets.

An address of apprise holds tokens, so it is a secret as a whole: no error shows anything of it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.playbook_secrets import reading
from ansible_collections.msp.ops.plugins.plugin_utils.telling import policy as policies
from ansible_collections.msp.ops.plugins.plugin_utils.telling.policy import Place, Policy

VARIABLE = "MSP_TELLING"


@dataclass(frozen=True)
class Secrets:
    """Reads secrets. opened gives the text of a file of ansible-vault, by its path; directory has customers' files."""

    opened: Callable[[str], str] = field(repr=False)
    directory: str = ""
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)

    def read(self, place: Place, customer: str, what: str) -> str:
        """The secret at a place; what says what it is for."""
        if place.secret:
            directory = self.directory or self.environment.get("MSP_SECRETS", "")
            return reading.read(reading.directory(directory), customer, place.secret, self.opened)
        value = self.environment.get(place.environment, "").strip()
        if not value:
            raise MspError(
                "MSP-TEL-006",
                f"{what} in the environment variable {place.environment}",
                "none",
                "set it for whoever delivers, the worker or the playbook",
            )
        return value


def read_policy(path: str) -> Policy:
    """The policy in the file at path, else in that which MSP_TELLING names."""
    name = path or os.environ.get(VARIABLE, "")
    if not name:
        raise MspError(
            "MSP-TEL-001",
            f"a file that says who is told what, in {VARIABLE} or the option policy",
            "none",
            "write one; docs/examples/telling/telling.yml is one to start from",
        )
    try:
        text = Path(name).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        found = getattr(error, "strerror", None) or type(error).__name__
        raise MspError("MSP-TEL-001", f"a file of text at {name}", found, "correct the path, or the file") from None
    return policies.read(text, name)
