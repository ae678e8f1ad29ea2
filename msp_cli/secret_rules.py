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
