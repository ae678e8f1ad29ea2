# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""One secret of one customer, from the file that holds them all: encrypted by ansible-vault, or by SOPS.

Which of the two it is, the file's own content says. A file in plain text is refused, whatever it holds. No error shows
anything of a file's content: what YAML, SOPS and ansible-vault say of it is dropped, for they quote.

Reads files; ansible-vault's part is done by ansible itself, SOPS's by the program sops.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError

VAULT = b"$ANSIBLE_VAULT;"
CUSTOMER = re.compile(r"[a-z0-9][a-z0-9_-]{0,99}")
NAME = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
SECONDS = 60
# Exit statuses of sops that say what a person can do about it.
NO_KEY = 128
CHANGED = (25, 51)


def read(directory: str, customer: str, name: str, opened: Callable[[str], str]) -> str:
    """The secret called NAME (levels joined by dots) in DIRECTORY/CUSTOMER.yml.

    opened gives the text of a file of ansible-vault, by its path. Raises MspError.
    """
    path = _path(directory, customer)
    if not NAME.fullmatch(name):
        raise MspError(
            "MSP-SEC-002",
            "the name of a secret: letters, digits, _ and -, and a dot between two levels",
            f"a name with other characters for {path}",
            "give the name as it is in the file, as in backup.password",
        )
    return _named(_content(path, opened), name, path)


def _path(directory: str, customer: str) -> Path:
    # The customer's name may come from NetBox: it must not lead out of the directory.
    if not CUSTOMER.fullmatch(customer):
        raise MspError(
            "MSP-SEC-001",
            "a customer's slug: lower-case letters, digits, _ and -",
            repr(customer[:100]),
            "give the slug of the customer's tenant, as msp.customer has it",
        )
    return Path(directory).expanduser() / f"{customer}.yml"


def _content(path: Path, opened: Callable[[str], str]) -> Any:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise MspError(
            "MSP-SEC-003",
            f"a file with the customer's secrets at {path}",
            error.strerror or type(error).__name__,
            "make it with ansible-vault create or sops edit, or say where the files are (MSP_SECRETS)",
        ) from None
    if data.startswith(VAULT):
        return _yaml(_of_vault(path, opened), path)
    if _is_of_sops(data):
        return _of_sops(path)
    raise MspError(
        "MSP-SEC-004",
        f"{path} to be encrypted as a whole, by ansible-vault or by SOPS",
        "neither",
        "encrypt it (ansible-vault encrypt, sops encrypt --in-place), and change every secret that was in it",
    )


def _parsed(data: bytes | str) -> Any:
    """YAML, or JSON, of which YAML does not take all: tabs, and characters in two halves."""
    text = data.decode() if isinstance(data, bytes) else data
    try:
        return json.loads(text)
    except ValueError:
        return yaml.safe_load(text)


def _is_of_sops(data: bytes) -> bool:
    """SOPS writes its own key, with a MAC that is encrypted, into every file."""
    try:
        whole = _parsed(data)
    except (ValueError, yaml.YAMLError):
        return False
    sops = whole.get("sops") if isinstance(whole, dict) else None
    return isinstance(sops, dict) and str(sops.get("mac", "")).startswith("ENC[")


def _of_vault(path: Path, opened: Callable[[str], str]) -> str:
    try:
        return opened(str(path))
    except Exception as error:
        raise MspError(
            "MSP-SEC-005",
            f"a vault password of this run that opens {path}",
            f"none that does ({type(error).__name__})",
            "give it with --vault-id, --vault-password-file or ANSIBLE_VAULT_PASSWORD_FILE",
        ) from None


def _of_sops(path: Path) -> Any:
    program = shutil.which("sops") or shutil.which("sops", path=str(Path(sys.executable).parent))
    if program is None:
        raise MspError(
            "MSP-SEC-006", f"the program sops, which opens {path}", "no such program on the PATH", "install SOPS"
        )
    kind = "json" if path.read_bytes().lstrip().startswith(b"{") else "yaml"
    command = [program, "decrypt", "--input-type", kind, "--output-type", "json", "--", str(path)]
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=SECONDS, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _not_opened(path, f"sops did not end well ({type(error).__name__})") from None
    if done.returncode == NO_KEY:
        raise _not_opened(path, "none of the keys that sops found here opens it")
    if done.returncode in CHANGED:
        raise _not_opened(path, "it was changed after SOPS wrote it, so nothing in it is believed")
    if done.returncode:
        raise _not_opened(path, f"sops ended with status {done.returncode}")
    return json.loads(done.stdout)


def _not_opened(path: Path, found: str) -> MspError:
    return MspError(
        "MSP-SEC-007",
        f"sops to open {path}",
        found,
        "say where the age key is (SOPS_AGE_KEY_FILE); sops decrypt with the file shows by hand what sops itself says",
    )


def _yaml(text: str, path: Path) -> Any:
    try:
        return _parsed(text)
    except yaml.YAMLError:
        raise _no_mapping(path, "no YAML") from None


def _no_mapping(path: Path, found: str) -> MspError:
    return MspError("MSP-SEC-008", f"names and secrets in {path}, as a mapping in YAML", found, "mend it in the editor")


def _named(content: Any, name: str, path: Path) -> str:
    if not isinstance(content, dict):
        raise _no_mapping(path, "something else")
    level: Any = content
    for part in name.split("."):
        if not isinstance(level, dict) or part not in level:
            raise MspError(
                "MSP-SEC-009", f"the secret {name} in {path}", "no such name there", "add it, or correct the name"
            )
        level = level[part]
    if not isinstance(level, str) or not level:
        raise MspError(
            "MSP-SEC-010",
            f"text as the secret {name} in {path}",
            "an empty one" if level == "" else f"a value of type {type(level).__name__}",
            "write it in quotes: without them YAML reads 0123 as another number, and no as false",
        )
    return str(level)


def directory(given: str | None) -> str:
    """Where the files are: as given, or secrets/ beside the playbooks, where runs start."""
    return given or str(Path.cwd() / "secrets")
