# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""SSSD's configuration as it reads it, and what is wrong with it. The rules of merging are sssd.conf(5)'s."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.standards import directory_config as config
from ansible_collections.msp.ops.plugins.module_utils.standards.directory_config import Wanted

FILE = """
# Written by msp.ops.
[sssd]
services = nss, pam
domains = example.org
[ domain/example.org ]
id_provider = ldap
; a comment
LDAP_URI = ldaps://one.example.org,
  ldaps://two.example.org
ldap_default_bind_dn = cn=reader,dc=example,dc=org
"""
# As ldbsearch prints SSSD's own database.
LDIF = """# record 1
dn: cn=sssd,cn=config
cn: sssd
domains: example.org
distinguishedName: cn=sssd,cn=config

# record 2
dn: cn=config
version: 2

# record 3
dn: cn=example.org,cn=domain,cn=config
cn: example.org
id_provider: ldap
ldap_uri: ldaps://one.example.org, ldaps://two.ex
 ample.org
ldap_default_bind_dn:: {0}
distinguishedName: cn=example.org,cn=domain,cn=config

# returned 3 records
""".format(base64.b64encode("cn=lézer,dc=example,dc=org".encode()).decode())
WANTED = Wanted(
    "example.org",
    servers=("ldaps://one.example.org", "ldaps://two.example.org"),
    base="dc=example,dc=org",
    schema="rfc2307",
    bind="cn=reader,dc=example,dc=org",
)
RIGHT = {
    "id_provider": "ldap",
    "auth_provider": "ldap",
    "ldap_uri": "ldaps://one.example.org,ldaps://two.example.org",
    "ldap_search_base": "dc=example,dc=org",
    "ldap_schema": "rfc2307",
    "ldap_default_bind_dn": "cn=reader,dc=example,dc=org",
}


def view(options: dict[str, str], **more: dict[str, str]) -> config.View:
    return {"sssd": {"domains": "example.org"}, "domain/example.org": options, **more}


def test_a_file_is_read_as_sssd_does() -> None:
    found = config.parse_ini(FILE)

    assert found["sssd"] == {"services": "nss, pam", "domains": "example.org"}
    assert config.words(found["domain/example.org"]["ldap_uri"]) == [
        "ldaps://one.example.org",
        "ldaps://two.example.org",
    ]
    assert found["domain/example.org"]["ldap_default_bind_dn"] == "cn=reader,dc=example,dc=org"


def test_sssds_database_says_the_same_in_another_form() -> None:
    found = config.parse_ldif(LDIF)

    assert config.domains(found) == ["example.org"]
    assert found["domain/example.org"] == {
        "id_provider": "ldap",
        "ldap_uri": "ldaps://one.example.org, ldaps://two.example.org",
        "ldap_default_bind_dn": "cn=lézer,dc=example,dc=org",
    }


def test_of_several_files_the_last_word_counts_option_by_option() -> None:
    found = config.merged([{"nss": {"a": "1", "b": "1"}}, {"nss": {"b": "2"}, "pam": {"c": "3"}}])

    assert found == {"nss": {"a": "1", "b": "2"}, "pam": {"c": "3"}}


@given(st.text())
def test_no_text_breaks_the_reading(text: str) -> None:
    for read in (config.parse_ini, config.parse_ldif):
        assert isinstance(config.domains(read(text)), list)


def test_a_domain_is_served_that_is_listed_or_switched_on_and_not_switched_off() -> None:
    found = {
        "sssd": {"domains": "a, b"},
        "domain/b": {"enabled": "false"},
        "domain/c": {"enabled": "TRUE"},
        "domain/d": {},
    }

    assert config.domains(found) == ["a", "c"]


# -- the directory that was chosen --------------------------------------------------------------------------------


def test_what_is_as_chosen_is_no_difference_and_an_option_that_follows_another_need_not_be_there() -> None:
    assert config.different(WANTED, view(RIGHT)) == []
    assert config.different(WANTED, view({**RIGHT, "chpass_provider": "ldap"})) == []


@pytest.mark.parametrize(("name", "value"), [*((name, "other") for name in RIGHT), ("krb5_realm", "EXAMPLE.ORG")])
def test_every_option_of_it_counts(name: str, value: str) -> None:
    assert any(name in one for one in config.different(WANTED, view({**RIGHT, name: value})))


def test_a_domain_that_is_not_served_is_the_whole_difference() -> None:
    assert config.different(WANTED, {}) == ["example.org is not among the domains"]


def test_a_realm_has_passwords_proven_by_kerberos() -> None:
    krb = WANTED._replace(realm="EXAMPLE.ORG", kdcs=("kdc.example.org:88",))

    assert "auth_provider is ldap" in config.different(krb, view(RIGHT))
    right = {**RIGHT, "auth_provider": "krb5", "krb5_realm": "EXAMPLE.ORG", "krb5_server": "kdc.example.org:88"}
    assert config.different(krb, view(right)) == []


