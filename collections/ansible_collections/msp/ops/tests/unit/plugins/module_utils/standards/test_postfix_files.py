# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Postfix's settings of TLS: what they come to, and what of main.cf and master.cf is changed, once and no more."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.standards import postfix_files
from ansible_collections.msp.ops.plugins.module_utils.standards.postfix_files import MAIN, MASTER
from ansible_collections.msp.ops.plugins.module_utils.standards.server_settings import (
    CIPHERS,
    OFFERED,
    SENDING,
    VERSIONS,
)
from ansible_collections.msp.ops.plugins.module_utils.standards.tls_profiles import INTERMEDIATE, MODERN, PROFILES
from ansible_collections.msp.ops.tests.unit.plugins.module_utils.standards.made_plan import applied

PROFILE = PROFILES[INTERMEDIATE]
EVERY = dict.fromkeys((VERSIONS, CIPHERS, OFFERED, SENDING), PROFILE)
# What postconf of Postfix 3.7 says where nothing is set.
DEFAULTS = {
    "smtpd_tls_protocols": ">=TLSv1",
    "smtpd_tls_mandatory_protocols": ">=TLSv1",
    "smtpd_tls_ciphers": "medium",
    "smtpd_tls_mandatory_ciphers": "medium",
    "smtpd_tls_exclude_ciphers": "",
    "smtpd_tls_mandatory_exclude_ciphers": "",
    "tls_low_cipherlist": "aNULL:-aNULL:HIGH:MEDIUM:LOW:+RC4:@STRENGTH",
    "tls_medium_cipherlist": "aNULL:-aNULL:HIGH:MEDIUM:+RC4:@STRENGTH",
    "tls_high_cipherlist": "aNULL:-aNULL:HIGH:@STRENGTH",
    "smtpd_tls_security_level": "may",
    "smtpd_tls_auth_only": "no",
    "smtpd_tls_cert_file": "/etc/ssl/mail.pem",
    "smtp_tls_security_level": "",
    "smtp_tls_cert_file": "",
}
FILE = "myhostname = mail.example.com\n# smtpd_tls_ciphers = low\nsmtpd_tls_security_level=may\n"
ALLOWED = "!SSLv2, !SSLv3, !TLSv1, !TLSv1.1"


def told(main: str) -> dict[str, str]:
    """What postconf would say of that file: the last of a name counts, and a blank goes on with the line before."""
    lines: list[str] = []
    for line in main.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if line[0].isspace() and lines:
            lines[-1] += " " + line.strip()
        else:
            lines.append(line)
    return {**DEFAULTS, **postfix_files.settings("\n".join(lines))}


@pytest.mark.parametrize(
    ("value", "versions"),
    [
        (">=TLSv1", {"TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"}),
        (">=TLSv1.2, <=TLSv1.2", {"TLSv1.2"}),
        ("!SSLv2, !SSLv3", {"TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"}),
        (ALLOWED, {"TLSv1.2", "TLSv1.3"}),
        ("TLSv1.3", {"TLSv1.3"}),
        ("TLSv1.2 TLSv1.3 !TLSv1.2", {"TLSv1.3"}),
        ("", {"SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"}),
    ],
)
def test_a_list_of_versions_comes_to(value: str, versions: set[str]) -> None:
    assert postfix_files.versions(value) == versions


def test_what_postconf_prints_is_read() -> None:
    assert postfix_files.settings("a = b = c\nempty =\n") == {"a": "b = c", "empty": ""}
    shown = "submission/inet/smtpd_tls_mandatory_protocols = >=TLSv1\nx/unix/a_file = /etc/x\n"
    assert postfix_files.overrides(shown) == [
        ("submission/inet", "smtpd_tls_mandatory_protocols", ">=TLSv1"),
        ("x/unix", "a_file", "/etc/x"),
    ]


def test_the_server_gets_a_grade_of_its_own_and_the_client_keeps_what_it_had() -> None:
    plan = postfix_files.plan(DEFAULTS, [], EVERY)
    after = told(applied(plan, {MAIN: FILE})[MAIN])

    assert after["smtpd_tls_protocols"] == after["smtpd_tls_mandatory_protocols"] == ALLOWED
    assert after["smtpd_tls_ciphers"] == after["smtpd_tls_mandatory_ciphers"] == "high"
    assert after["tls_high_cipherlist"] == PROFILE.openssl
    assert after["tls_medium_cipherlist"] == DEFAULTS["tls_medium_cipherlist"]
    assert after["smtp_tls_security_level"] == "may" and after["smtpd_tls_auth_only"] == "yes"
    assert "# smtpd_tls_ciphers = low\n" in applied(plan, {MAIN: FILE})[MAIN]


@pytest.mark.parametrize("level", postfix_files.ENCRYPTS)
def test_what_is_sent_more_strictly_stays_so(level: str) -> None:
    assert postfix_files.plan({**DEFAULTS, "smtp_tls_security_level": level}, [], {SENDING: PROFILE}).replacements == []


