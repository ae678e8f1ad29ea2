"""Secrets that are written down in plain text, by detect-secrets with rules of our own; a step of ./msp lint and the
pre-commit hook.

    python -m msp_cli.plain_secrets [FILE ...]      the files named; without a name all that git knows or would add

Two kinds of rules. Some know a secret by its form (a private key, a token of NetBox, AWS or GitHub, a key of age): they
hold everywhere. Others guess by the name beside it (a password in YAML, a user and a word before an @): not in tests,
whose passwords are made up and are for nothing. A directory named "secrets" holds nothing that is not encrypted.

A false alarm is passed over only when .plain-secrets.yml names it with a reason; an entry that no longer applies is an
error. There is no comment that silences a line.

Exit status: 0 nothing found, 1 something was.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from detect_secrets.plugins.artifactory import ArtifactoryDetector
from detect_secrets.plugins.aws import AWSKeyDetector
from detect_secrets.plugins.azure_storage_key import AzureStorageKeyDetector
from detect_secrets.plugins.base import RegexBasedDetector
from detect_secrets.plugins.basic_auth import BasicAuthDetector
from detect_secrets.plugins.discord import DiscordBotTokenDetector
from detect_secrets.plugins.github_token import GitHubTokenDetector
from detect_secrets.plugins.gitlab_token import GitLabTokenDetector
from detect_secrets.plugins.jwt import JwtTokenDetector
from detect_secrets.plugins.keyword import DENYLIST, KeywordDetector
from detect_secrets.plugins.mailchimp import MailchimpDetector
from detect_secrets.plugins.npm import NpmDetector
from detect_secrets.plugins.openai import OpenAIDetector
from detect_secrets.plugins.private_key import PrivateKeyDetector
from detect_secrets.plugins.pypi_token import PypiTokenDetector
from detect_secrets.plugins.sendgrid import SendGridDetector
from detect_secrets.plugins.slack import SlackDetector
from detect_secrets.plugins.square_oauth import SquareOAuthDetector
from detect_secrets.plugins.stripe import StripeDetector
from detect_secrets.plugins.telegram_token import TelegramBotTokenDetector
from detect_secrets.plugins.twilio import TwilioKeyDetector

from msp_cli.secret_rules import (
    AgeKeyDetector,
    NamedSecretDetector,
    NetBoxTokenDetector,
    OldNetBoxTokenDetector,
    VaultTokenDetector,
    is_no_value,
)

ROOT = Path(__file__).resolve().parent.parent
ALLOWED = ".plain-secrets.yml"
FOLDER = "secrets"
NOT_ENCRYPTED = "Not Encrypted"
KEYTAB = "Keytab"
VAULT = b"$ANSIBLE_VAULT;"
# How a keytab of Kerberos begins, and stores of keys of Java.
KEY_FILES = (b"\x05\x02", b"\xfe\xed\xfe\xed")
GUESSING = {"Secret Keyword", "Basic Auth Credentials"}
GUESSING |= {NamedSecretDetector.secret_type, OldNetBoxTokenDetector.secret_type}
KEYWORDS = KeywordDetector()
PATTERNS: tuple[RegexBasedDetector, ...] = (
    *(
        ArtifactoryDetector(),
        AWSKeyDetector(),
        AzureStorageKeyDetector(),
        BasicAuthDetector(),
        DiscordBotTokenDetector(),
    ),
    *(GitHubTokenDetector(), GitLabTokenDetector(), JwtTokenDetector(), MailchimpDetector(), NpmDetector()),
    *(OpenAIDetector(), PrivateKeyDetector(), PypiTokenDetector(), SendGridDetector(), SlackDetector()),
    *(SquareOAuthDetector(), StripeDetector(), TelegramBotTokenDetector(), TwilioKeyDetector()),
    *(NetBoxTokenDetector(), OldNetBoxTokenDetector(), AgeKeyDetector(), VaultTokenDetector(), NamedSecretDetector()),
)
# A line in which none of the words stands that the rule of names looks for.
NAMES = re.compile("|".join(DENYLIST), re.IGNORECASE)


@dataclass(frozen=True, order=True)
class Found:
    """A plain secret: its file below the root, its line, which rule found it, and a hash in its stead."""

    path: str
    line: int
    rule: str
    sha256: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule} (sha256 {self.sha256})"


def main(arguments: Sequence[str], root: Path = ROOT) -> int:
    names = [str(Path(name).resolve().relative_to(root)) for name in arguments] or tracked(root)
    found = sorted(scan(root, names))
    allowed, wrong = allowances(root)
    left = [one for one in found if (one.path, one.rule, one.sha256) not in allowed]
    for one in left:
        print(f"{one}: a secret in plain text", file=sys.stderr)
    if not arguments:
        used = {(one.path, one.rule, one.sha256) for one in found}
        wrong += [f"{ALLOWED}: {path}, {rule}: nothing there to allow" for path, rule, _sha in sorted(allowed - used)]
    for words in wrong:
        print(words, file=sys.stderr)
    if left:
        print(
            "Encrypt it (ansible-vault, SOPS) and read it with the lookup msp.ops.secret; what was committed is known, "
            f"so change it. What is no secret at all is named in {ALLOWED}, with the reason.",
            file=sys.stderr,
        )
    return 1 if left or wrong else 0


def tracked(root: Path) -> list[str]:
    """What git has and would add: what is ignored is not looked at."""
    command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return sorted({name for name in listed.split("\0") if name and (root / name).is_file()})


def scan(root: Path, names: Iterable[str]) -> set[Found]:
    """Every plain secret in these files. Of files that are no text, only keytabs and stores of keys."""
    found = set()
    for name in names:
        path = Path(name)
        data = (root / name).read_bytes()
        if data.strip() and FOLDER in path.parts[:-1] and not encrypted(data):
            found.add(Found(name, 1, NOT_ENCRYPTED, hashlib.sha256(data).hexdigest()))
        if data.startswith(KEY_FILES):
            found.add(Found(name, 1, KEYTAB, hashlib.sha256(data).hexdigest()))
        if data.startswith(VAULT):
            continue
        try:
            text = data.decode()
        except UnicodeDecodeError:
            continue
        for line, rule, secret in _in_text(name, text):
            if rule not in GUESSING or "tests" not in path.parts:
                found.add(Found(name, line, rule, hashlib.sha256(secret.encode()).hexdigest()))
    return found


def _in_text(name: str, text: str) -> Iterator[tuple[int, str, str]]:
    """(line, rule, secret). A rule that meets nothing in the whole text is not asked about each line."""
    rules = [rule for rule in PATTERNS if any(pattern.search(text) for pattern in rule.denylist)]
    for number, line in enumerate(text.splitlines(), start=1):
        for rule in (*rules, *([KEYWORDS] if NAMES.search(line) else ())):
            for secret in rule.analyze_line(filename=name, line=line, line_number=number):
                value = secret.secret_value or ""
                if not is_no_value(value):
                    yield number, str(secret.type), value


def encrypted(data: bytes) -> bool:
    """A file of ansible-vault, or one that SOPS made."""
    if data.startswith(VAULT):
        return True
    try:  # JSON may hold tabs, which YAML does not take
        read = json.loads(data) if data.lstrip().startswith(b"{") else yaml.safe_load(data)
    except (ValueError, yaml.YAMLError):
        return False
    sops = read.get("sops") if isinstance(read, dict) else None
    return isinstance(sops, dict) and str(sops.get("mac", "")).startswith("ENC[AES256_GCM,")


def allowances(root: Path) -> tuple[set[tuple[str, str, str]], list[str]]:
    """False alarms (path, rule, hash) with a reason, and what is wrong with the list."""
    path = root / ALLOWED
    entries = (yaml.safe_load(path.read_text()) if path.exists() else None) or []
    allowed, wrong = set(), []
    for number, entry in enumerate(entries, start=1):
        if set(entry) != {"path", "rule", "sha256", "reason"} or not str(entry["reason"] or "").strip():
            wrong.append(f"{ALLOWED}: entry {number}: wants a path, a rule, a sha256 and a reason")
        else:
            allowed.add((str(entry["path"]), str(entry["rule"]), str(entry["sha256"])))
    return allowed, wrong


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
