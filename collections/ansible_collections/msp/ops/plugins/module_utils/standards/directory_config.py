# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""SSSD's configuration as tables, and what is wrong with it: who it asks, how that one proves itself, whom it lets in.

Pure: text in, findings out. A section is a table of options; a view has every section by its name, as "nss" or
"domain/example.org". No secret leaves this file.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

View = dict[str, dict[str, str]]
DOMAIN = "domain/"
# What SSSD takes where an option is not set.
_ACCESS, _CACHE_SECONDS, _FILTERED = "permit", 5400, "root"
_CACHE_TIMES = ("entry_cache_user_timeout", "entry_cache_group_timeout")
_DEMANDED = ("demand", "hard")
_TRUE = "true"
EVERYBODY = "everybody"
UNLIMITED = "unlimited"
# Options of a domain whose value is a list.
_LISTS = ("ldap_uri", "krb5_server")


class Wanted(NamedTuple):
    """The directory that was chosen. authority is PEM, "" for those that the system knows."""

    domain: str
    provider: str = "ldap"
    servers: tuple[str, ...] = ()
    base: str = ""
    schema: str = ""
    realm: str = ""
    kdcs: tuple[str, ...] = ()
    bind: str = ""
    authority: str = ""


# -- reading ------------------------------------------------------------------------------------------------------


def parse_ini(text: str) -> View:
    """Sections and options as SSSD reads them: a line that begins with a blank goes on with the value before it."""
    found: View = {}
    section: dict[str, str] | None = None
    last = ""
    for line in text.splitlines():
        bare = line.strip()
        if not bare or bare[0] in "#;":
            continue
        header = re.fullmatch(r"\[\s*([^\]]+?)\s*\]", bare)
        if header is not None:
            section, last = found.setdefault(header.group(1), {}), ""
        elif section is not None and line[0] in " \t" and last:
            section[last] = ("%s %s" % (section[last], bare)).strip()
        elif section is not None and "=" in bare:
            name, _sign, value = bare.partition("=")
            last = name.strip().lower()
            section[last] = value.strip()
    return found


def merged(views: Iterable[View]) -> View:
    """Of each option the last."""
    found: View = {}
    for view in views:
        for name, options in view.items():
            found.setdefault(name, {}).update(options)
    return found


def parse_ldif(text: str) -> View:
    """What `ldbsearch` prints of SSSD's own database, which it fills when it starts."""
    found: View = {}
    for record in re.split(r"\n\s*\n", text.replace("\n ", "")):
        pairs = [_pair(line) for line in record.splitlines() if ":" in line and not line.startswith("#")]
        options = {name.lower(): value for name, value in pairs}
        section = _section(options.pop("dn", ""))
        if section:
            found[section] = {name: value for name, value in options.items() if name not in ("cn", "distinguishedname")}
    return found


def _pair(line: str) -> tuple[str, str]:
    name, _colon, value = line.partition(":")
    if not value.startswith(":"):
        return name, value.strip()
    try:
        return name, base64.b64decode(value[1:].strip(), validate=True).decode("utf-8", "replace")
    except binascii.Error:
        return name, ""


def _section(dn: str) -> str:
    """The section of an entry such as cn=example.org,cn=domain,cn=config."""
    names = [part.partition("=")[2].strip() for part in re.split(r"(?<!\\),", dn)]
    if len(names) < 2 or names[-1].lower() != "config":
        return ""
    return "/".join(reversed(names[:-1]))


def domains(view: View) -> list[str]:
    """The domains that SSSD serves. A section of a domain that is not among them does nothing, unless it is enabled."""
    named = words(view.get("sssd", {}).get("domains", ""))
    switched = {
        name[len(DOMAIN) :]: options["enabled"].lower() == _TRUE
        for name, options in view.items()
        if name.startswith(DOMAIN) and "enabled" in options
    }
    every = named + [name for name, on in switched.items() if on and name not in named]
    return [name for name in every if switched.get(name, True)]


def words(text: str) -> list[str]:
    return [word for word in (one.strip() for one in text.split(",")) if word]


def _on(options: dict[str, str], name: str, default: bool = False) -> bool:
    return options[name].strip().lower() == _TRUE if name in options else default


# -- the directory that was chosen --------------------------------------------------------------------------------


