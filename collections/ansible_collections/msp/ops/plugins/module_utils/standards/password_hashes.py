# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a password would be kept that is given now: by PAM, as passwd does it, and by what goes without PAM."""

from __future__ import annotations

from ansible_collections.msp.ops.plugins.module_utils.standards import accounts, pam
from ansible_collections.msp.ops.plugins.module_utils.standards.reader import Absent, Reader, Unmeasurable

# What gives an account a password: by itself, or at a login when the old one is over.
SERVICES = (
    *("passwd", "chpasswd", "newusers", "login", "remote", "sshd", "su", "su-l", "sudo"),
    *("gdm-password", "lightdm", "sddm"),
)
_WAYS = ("bigcrypt", "md5", "sha256", "sha512", "blowfish", "gost_yescrypt", "yescrypt")
_STRONG = frozenset(("sha256", "sha512", "blowfish", "gost_yescrypt", "yescrypt"))
# login.defs(5), in capitals only. Builds that don't know BCRYPT take it for DES, as all that they don't know.
_STRONG_BY_NAME = frozenset(("YESCRYPT", "SHA512", "SHA256"))
_NONE = "des"


def by_pam(arguments: tuple[str, ...], configured: str | None) -> str:
    """What pam_unix uses with these arguments; without one that says it, as login.defs has it, and else DES."""
    given = [way for word in arguments for way in _WAYS if word.startswith(way)]
    if given:
        return given[-1]
    found = [way for way in _WAYS if configured is not None and configured.lower().startswith(way)]
    return found[0] if found else _NONE


def measure(reader: Reader) -> dict:
    """weak are the ways that keep a password badly, by who uses them; by_hand those that stand in PAM's files."""
    if not reader.host.exists("/etc/login.defs"):
        raise Absent("/etc/login.defs is not on this host")
    configured = pam.login_defs(reader, "ENCRYPT_METHOD")
    methods: dict[str, str] = {}
    weak: list[str] = []
    by_hand: list[str] = []
    for service in SERVICES:
        if not pam.there(reader.host, service):
            continue
        lines = [one for one in pam.lines(pam.stack(reader, service, "password")) if one.module == "pam_unix.so"]
        for line in lines:
            found = by_pam(line.arguments, configured)
            if found in _STRONG:
                methods.setdefault(service, found)
                continue
            methods[service] = found
            weak.append("%s: %s" % (service, found))
            if by_pam(line.arguments, None) != _NONE:
                by_hand.append("%s: %s" % (service, found))
    if not methods:
        raise Unmeasurable("no program that gives passwords keeps them by pam_unix")
    # Of what goes without PAM the last line counts.
    plain = accounts.login_defs(reader, "ENCRYPT_METHOD")["value"]
    methods["login.defs"] = plain or ""
    if plain not in _STRONG_BY_NAME:
        weak.append("login.defs: %s" % (plain or "no ENCRYPT_METHOD is set"))
    return {"weak": sorted(set(weak)), "by_hand": sorted(set(by_hand)), "methods": methods}
