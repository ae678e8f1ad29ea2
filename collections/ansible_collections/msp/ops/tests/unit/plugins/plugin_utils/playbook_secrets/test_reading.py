# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A secret comes out of a file that is encrypted, letter for letter; whatever is wrong, no error shows what is in it.

The program sops and ansible-vault are the real ones. Every way is tried in which YAML, SOPS and vault would quote
what is in a file.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pyrage
import pytest
import yaml
from ansible.constants import DEFAULT_VAULT_ID_MATCH
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultLib, VaultSecret
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.playbook_secrets import reading

CUSTOMER = "bakkerij-jansen"
SOPS = str(Path(sys.executable).parent / "sops")
CANARY = "Koekoek-4711-{{ lookup('pipe', 'id') }}"
CONTENT = {"backup": {"password": CANARY, "empty": "", "port": 4711, "on": True, "none": None}, "wifi": "ü'\"\n# x: y"}


def loader(password: bytes) -> DataLoader:
    """What a run of Ansible has that was given this vault password."""
    made = DataLoader()
    made.set_vault_secrets([(DEFAULT_VAULT_ID_MATCH, VaultSecret(password))])
    return made


OPENED = loader(b"right").get_text_file_contents


@pytest.fixture(scope="module")
def identity() -> pyrage.x25519.Identity:
    return pyrage.x25519.Identity.generate()


@pytest.fixture
def key(identity: pyrage.x25519.Identity, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "key"
    path.write_text(f"{identity}\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SOPS_AGE_KEY_FILE", str(path))
    return path


def by_vault(folder: Path, text: str) -> Path:
    vault = VaultLib([(DEFAULT_VAULT_ID_MATCH, VaultSecret(b"right"))])
    path = folder / f"{CUSTOMER}.yml"
    path.write_bytes(vault.encrypt(text))
    return path


def by_sops(folder: Path, text: str, identity: pyrage.x25519.Identity, kind: str = "yaml") -> Path:
    path = folder / f"{CUSTOMER}.yml"
    path.write_text(text)
    command = [SOPS, "encrypt", "--age", str(identity.to_public()), "--input-type", kind, "--output-type", kind]
    subprocess.run([*command, "--in-place", str(path)], check=True, capture_output=True)
    return path


@pytest.fixture(params=["vault", *(pytest.param(way, marks=pytest.mark.thorough) for way in ("sops", "sops as JSON"))])
def kept(request: pytest.FixtureRequest, tmp_path: Path, key: Path, identity: pyrage.x25519.Identity) -> Path:
    """The content above, encrypted in each way."""
    if request.param == "vault":
        return by_vault(tmp_path, yaml.safe_dump(CONTENT, allow_unicode=True))
    if request.param == "sops":
        return by_sops(tmp_path, yaml.safe_dump(CONTENT, allow_unicode=True), identity)
    return by_sops(tmp_path, json.dumps(CONTENT), identity, "json")


def refused(code: str, act: Callable[[], object]) -> MspError:
    """The error that comes of it; nothing of the content is in it, nor in what it came from."""
    with pytest.raises(MspError) as raised:
        act()
    assert raised.value.code == code
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None or raised.value.__suppress_context__
    for word in ("Koekoek", "4711", "lookup("):
        assert word not in str(raised.value)
    return raised.value


@pytest.mark.parametrize(("name", "value"), [("backup.password", CANARY), ("wifi", CONTENT["wifi"])])
def test_a_secret_is_found_by_its_name_letter_for_letter(kept: Path, name: str, value: str) -> None:
    found = reading.read(str(kept.parent), CUSTOMER, name, OPENED)

    assert found == value
    assert found.__class__ is str


def test_a_name_that_is_not_there_is_an_error_that_names_file_and_name(kept: Path) -> None:
    for name in ("backup.passwort", "wifi.password", "password", "backup.password.x"):
        error = refused("MSP-SEC-009", partial(reading.read, str(kept.parent), CUSTOMER, name, OPENED))
        assert name in str(error) and str(kept) in str(error)


@pytest.mark.parametrize("name", ["backup.empty", "backup.port", "backup.on", "backup.none", "backup"])
def test_what_is_no_text_is_no_secret(kept: Path, name: str) -> None:
    error = refused("MSP-SEC-010", lambda: reading.read(str(kept.parent), CUSTOMER, name, OPENED))
    assert name in str(error)


@pytest.mark.thorough
def test_sops_own_part_of_a_file_is_no_secret(tmp_path: Path, key: Path, identity: pyrage.x25519.Identity) -> None:
    by_sops(tmp_path, "a: b\n", identity)

    refused("MSP-SEC-009", lambda: reading.read(str(tmp_path), CUSTOMER, "sops.mac", OPENED))


@pytest.mark.parametrize(
    "customer", ["../bakkerij-jansen", "/etc/passwd", "", ".", "a/b", "Jansen", "a\n", "a.b", "-x"]
)
def test_a_customer_s_name_leads_nowhere_else(kept: Path, customer: str) -> None:
    (kept.parent / "below").mkdir()

    refused("MSP-SEC-001", lambda: reading.read(str(kept.parent / "below"), customer, "wifi", OPENED))


@pytest.mark.parametrize("name", ["", ".", "a..b", "a b", "a[0]", "{{ x }}", "a\n"])
def test_a_name_is_no_expression(kept: Path, name: str) -> None:
    refused("MSP-SEC-002", lambda: reading.read(str(kept.parent), CUSTOMER, name, OPENED))


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    refused("MSP-SEC-003", lambda: reading.read(str(tmp_path), CUSTOMER, "wifi", OPENED))


@pytest.mark.parametrize(
    "text",
    [
        yaml.safe_dump(CONTENT),
        f"wifi: {CANARY}\nsops: here\n",
        f"wifi: {CANARY}\nsops: {{mac: none}}\n",
        f"wifi: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  4711\nother: {CANARY}\n",
        f"{{{CANARY}",
        "",
    ],
)
def test_a_file_in_plain_text_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / f"{CUSTOMER}.yml").write_text(text)

    refused("MSP-SEC-004", lambda: reading.read(str(tmp_path), CUSTOMER, "wifi", OPENED))