def expected(wanted: Wanted) -> dict[str, str]:
    """The options of its domain by which SSSD finds it, and how people are proven. An empty value: not set."""
    if wanted.provider == "ad":
        return {"id_provider": "ad", "auth_provider": "ad", "krb5_realm": wanted.realm}
    auth = "krb5" if wanted.realm else "ldap"
    return {
        "id_provider": "ldap",
        "auth_provider": auth,
        "chpass_provider": auth,
        "ldap_uri": ", ".join(wanted.servers),
        "ldap_search_base": wanted.base,
        "ldap_schema": wanted.schema,
        "ldap_default_bind_dn": wanted.bind,
        "krb5_realm": wanted.realm,
        "krb5_server": ", ".join(wanted.kdcs),
    }


def different(wanted: Wanted, view: View) -> list[str]:
    """What of the chosen directory is another in this view, each as "ldap_uri is X"."""
    if wanted.domain not in domains(view):
        return ["%s is not among the domains" % wanted.domain]
    options = view.get(DOMAIN + wanted.domain, {})
    found = []
    for name, value in expected(wanted).items():
        there = options.get(name, "")
        if name == "auth_provider" and not there:
            there = options.get("id_provider", "")
        if name == "chpass_provider" and not there:
            there = options.get("auth_provider", "") or options.get("id_provider", "")
        same = words(there) == words(value) if name in _LISTS else there == value
        if not same:
            found.append("%s is %s" % (name, there or "not set"))
    return found


def certificates(text: str) -> list[str]:
    """The certificates of a PEM text, without line breaks: two files with the same ones are the same."""
    found = re.findall(r"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", text, re.DOTALL)
    return sorted("".join(one.split()) for one in found)


# -- whether it proves who it is ----------------------------------------------------------------------------------


def unproven(name: str, options: dict[str, str]) -> Iterator[str]:
    """By what somebody else could pass for the directory or for its KDC."""
    provider = options.get("id_provider", "")
    auth = options.get("auth_provider", provider)
    if "ldap" in (provider, auth):
        check = options.get("ldap_tls_reqcert", "")
        if check.lower() not in _DEMANDED:
            yield "%s: ldap_tls_reqcert is %s" % (name, check or "not set")
        for address in words(options.get("ldap_uri", "")):
            if address.lower().startswith("ldap:") and not _on(options, "ldap_id_use_start_tls"):
                yield "%s: %s without StartTLS" % (name, address)
        if _on(options, "ldap_auth_disable_tls_never_use_in_production"):
            yield "%s: passwords are sent in the clear" % name
    if proves_by_kerberos(options) and not _on(options, "krb5_validate", default=auth != "krb5"):
        yield "%s: krb5_validate is off" % name


def proves_by_kerberos(options: dict[str, str]) -> bool:
    return options.get("auth_provider", options.get("id_provider", "")) in ("krb5", "ad", "ipa")


# -- whom it lets in ----------------------------------------------------------------------------------------------


def admitted(options: dict[str, str]) -> list[str]:
    """Groups, users as "user anna", a filter in its brackets, or "everybody"."""
    provider = options.get("access_provider", _ACCESS)
    if provider == "deny":
        return []
    if provider == "simple":
        users = ["user %s" % one for one in words(options.get("simple_allow_users", ""))]
        return words(options.get("simple_allow_groups", "")) + users or [EVERYBODY]
    if provider == "ldap":
        if "filter" not in words(options.get("ldap_access_order", "filter")):
            return [EVERYBODY]
        return [options["ldap_access_filter"]] if options.get("ldap_access_filter") else []
    if provider == "ad" and options.get("ad_access_filter"):
        return [options["ad_access_filter"]]
    return [EVERYBODY if provider in ("permit", "ad") else "whom %s admits" % provider]


# -- while it is away ---------------------------------------------------------------------------------------------


def offline_days(view: View) -> int | str:
    """How long a cached password opens something while the directory is away."""
    number = _number(view.get("pam", {}).get("offline_credentials_expiration", "0"))
    return number if number else UNLIMITED


def cache_seconds(options: dict[str, str]) -> int:
    """How old what is known of somebody may get."""
    whole = _number(options.get("entry_cache_timeout", str(_CACHE_SECONDS)))
    return max([whole, *(_number(options[name]) for name in _CACHE_TIMES if name in options)])


def _number(text: str) -> int:
    return int(text) if text.strip().isdigit() else 0


def asked_for(view: View, accounts: Iterable[str]) -> list[str]:
    """Of these accounts of the host itself those for which SSSD asks the directory too, at each login."""
    left = {one.partition("@")[0] for one in words(view.get("nss", {}).get("filter_users", _FILTERED))}
    return [name for name in accounts if name not in left]
