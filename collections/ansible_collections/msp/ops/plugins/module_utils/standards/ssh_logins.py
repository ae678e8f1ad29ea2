# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""By which ways one account may come in by ssh, and from where: what sshd says, for each Match block that may count.

A block that a login of this account can meet is asked as such a login, so that what holds for one office only is seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

from ansible_collections.msp.ops.plugins.module_utils.standards import ssh_server
from ansible_collections.msp.ops.plugins.module_utils.standards.pam_factors import Asked
from ansible_collections.msp.ops.plugins.module_utils.standards.reader import Reader
from ansible_collections.msp.ops.plugins.module_utils.standards.ssh_connections import ANYBODY, of_user

# A method of sshd, and the keyword by which it is on.
METHODS = {
    "publickey": "pubkeyauthentication",
    "password": "passwordauthentication",
    "keyboard-interactive": "kbdinteractiveauthentication",
    "hostbased": "hostbasedauthentication",
    "gssapi-with-mic": "gssapiauthentication",
    "gssapi-keyex": "gssapikeyexchange",
}
# What decides by which ways somebody comes in.
_DECIDING = frozenset(
    (
        *METHODS.values(),
        *("authenticationmethods", "pubkeyacceptedalgorithms", "pubkeyauthoptions", "permitrootlogin"),
        *("allowusers", "denyusers", "allowgroups", "denygroups", "refuseconnection"),
    )
)
# Keys that a person has to touch are sk-...; a certificate of one is too.
_HARDWARE = "sk-"
_VERIFIED = "verify-required"
Settings = Mapping[str, Sequence[str]]


class Login(NamedTuple):
    """settings is what sshd -T says of it, address where it comes from, block the Match block that it was made for."""

    settings: Settings
    address: str
    block: ssh_server.Block | None


def logins(reader: Reader, user: str) -> Iterator[Login]:
    """Every kind of login that sshd may treat in its own way, of one account."""
    plain = dict(ANYBODY, user=user)
    yield Login(settings(reader, plain), plain["addr"], None)
    members, complete = reader.once(ssh_server.members)
    # Of all blocks that set a keyword the first one counts: by keyword those before.
    before: dict[str, list[str]] = {}
    for block in reader.once(ssh_server.match_blocks):
        found = set()
        for keyword in sorted(block.keywords & _DECIDING):
            earlier = before.setdefault(keyword, [])
            asked = of_user(block.condition, user, members, tuple(earlier), complete)
            earlier.append(block.condition)
            if asked is not None:
                found.add(tuple(sorted(asked.items())))
        for each in sorted(found):
            yield Login(settings(reader, dict(each)), dict(each)["addr"], block)


def from_address(reader: Reader, user: str, address: str) -> Login:
    return Login(settings(reader, dict(ANYBODY, user=user, addr=address)), address, None)


def settings(reader: Reader, asked: Mapping[str, str]) -> Settings:
    found: Settings = ssh_server.as_login(reader, dict(sorted(asked.items())))
    return found


def one(found: Settings, keyword: str) -> str:
    return " ".join(found.get(keyword, ()))


def lets_in(found: Settings, user: str, groups: Iterable[str], uid: int) -> bool:
    """Whether sshd lets the account try at all. A pattern with a host in it is taken as one that lets in."""
    if uid == 0 and one(found, "permitrootlogin") == "no":
        return False
    if one(found, "refuseconnection") == "yes" or _named(found, "denyusers", [user]):
        return False
    if _named(found, "denygroups", groups):
        return False
    allowed, allowed_groups = _words(found, "allowusers"), _words(found, "allowgroups")
    if allowed and not any(fnmatchcase(user, pattern.partition("@")[0]) for pattern in allowed):
        return False
    return not allowed_groups or _named(found, "allowgroups", groups)


def _words(found: Settings, keyword: str) -> list[str]:
    """sshd -T prints a line for each of them."""
    return [word for line in found.get(keyword, ()) for word in line.split()]


def _named(found: Settings, keyword: str, names: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for name in names for pattern in _words(found, keyword))


def ways(found: Settings) -> list[tuple[str, ...]]:
    """Each list of methods that together let somebody in. A list with a method that is off lets nobody in."""
    enabled = {method for method, keyword in METHODS.items() if one(found, keyword) in ("yes", "sandbox")}
    lists = one(found, "authenticationmethods").split()
    if not lists or lists == ["any"]:
        return [(method,) for method in METHODS if method in enabled]
    told = [tuple(word.partition(":")[0] for word in each.split(",")) for each in lists]
    return [each for each in told if set(each) <= enabled]


def hardware_only(found: Settings) -> bool:
    """Whether only keys of security keys are accepted, and only with a PIN or a fingerprint beside the touch."""
    kinds = ",".join(found.get("pubkeyacceptedalgorithms", ())).split(",")
    return all(kind.startswith(_HARDWARE) for kind in kinds) and _VERIFIED in one(found, "pubkeyauthoptions")


def weak_ways(found: Settings, by_pam: frozenset[Asked]) -> list[str]:
    """The ways that need no second factor, each as sshd writes it. by_pam is what PAM asks of the account.

    A security key with its PIN is two factors by itself, else a key, a ticket or a password needs the code beside it.
    """
    pam = one(found, "usepam") == "yes"
    code = pam and bool(by_pam) and all(each.code for each in by_pam)
    both = code and all(each.password for each in by_pam)
    weak = []
    for way in ways(found):
        questions = {"keyboard-interactive", "password"} & set(way)
        if "publickey" in way and hardware_only(found):
            continue
        if questions and (both or (code and set(way) - questions)):
            continue
        weak.append(",".join(way))
    return weak