def test_certificates_are_the_same_however_their_lines_are_broken() -> None:
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    one, two = f"{begin}\nAAAA\nBBBB\n{end}\n", f"words\n{begin}\r\nAAAABBBB\r\n{end}"

    assert config.certificates(one) == config.certificates(two) == ["AAAABBBB"]
    assert config.certificates(one + two.replace("AAAA", "CCCC")) == ["AAAABBBB", "CCCCBBBB"]


# -- whether it proves who it is ----------------------------------------------------------------------------------

SAFE = {**RIGHT, "ldap_tls_reqcert": "demand"}
KERBEROS = {**SAFE, "auth_provider": "krb5", "krb5_validate": "True"}


@pytest.mark.parametrize(
    "options",
    [
        SAFE,
        {**SAFE, "ldap_tls_reqcert": "hard"},
        {**SAFE, "ldap_uri": "ldap://one.example.org", "ldap_id_use_start_tls": "TRUE"},
        KERBEROS,
        {"id_provider": "ad"},  # SSSD checks tickets there unless it is told not to
    ],
)
def test_one_that_has_to_prove_itself_is_not_weak(options: dict[str, str]) -> None:
    assert list(config.unproven("d", options)) == []


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (RIGHT, "d: ldap_tls_reqcert is not set"),
        ({**SAFE, "ldap_tls_reqcert": "allow"}, "d: ldap_tls_reqcert is allow"),
        ({**SAFE, "ldap_tls_reqcert": "try"}, "d: ldap_tls_reqcert is try"),
        ({**SAFE, "ldap_uri": "ldaps://a, ldap://b"}, "d: ldap://b without StartTLS"),
        ({**SAFE, "ldap_auth_disable_tls_never_use_in_production": "true"}, "d: passwords are sent in the clear"),
        ({**KERBEROS, "krb5_validate": "false"}, "d: krb5_validate is off"),
        ({**SAFE, "auth_provider": "krb5"}, "d: krb5_validate is off"),
        ({"id_provider": "ad", "krb5_validate": "false"}, "d: krb5_validate is off"),
    ],
)
def test_by_each_of_these_somebody_could_pass_for_it(options: dict[str, str], why: str) -> None:
    assert list(config.unproven("d", options)) == [why]


# -- whom it lets in ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "who"),
    [
        ({}, ["everybody"]),
        ({"access_provider": "permit"}, ["everybody"]),
        ({"access_provider": "deny"}, []),
        ({"access_provider": "simple"}, ["everybody"]),
        ({"access_provider": "simple", "simple_deny_groups": "a"}, ["everybody"]),
        ({"access_provider": "simple", "simple_allow_groups": "a, b c"}, ["a", "b c"]),
        ({"access_provider": "simple", "simple_allow_groups": "a", "simple_allow_users": "eve"}, ["a", "user eve"]),
        ({"access_provider": "ldap"}, []),
        ({"access_provider": "ldap", "ldap_access_filter": "(a=b)"}, ["(a=b)"]),
        ({"access_provider": "ldap", "ldap_access_order": "expire", "ldap_access_filter": "(a=b)"}, ["everybody"]),
        ({"access_provider": "ldap", "ldap_access_order": "expire, filter", "ldap_access_filter": "(a=b)"}, ["(a=b)"]),
        ({"access_provider": "ad"}, ["everybody"]),
        ({"access_provider": "ad", "ad_access_filter": "(a=b)"}, ["(a=b)"]),
        ({"access_provider": "ipa"}, ["whom ipa admits"]),
    ],
)
def test_who_gets_in_is_what_sssd_makes_of_it(options: dict[str, str], who: list[str]) -> None:
    assert config.admitted(options) == who


# -- while it is away ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "days"), [("7", 7), ("0", "unlimited"), ("", "unlimited"), ("x", "unlimited")])
def test_no_end_of_a_cached_password_is_never_a_small_number(text: str, days: int | str) -> None:
    assert config.offline_days({"pam": {"offline_credentials_expiration": text}}) == days
    assert config.offline_days({}) == "unlimited"


def test_what_is_remembered_longest_counts() -> None:
    assert config.cache_seconds({}) == 5400
    assert config.cache_seconds({"entry_cache_timeout": "600"}) == 600
    assert config.cache_seconds({"entry_cache_timeout": "600", "entry_cache_group_timeout": "9000"}) == 9000


def test_sssd_asks_for_whom_it_is_not_told_to_leave_alone_and_never_for_root_unless_told() -> None:
    assert config.asked_for({}, ["root", "msp"]) == ["msp"]
    assert config.asked_for({"nss": {"filter_users": "msp, ann@example.org"}}, ["root", "msp", "ann"]) == ["root"]
