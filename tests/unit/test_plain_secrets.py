"""Secrets in plain text are refused before they are committed, whatever kind they are; what is encrypted passes.

Every secret here is put together from parts, so that this file holds none.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyrage
import pytest
import yaml
from ansible.constants import DEFAULT_VAULT_ID_MATCH
from ansible.parsing.vault import VaultLib, VaultSecret

from msp_cli import plain_secrets

pytestmark = pytest.mark.thorough
ROOT = Path(__file__).resolve().parent.parent.parent
# Of the checkout: enough that each kind of file is there, not so much that a test waits.
COPIED = ("playbooks", "msp_cli", "roles", "inventories", "docs", "requirements.in", ".pre-commit-config.yaml")
ALNUM = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"


def letters(count: int) -> str:
    return "".join(secrets.choice(ALNUM) for _ in range(count))


def pem() -> str:
    dashes = "-" * 5
    body = base64.b64encode(secrets.token_bytes(96)).decode()
    return f"{dashes}BEGIN OPENSSH PRIVATE {'KEY'}{dashes}\n{body}\n{dashes}END OPENSSH PRIVATE {'KEY'}{dashes}\n"


PLANTED: dict[str, tuple[str, Callable[[], str], str]] = {
    "a private key": ("roles/msp_baseline_linux/files/id_ed25519", pem, "Private Key"),
    "a key of AWS": ("playbooks/vars.yml", lambda: f"bucket_id: {'AKIA'}{letters(16)}\n", "AWS Access Key"),
    "a token of NetBox": (
        "inventories/example/env",
        lambda: f"export NETBOX_TOKEN=nbt_{letters(12)}.{letters(40)}\n",
        "NetBox Token",
    ),
    "a key of age": ("docs/keys.txt", lambda: str(pyrage.x25519.Identity.generate()), "age Key"),
    "a token of GitHub": ("docs/notes.md", lambda: f"push with ghp_{letters(36)}\n", "GitHub Token"),
    "a password in variables": (
        "playbooks/group_vars/all.yml",
        lambda: f"backup_password: {letters(4)}!{letters(6)}\n",
        "Secret Keyword",
    ),
    "a password in quotes": (
        "inventories/demo/hosts.yml",
        lambda: f'all: {{vars: {{ansible_become_password: "{letters(12)}"}}}}\n',
        "Secret Keyword",
    ),
    "a password in an address": (
        "docs/store.md",
        lambda: f"postgresql://msp:{letters(14)}@db.customer.test/evidence\n",
        "Basic Auth Credentials",
    ),
    "a plain file where secrets are kept": ("secrets/bakkerij-jansen.yml", lambda: "wifi: open\n", "Not Encrypted"),
    "a password of Ansible": (
        "inventories/demo/group_vars/all.yml",
        lambda: f"ansible_become_pass: {letters(10)}\n",
        "Named Secret",
    ),
    "a password of a connection in an inventory": (
        "inventories/demo/hosts.ini",
        lambda: f"[all:vars]\nansible_ssh_pass={letters(10)}\n",
        "Named Secret",
    ),
    "a key of a wireless network": ("docs/wifi.yml", lambda: f"office_psk: {letters(12)}\n", "Named Secret"),
    "a recovery key": (
        "playbooks/open.yml",
        lambda: f"msp_disk_encryption_open_with: {{data: {letters(24)}}}\n",
        "Named Secret",
    ),
    "a recovery key on a command line": (
        "docs/open.md",
        lambda: f"""-e '{{"msp_disk_encryption_open_with": {{"data": "{letters(24)}"}}}}'\n""",
        "Named Secret",
    ),
    "a password in a script": ("bin/dump.sh", lambda: f"export PGPASSWORD={letters(12)}\n", "Named Secret"),
    "a token of Vault": ("docs/vault.md", lambda: f"VAULT_TOKEN is hvs.{letters(24)}\n", "Vault Token"),
    "a token of an older NetBox": (
        "docs/netbox.md",
        lambda: f"Authorization: Token {secrets.token_hex(20)}\n",
        "NetBox Token 1",
    ),
    "a plain file of any kind where secrets are kept": ("secrets/klant.env", lambda: "wifi=open\n", "Not Encrypted"),
    "a keytab": ("keytabs/srv01.keytab", lambda: "\x05\x02 0123456789abcdef\n", "Keytab"),
    "a token of NetBox in a test": (
        "tests/test_it.py",
        lambda: f'T = "nbt_{letters(12)}.{letters(40)}"\n',
        "NetBox Token",
    ),
}


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout of its own, committed, with a git that reads nobody's configuration."""
    tree = tmp_path_factory.mktemp("tree")
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, tree / name)
    allowed = yaml.safe_load((ROOT / plain_secrets.ALLOWED).read_text())
    kept = [entry for entry in allowed if (tree / entry["path"]).exists()]
    (tree / plain_secrets.ALLOWED).write_text(yaml.safe_dump(kept))
    git(tree, "init", "--quiet")
    git(tree, "add", "--all")
    git(tree, "commit", "--quiet", "--no-verify", "--message", "as it is")
    return tree


@pytest.fixture
def tree(copied: Path) -> Path:
    """The same, put back to what was committed."""
    git(copied, "reset", "--quiet", "--hard")
    git(copied, "clean", "--quiet", "-d", "-x", "--force")
    return copied


