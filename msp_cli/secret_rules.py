"""What detect-secrets does not know by itself: NetBox's tokens, age's keys, and which values are none."""

from __future__ import annotations

import re

from detect_secrets.plugins.base import RegexBasedDetector


class NetBoxTokenDetector(RegexBasedDetector):
    """A token of NetBox 4.5 and later, as it is sent: nbt_KEY.TOKEN."""

    secret_type = " ".join(("NetBox", "Token"))
    denylist = (re.compile(r"\bnbt_[A-Za-z0-9]{8,}\.[A-Za-z0-9]{20,}"),)


class AgeKeyDetector(RegexBasedDetector):
    """A key with which age opens what was sealed."""

    secret_type = " ".join(("age", "Key"))
    denylist = (re.compile(r"\bAGE-SECRET-KEY-(?:PQ-)?1[0-9A-Z]{20,}", re.IGNORECASE),)


class VaultTokenDetector(RegexBasedDetector):
    """A token of HashiCorp Vault or OpenBao: of a service, of a batch, or for recovery."""

    secret_type = " ".join(("Vault", "Token"))
    denylist = (re.compile(r"\bhv[sbr]\.[A-Za-z0-9_-]{20,}"),)


class OldNetBoxTokenDetector(RegexBasedDetector):
    """A token of an older NetBox, by the word before it: 40 hexadecimal digits, as a commit has too."""

    secret_type = " ".join(("NetBox", "Token", "1"))
    denylist = (re.compile(r"(?i)\btoken[\"']?\s*[:= ]\s*[\"']?([0-9a-f]{40})\b"),)


class NamedSecretDetector(RegexBasedDetector):
    """What Ansible, SNMP and wireless networks call their secrets, which KeywordDetector does not know."""

    secret_type = " ".join(("Named", "Secret"))
    denylist = (
        re.compile(
            r"""(?im)^[\s{,"'-]*(?:export\s+)?(?:ansible_\w*pass|\w*passphrase|\w*psk|snmp_community|vault_token|PGPASSWORD)"""
            r"""["']?\s*[:=]\s*["']?([^\s"',}#]{6,})"""
        ),
        re.compile(r"""msp_disk_encryption_open_with["']?\s*:\s*\{\s*["']?\w+["']?\s*:\s*["']?([^\s"',}]{6,})"""),
    )


# Where a value that one of these begins is looked up and not written down.
_ELSEWHERE = re.compile(
    r"""
    ["'\[{(]*\s*(?:
      \{\{ | \{% | \$\{ | \$\( | \$[A-Za-z_]   # a template, or a variable of the shell
      | !vault\b | ENC\[AES256_GCM,            # encrypted already
      | lookup\( | os\.environ | getenv
    )""",
    re.VERBOSE,
)
_NO_VALUE = re.compile(
    r"""["']*(?:true|false|null|none|yes|no|~|str|string|bool|int|integer|raw|omit|required|optional|fill-in|
    \d{1,3}|[|>][-+]?|\*+|\.{3}|<[^>]*>)["',}\])\s]*(?:\#.*)?""",
    re.IGNORECASE | re.VERBOSE,
)


def is_no_value(secret: str) -> bool:
    """A value that is looked up elsewhere, is encrypted, or is a word of YAML: no secret stands there."""
    return bool(_ELSEWHERE.match(secret) or _NO_VALUE.fullmatch(secret))
