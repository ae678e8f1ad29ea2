# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where state lives, and whether that place outlives the run (DESIGN rule 2).

Inside AWX or any other container a path counts as durable only when it is declared in MSP_DURABLE_PATHS. Looks at
the environment and at marker files; changes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError

MARKERS = (Path("/run/.containerenv"), Path("/.dockerenv"))
# What Kubernetes sets in every pod, and AWX in the environment of every job (ansible-runner alone sets neither).
VARIABLES = ("KUBERNETES_SERVICE_HOST", "AWX_PRIVATE_DATA_DIR", "AWX_HOST")
DECLARED = "MSP_DURABLE_PATHS"


def state_directory(environment: Mapping[str, str] | None = None) -> Path:
    """$XDG_STATE_HOME/msp.ops, else ~/.local/state/msp.ops."""
    found = os.environ if environment is None else environment
    home = found.get("XDG_STATE_HOME", "").strip()
    return (Path(home) if home else Path.home() / ".local" / "state") / "msp.ops"


def container(environment: Mapping[str, str] | None = None, markers: tuple[Path, ...] = MARKERS) -> str | None:
    """What shows that this process runs in a container or an AWX job: a file or a variable's name. None: nothing."""
    found = os.environ if environment is None else environment
    for marker in markers:
        if marker.exists():
            return str(marker)
    for name in VARIABLES:
        if found.get(name):
            return name
    return None


def declared(path: Path, environment: Mapping[str, str] | None = None) -> bool:
    """Is the path in or under one of the paths in MSP_DURABLE_PATHS (separated by colons)?"""
    found = os.environ if environment is None else environment
    wanted = path.expanduser().resolve()
    for text in found.get(DECLARED, "").split(os.pathsep):
        if text.strip() and wanted.is_relative_to(Path(text.strip()).expanduser().resolve()):
            return True
    return False


def require(
    path: Path, what: str, environment: Mapping[str, str] | None = None, markers: tuple[Path, ...] = MARKERS
) -> None:
    """Refuse a path that may vanish with the container. Call it before the first change."""
    sign = container(environment, markers)
    if sign is None or declared(path, environment):
        return
    raise MspError(
        "MSP-EVD-004",
        f"a durable place for the {what}: this runs in a container ({sign})",
        f"{path}, which is not under a path in {DECLARED}",
        f"mount a volume there and declare it ({DECLARED}=/path/of/the/volume), or use PostgreSQL (MSP_STORE_URL) "
        "for the store",
    )