def git(tree: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_SYSTEM": os.devnull,
        "PRE_COMMIT_HOME": str(tree / ".git" / "pre-commit"),
    }
    identity = ("-c", "user.name=Test", "-c", "user.email=test@example.test")
    return subprocess.run(
        ["git", "-C", str(tree), *identity, *arguments], env=environment, capture_output=True, text=True, check=True
    )


def plant(tree: Path, path: str, text: str) -> Path:
    place = tree / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text)
    return place


def test_the_checkout_itself_holds_none(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert plain_secrets.main([], tree) == 0, capsys.readouterr().err


@pytest.mark.parametrize("kind", PLANTED)
def test_a_secret_in_plain_text_is_refused_and_not_shown(
    kind: str, tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, make, rule = PLANTED[kind]
    text = make()
    plant(tree, path, text)

    assert plain_secrets.main([], tree) == 1

    said = capsys.readouterr().err
    assert any(line.startswith(f"{path}:") and rule in line for line in said.splitlines()), said
    longest = max(text.split(), key=len)
    assert longest not in said


def test_a_made_up_password_in_a_test_is_none(tree: Path) -> None:
    plant(tree, "tests/unit/test_it.py", f'login(password="{letters(9)}")\n')

    assert plain_secrets.main([], tree) == 0


def test_what_git_ignores_is_not_looked_at(tree: Path) -> None:
    plant(tree, ".gitignore", "/build/\n")
    plant(tree, "build/key", pem())

    assert plain_secrets.main([], tree) == 0


def test_what_ansible_vault_encrypted_passes(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    vault = VaultLib([(DEFAULT_VAULT_ID_MATCH, VaultSecret(letters(12).encode()))])
    whole = vault.encrypt(f"backup_password: {letters(12)}\n").decode()
    one = vault.encrypt(letters(12)).decode().replace("\n", "\n  ")
    plant(tree, "secrets/bakkerij-jansen.yml", whole)
    plant(tree, "playbooks/group_vars/all.yml", f"backup_password: !vault |\n  {one}\n")

    assert plain_secrets.main([], tree) == 0, capsys.readouterr().err


def test_what_sops_encrypted_passes_and_not_what_was_added_by_hand(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipient = pyrage.x25519.Identity.generate().to_public()
    sops = [shutil.which("sops") or str(Path(sys.executable).parent / "sops"), "encrypt", "--age", str(recipient)]
    for name, text in {
        "secrets/bakkerij-jansen.yml": f"backup_password: {letters(12)}\n",
        "secrets/harbour-dental.json": json.dumps({"backup_password": letters(12)}),
    }.items():
        place = plant(tree, name, text)
        subprocess.run([*sops, "--in-place", str(place)], check=True, capture_output=True)

    assert plain_secrets.main([], tree) == 0, capsys.readouterr().err

    place = tree / "secrets" / "bakkerij-jansen.yml"
    place.write_text(f"wifi_password: {letters(12)}\n{place.read_text()}")
    assert plain_secrets.main([], tree) == 1
    assert "Secret Keyword" in capsys.readouterr().err


def test_a_false_alarm_is_passed_over_only_with_a_reason_and_only_while_it_is_there(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = plant(tree, "playbooks/group_vars/all.yml", f"backup_password: {letters(12)}\n")
    assert plain_secrets.main([], tree) == 1
    (found,) = plain_secrets.scan(tree, ["playbooks/group_vars/all.yml"])
    entry = {"path": found.path, "rule": found.rule, "sha256": found.sha256, "reason": ""}
    list_of = tree / plain_secrets.ALLOWED
    others = yaml.safe_load(list_of.read_text())

    list_of.write_text(yaml.safe_dump([*others, entry]))
    assert plain_secrets.main([], tree) == 1
    assert "wants a path, a rule, a sha256 and a reason" in capsys.readouterr().err

    list_of.write_text(yaml.safe_dump([*others, entry | {"reason": "the word that the manual prints"}]))
    assert plain_secrets.main([], tree) == 0

    place.write_text(f"backup_password: {letters(12)}  # pragma: allowlist secret\n")
    assert plain_secrets.main([], tree) == 1
    said = capsys.readouterr().err
    assert "all.yml:1: Secret Keyword" in said and "nothing there to allow" in said


def test_the_hook_stops_a_commit_and_lets_others_pass(tree: Path) -> None:
    # The program of this checkout, in that one.
    (tree / ".venv" / "bin").mkdir(parents=True)
    (tree / ".venv" / "bin" / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (tree / ".venv" / "bin" / "python").chmod(0o755)
    plant(tree, ".git/info/exclude", "/.venv/\n")
    git_path = Path(sys.executable).parent / "pre-commit"
    subprocess.run([str(git_path), "install"], cwd=tree, check=True, capture_output=True)
    plant(tree, "playbooks/group_vars/all.yml", f"backup_password: {letters(12)}\n")
    git(tree, "add", "--all")

    with pytest.raises(subprocess.CalledProcessError) as refused:
        git(tree, "commit", "--quiet", "--message", "a secret")

    assert "all.yml:1: Secret Keyword" in refused.value.stderr
    git(tree, "reset", "--quiet", "--hard")
    plant(tree, "docs/new.md", "Nothing secret here.\n")
    git(tree, "add", "--all")
    git(tree, "commit", "--quiet", "--message", "a page")


def test_the_hook_comes_from_nowhere_else() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]

    assert {repository["repo"] for repository in hooks} == {"local"}
    assert {hook["language"] for repository in hooks for hook in repository["hooks"]} == {"system"}