def test_what_is_offered_anew_is_within_the_profile_from_its_first_day() -> None:
    closed = {**DEFAULTS, "smtpd_tls_security_level": "none"}
    after = told(applied(postfix_files.plan(closed, [], {OFFERED: PROFILE}), {MAIN: FILE})[MAIN])

    assert after["smtpd_tls_security_level"] == "may" and after["smtpd_tls_protocols"] == ALLOWED
    assert after["smtpd_tls_ciphers"] == "high" and after["tls_high_cipherlist"] == PROFILE.openssl
    # Of what is offered already nothing is changed with it.
    assert after["smtpd_tls_mandatory_ciphers"] == "medium"
    open_ = postfix_files.plan(DEFAULTS, [], {OFFERED: PROFILE})
    assert next(row["replace"] for row in open_.replacements) == "smtpd_tls_auth_only = yes"


def test_without_a_certificate_nothing_is_offered_and_a_person_is_told() -> None:
    plan = postfix_files.plan({"smtpd_tls_security_level": "", "smtpd_tls_auth_only": "yes"}, [], {OFFERED: PROFILE})
    assert plan.replacements == [] and plan.left == ["no certificate: smtpd_tls_chain_files or smtpd_tls_cert_file"]


MASTER_FILE = """smtp      inet  n  -  y  -  -  smtpd
submission inet n - y - - smtpd
  -o smtpd_tls_security_level=encrypt
  -o smtpd_tls_mandatory_protocols=>=TLSv1 -o smtpd_tls_mandatory_ciphers=low
# -o smtpd_tls_mandatory_ciphers=low
  -o smtpd_tls_auth_only=no
  -o tls_medium_cipherlist=ALL
relay unix - - y - - smtp
  -o tls_medium_cipherlist=ALL
"""
OVERRIDES = [
    ("submission/inet", "smtpd_tls_mandatory_protocols", ">=TLSv1"),
    ("submission/inet", "smtpd_tls_mandatory_ciphers", "low"),
    ("submission/inet", "smtpd_tls_auth_only", "no"),
]


def test_what_a_service_says_for_itself_is_changed_there() -> None:
    after = applied(postfix_files.plan(DEFAULTS, OVERRIDES, EVERY), {MAIN: FILE, MASTER: MASTER_FILE})[MASTER]

    assert after == MASTER_FILE.replace(
        "protocols=>=TLSv1 -o smtpd_tls_mandatory_ciphers=low",
        ("protocols=!SSLv2,!SSLv3,!TLSv1,!TLSv1.1 -o smtpd_tls_mandatory_ciphers=high"),
    ).replace("smtpd_tls_auth_only=no", "smtpd_tls_auth_only=yes")


def test_certificates_are_those_of_the_server_and_of_what_it_sends_as() -> None:
    values = {"smtpd_tls_chain_files": "/a.key, /a.pem", "smtpd_tls_cert_file": "$x", "smtp_tls_cert_file": "/c.pem"}
    more = [("submission/inet", "smtpd_tls_cert_file", "/d.pem"), ("x/inet", "other", "/e.pem")]
    assert postfix_files.certificates(values, more) == ["/a.key", "/a.pem", "/c.pem", "/d.pem"]


def test_modern_asks_for_one_version_and_no_ciphers() -> None:
    after = told(applied(postfix_files.plan(DEFAULTS, [], dict.fromkeys(EVERY, PROFILES[MODERN])), {MAIN: FILE})[MAIN])
    assert postfix_files.versions(after["smtpd_tls_protocols"]) == {"TLSv1.3"}
    assert after["smtpd_tls_ciphers"] == "medium"


LINE = st.sampled_from(
    [
        "smtpd_tls_protocols = TLSv1",
        "smtpd_tls_protocols =\n  !SSLv2,\n# between\n\n\t!SSLv3",
        "smtpd_tls_protocols=>=TLSv1.3",
        "smtpd_tls_ciphers = low",
        "smtpd_tls_ciphers=high",
        "#smtpd_tls_ciphers = low",
        "smtpd_tls_mandatory_ciphers\t=\tmedium",
        "tls_high_cipherlist = ALL",
        "smtp_tls_security_level = none",
        "smtp_tls_security_level = dane",
        "mydestination = a,\n  b",
        "  # a comment that is no continuation",
        "",
    ]
)


@pytest.mark.thorough
@settings(max_examples=200, deadline=None)
@given(st.lists(LINE, max_size=8), st.sampled_from(["", "\n"]))
def test_after_it_all_is_within_the_profile_and_nothing_is_left_to_change(rows: list[str], end: str) -> None:
    text = "myhostname = x\n" + "\n".join(rows) + end
    after = applied(postfix_files.plan(told(text), [], EVERY), {MAIN: text})[MAIN]
    now = told(after)

    for name in ("smtpd_tls_protocols", "smtpd_tls_mandatory_protocols"):
        assert postfix_files.versions(now[name]) <= set(PROFILE.versions)
    assert now["smtpd_tls_ciphers"] == now["smtpd_tls_mandatory_ciphers"] == "high"
    assert now["tls_high_cipherlist"] == PROFILE.openssl
    assert now["smtp_tls_security_level"] in postfix_files.ENCRYPTS
    # What is not of TLS is as it was.
    assert now.get("mydestination") == told(text).get("mydestination") and now["myhostname"] == "x"
    assert applied(postfix_files.plan(now, [], EVERY), {MAIN: after}) == {MAIN: after}
