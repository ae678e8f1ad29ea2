# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Postfix's settings of TLS as postconf shows them, and what of main.cf and master.cf to change. Pure.

The server gets the grade "high", whose list becomes the profile's: what Postfix sends by itself keeps its own grade,
for a mail that finds no common cipher goes in the clear.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.standards import openssl_ciphers
from ansible_collections.msp.ops.plugins.module_utils.standards.server_settings import (
    CIPHERS,
    OFFERED,
    SENDING,
    VERSIONS,
    Plan,
    unique,
)
from ansible_collections.msp.ops.plugins.module_utils.standards.tls_profiles import Profile

MAIN, MASTER = "/etc/postfix/main.cf", "/etc/postfix/master.cf"
ENCRYPTS = ("may", "encrypt", "dane", "dane-only", "fingerprint", "verify", "secure")
_KNOWN = ("SSLv2", "SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
_LISTS = ("smtpd_tls_protocols", "smtpd_tls_mandatory_protocols")
_GRADES = ("smtpd_tls_ciphers", "smtpd_tls_mandatory_ciphers")
_EXCLUDED = ("smtpd_tls_exclude_ciphers", "smtpd_tls_mandatory_exclude_ciphers")
# Services that take mail, as master.cf names them.
_OF_MAIL = ("smtp/inet", "smtps/", "submission", "465/", "587/", "25/")
_HIGH = "high"


def settings(shown: str) -> dict[str, str]:
    """Of what postconf prints: name = value."""
    rows = (line.partition("=") for line in shown.splitlines() if "=" in line)
    return {name.strip(): value.strip() for name, _equals, value in rows}


def overrides(shown: str) -> list[tuple[str, str, str]]:
    """Of what postconf -P prints: the service (name/type), the setting and its value."""
    found = []
    for line in shown.splitlines():
        place, equals, value = line.partition("=")
        service, slash, name = place.strip().rpartition("/")
        if equals and slash:
            found.append((service, name, value.strip()))
    return found


def versions(value: str) -> frozenset[str]:
    """What a list of protocols comes to: a lowest (>=), a highest (<=), those named, or all but those with a mark."""
    words = re.split(r"[\s,:]+", value.strip())
    found = set(_KNOWN[1:])
    named = {one for word in words for one in _KNOWN if one.lower() == word.lower()}
    if named:
        found = named
    for word in words:
        at = next((place for place, one in enumerate(_KNOWN) if one.lower() == word.lstrip("!<>=").lower()), None)
        if at is None:
            continue
        if word.startswith("!"):
            found.discard(_KNOWN[at])
        elif word.startswith(">="):
            found -= set(_KNOWN[:at])
        elif word.startswith("<="):
            found -= set(_KNOWN[at + 1 :])
    return frozenset(found)


def expression(values: Mapping[str, str], grade: str, excluded: str) -> str:
    """What a grade stands for, as OpenSSL takes it, without what is taken out of it."""
    without = [one for one in re.split(r"[\s,:]+", excluded) if one]
    return ":".join([values.get("tls_%s_cipherlist" % grade, ""), *("!" + one for one in without)])


def certificates(values: Mapping[str, str], rows: Iterable[tuple[str, str, str]] = ()) -> list[str]:
    """The files that certificates come from, for the server and where Postfix has one of its own as a client."""
    names = ("smtpd_tls_chain_files", "smtpd_tls_cert_file", "smtpd_tls_eccert_file", "smtp_tls_cert_file")
    texts = [values.get(name, "") for name in names]
    texts += [value for _service, name, value in rows if name in names]
    found = [word for text in texts for word in re.split(r"[\s,]+", text)]
    return list(dict.fromkeys(word for word in found if word.startswith("/")))


def plan(values: Mapping[str, str], rows: Iterable[tuple[str, str, str]], wanted: Mapping[str, Profile]) -> Plan:
    """wanted has the profile for each part that is to be changed."""
    main: dict[str, str] = {}
    if VERSIONS in wanted:
        profile = wanted[VERSIONS]
        main.update(
            (name, _only(profile)) for name in _LISTS if not versions(values.get(name, "")) <= set(profile.versions)
        )
    if CIPHERS in wanted and wanted[CIPHERS].ciphers:
        main.update(_grades(values, wanted[CIPHERS]))
    if OFFERED in wanted:
        main.update(_offered(values, wanted[OFFERED]))
    if SENDING in wanted and values.get("smtp_tls_security_level") not in ENCRYPTS:
        main["smtp_tls_security_level"] = "may"
    left = []
    if OFFERED in wanted and not certificates(values):
        left.append("no certificate: smtpd_tls_chain_files or smtpd_tls_cert_file")
    replacements = [row for name, value in main.items() for row in _in_main(name, value)]
    for service, name, value in rows:
        new = _override(service, name, value, values, wanted)
        if new is not None:
            replacements.append(_in_master(name, value, new))
    return Plan(unique(replacements), {}, left)


def _only(profile: Profile, between: str = ", ") -> str:
    """As every Postfix takes it: what is not in it, with a mark before."""
    return between.join("!" + one for one in _KNOWN if one not in profile.versions)


def _grades(values: Mapping[str, str], profile: Profile) -> dict[str, str]:
    found = {}
    for name, excluded in zip(_GRADES, _EXCLUDED):  # noqa: B905 - Python 3.9
        if not openssl_ciphers.within(expression(values, values.get(name, ""), values.get(excluded, "")), profile):
            found[name] = _HIGH
    high = values.get("tls_high_cipherlist", "")
    if found and not openssl_ciphers.within(high, profile):
        found["tls_high_cipherlist"] = profile.openssl
    return found


def _offered(values: Mapping[str, str], profile: Profile) -> dict[str, str]:
    """What is offered anew is so within the profile from its first day: nobody uses anything else of it yet."""
    found = {}
    if values.get("smtpd_tls_security_level") not in ("may", "encrypt") and certificates(values):
        found["smtpd_tls_security_level"] = "may"
        if not versions(values.get(_LISTS[0], "")) <= set(profile.versions):
            found[_LISTS[0]] = _only(profile)
        if profile.ciphers:
            mandatory = set(_GRADES[1:])
            found.update((name, value) for name, value in _grades(values, profile).items() if name not in mandatory)
    if values.get("smtpd_tls_auth_only") != "yes":
        found["smtpd_tls_auth_only"] = "yes"
    return found


def _override(
    service: str, name: str, value: str, values: Mapping[str, str], wanted: Mapping[str, Profile]
) -> str | None:
    """What takes the place of a service's own setting; None where it may stay."""
    profile = wanted.get(VERSIONS)
    if profile is not None and name in _LISTS and not versions(value) <= set(profile.versions):
        # Without blanks: these would need braces.
        return _only(profile, ",")
    profile = wanted.get(CIPHERS)
    if profile is not None and profile.ciphers:
        graded = name in _GRADES and value != _HIGH
        if graded and not openssl_ciphers.within(expression(values, value, ""), profile):
            return _HIGH
        list_of = re.fullmatch(r"tls_[a-z]+_cipherlist", name) and service.startswith(_OF_MAIL)
        if list_of and not openssl_ciphers.within(value, profile):
            return profile.openssl
    return "yes" if OFFERED in wanted and name == "smtpd_tls_auth_only" and value != "yes" else None


def _in_main(name: str, value: str) -> list[dict[str, Any]]:
    """It is taken out wherever it stands, with the lines that go on with it, and stands once at the end."""
    line = "%s = %s" % (name, value)
    # A line that begins with a blank goes on with the one before, with comments and empty ones between them.
    pattern = r"^%s[ \t]*=[^\n]*(?:(?:\n[ \t]*#[^\n]*|\n[ \t]*)*\n[ \t]+[^\s#][^\n]*)*" % re.escape(name)
    there = {"paths": [MAIN], "regexp": pattern, "replace": line.replace("\\", "\\\\")}
    # Where it is not there: behind the last line, once.
    lacking = r"\A((?:(?!^%s[ \t]*=)[\s\S])*?)(\n?)\Z" % re.escape(name)
    return [there, {"paths": [MAIN], "regexp": lacking, "replace": r"\g<1>\n" + line.replace("\\", "\\\\") + r"\n"}]


def _in_master(name: str, value: str, new: str) -> dict[str, Any]:
    pattern = r"^([ \t]+(?:[^#\n]*[ \t])?-o[ \t]*%s=)%s(?=[ \t]|$)" % (re.escape(name), re.escape(value))
    return {"paths": [MASTER], "regexp": pattern, "replace": r"\g<1>" + new.replace("\\", "\\\\"), "repeat": True}