def test_ansible_vault_with_another_password_or_none(tmp_path: Path) -> None:
    by_vault(tmp_path, yaml.safe_dump(CONTENT))

    for opened in (loader(b"wrong").get_text_file_contents, DataLoader().get_text_file_contents):
        refused("MSP-SEC-005", partial(reading.read, str(tmp_path), CUSTOMER, "wifi", opened))


def test_ansible_vault_that_somebody_changed(tmp_path: Path) -> None:
    path = by_vault(tmp_path, yaml.safe_dump(CONTENT))
    text = path.read_text()
    path.write_text(text[:-20] + ("0" if text[-20] != "0" else "1") + text[-19:])

    refused("MSP-SEC-005", lambda: reading.read(str(tmp_path), CUSTOMER, "wifi", OPENED))


@pytest.mark.parametrize("text", [f"wifi: '{CANARY}\n", f"- {CANARY}\n", f"{CANARY}: [\n", CANARY, ""])
def test_what_is_no_mapping_inside_is_not_quoted(tmp_path: Path, text: str) -> None:
    by_vault(tmp_path, text)

    refused("MSP-SEC-008", lambda: reading.read(str(tmp_path), CUSTOMER, "wifi", OPENED))


def test_sops_without_the_key(kept: Path, key: Path) -> None:
    if kept.read_bytes().startswith(reading.VAULT):
        key.unlink()
        assert reading.read(str(kept.parent), CUSTOMER, "backup.password", OPENED) == CANARY
        return
    key.write_text(f"{pyrage.x25519.Identity.generate()}\n")
    error = refused("MSP-SEC-007", lambda: reading.read(str(kept.parent), CUSTOMER, "wifi", OPENED))
    assert "none of the keys" in str(error)

    key.unlink()
    refused("MSP-SEC-007", lambda: reading.read(str(kept.parent), CUSTOMER, "wifi", OPENED))


@pytest.mark.thorough
def test_sops_notices_what_was_changed_added_or_taken_away(
    tmp_path: Path, key: Path, identity: pyrage.x25519.Identity
) -> None:
    path = by_sops(tmp_path, yaml.safe_dump(CONTENT), identity)
    good = path.read_text()
    line = next(line for line in good.splitlines() if line.startswith("wifi:"))
    start = line.index("data:") + 5
    changed = line[:start] + ("A" if line[start] != "A" else "B") + line[start + 1 :]
    swapped = good.replace("wifi:", "wlan:")
    for text in (good.replace(line, changed), good.replace(line, ""), swapped, f"added: {CANARY}\n{good}"):
        assert text != good
        path.write_text(text)
        error = refused("MSP-SEC-007", lambda: reading.read(str(tmp_path), CUSTOMER, "backup.password", OPENED))
        assert "changed after SOPS wrote it" in str(error)

    path.write_text(good)
    assert reading.read(str(tmp_path), CUSTOMER, "backup.password", OPENED) == CANARY


def test_without_sops_the_error_says_so(kept: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    if kept.read_bytes().startswith(reading.VAULT):
        assert reading.read(str(kept.parent), CUSTOMER, "backup.password", OPENED) == CANARY
    else:
        refused("MSP-SEC-006", lambda: reading.read(str(kept.parent), CUSTOMER, "wifi", OPENED))


@pytest.mark.thorough
@given(value=st.text(min_size=1).filter(lambda text: text.isprintable()))
def test_whatever_the_secret_is_it_comes_out_as_it_went_in(
    value: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("any")
    (folder / f"{CUSTOMER}.yml").write_bytes(b"$ANSIBLE_VAULT;")
    for text in (json.dumps({"it": value}), yaml.safe_dump({"it": value})):
        assert reading.read(str(folder), CUSTOMER, "it", {str(folder / f"{CUSTOMER}.yml"): text}.__getitem__) == value
