# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Apache's files: what stands where, and what is changed, once and no more."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.standards import apache_files
from ansible_collections.msp.ops.plugins.module_utils.standards.server_settings import CIPHERS, VERSIONS
from ansible_collections.msp.ops.plugins.module_utils.standards.tls_profiles import INTERMEDIATE, PROFILES
from ansible_collections.msp.ops.tests.unit.plugins.module_utils.standards.made_plan import applied

PROFILE = PROFILES[INTERMEDIATE]
BOTH = {VERSIONS: PROFILE, CIPHERS: PROFILE}
PLACE = "/etc/apache2/conf-enabled"
MODULE, SITE = "/etc/apache2/mods-enabled/ssl.conf", "/etc/apache2/sites-enabled/site.conf"
# As Apache 2.4.65 of Debian 12 prints it.
SHOWN = """Included configuration files:
  (*) /etc/apache2/apache2.conf
    (146) /etc/apache2/mods-enabled/ssl.conf
    (222) /etc/apache2/sites-enabled/site.conf
VirtualHost configuration:
*:443                  is a NameVirtualHost
         default server www.example.com (/etc/apache2/sites-enabled/site.conf:1)
         port 443 namevhost www.example.com (/etc/apache2/sites-enabled/site.conf:1)
                 alias example.com
         port 443 namevhost guessed.local (/etc/apache2/sites-enabled/site.conf:9)
*:8443                 b.example.com (/etc/apache2/sites-enabled/site.conf:20)
ServerRoot: "/etc/apache2"
"""
OF_MODULE = """<IfModule mod_ssl.c>
\tSSLCipherSuite HIGH:!aNULL
\t#   SSLProtocol SSLv3
\tSSLProtocol all -SSLv3
</IfModule>
"""
OF_SITE = """<VirtualHost *:443>
    ServerName www.example.com:443
    ServerAlias example.com
    SSLCertificateFile "/etc/ssl/site.pem"
    sslprotocol TLSv1.2 \\
        +TLSv1
    SSLCipherSuite TLSv1.3 TLS_AES_256_GCM_SHA384
    <Directory /x>
        SSLCipherSuite LOW
    </Directory>
</VirtualHost>
<VirtualHost *:8443>
    ServerName https://b.example.com
    SSLProtocol -all +TLSv1.3
    SSLCertificateFile relative.pem
</VirtualHost>
"""
TEXTS = {MODULE: OF_MODULE, SITE: OF_SITE}


def test_the_files_and_names_are_those_that_apache_shows() -> None:
    assert apache_files.included(SHOWN) == ["/etc/apache2/apache2.conf", MODULE, SITE]
    # One that Apache made up, for a host without a name, is none.
    assert apache_files.names(SHOWN, apache_files.settings(TEXTS)) == {
        443: ["www.example.com", "example.com"],
        8443: ["b.example.com"],
    }
    assert apache_files.certificates(apache_files.settings(TEXTS)) == ["/etc/ssl/site.pem"]


@pytest.mark.parametrize(
    ("words", "versions"),
    [
        ("all -SSLv3", {"TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"}),
        ("-all +TLSv1.2 +tlsv1.3", {"TLSv1.2", "TLSv1.3"}),
        ("TLSv1.2 +TLSv1", {"TLSv1.2", "TLSv1"}),
        ("all -SSLv3 -TLSv1 -TLSv1.1", {"TLSv1.2", "TLSv1.3"}),
        ("", set()),
    ],
)
def test_a_list_of_versions_is_read_from_left_to_right(words: str, versions: set[str]) -> None:
    assert apache_files.versions(words.split()) == versions


def test_what_lets_too_much_in_is_changed_where_it_stands_and_the_rest_stays() -> None:
    plan = apache_files.plan(TEXTS, BOTH, PLACE)
    after = applied(plan, TEXTS)

    assert after[MODULE] == OF_MODULE.replace("HIGH:!aNULL", PROFILE.openssl).replace(
        "\tSSLProtocol all -SSLv3", "\tSSLProtocol -all +TLSv1.2 +TLSv1.3"
    )
    assert after[SITE] == OF_SITE.replace(
        "sslprotocol TLSv1.2 \\\n        +TLSv1", "SSLProtocol -all +TLSv1.2 +TLSv1.3"
    )
    # Of a directory: it would renegotiate, and that is not changed by itself.
    assert plan.left == [f"{SITE}: SSLCipherSuite in <directory>"] and plan.contents == {}


def test_where_the_server_says_nothing_a_file_of_ours_does() -> None:
    texts = {SITE: "<VirtualHost *:443>\nSSLProtocol TLSv1\n</VirtualHost>\n"}
    plan = apache_files.plan(texts, BOTH, PLACE)

    ours = f"{PLACE}/zz-msp-tls.conf"
    assert set(plan.contents) == {ours}
    assert "SSLProtocol -all +TLSv1.2 +TLSv1.3\n" in plan.contents[ours]
    assert apache_files.plan(applied(plan, texts), BOTH, PLACE) == ([], {}, [])
    assert apache_files.plan(texts, BOTH, None).left == [
        "no place for: SSLProtocol -all +TLSv1.2 +TLSv1.3",
        f"no place for: SSLCipherSuite {PROFILE.openssl}",
    ]


LINE = st.sampled_from(
    [
        "SSLProtocol all",
        "  SSLProtocol all -SSLv3 \\\n -TLSv1",
        "SSLProtocol -all +TLSv1.3",
        "SSLCipherSuite ALL:@SECLEVEL=0",
        f"SSLCipherSuite {PROFILE.openssl}",
        "SSLCipherSuite SSL MEDIUM",
        "# SSLProtocol all",
        "SSLHonorCipherOrder on",
        "ServerName a.example.com",
    ]
)
LINES = st.lists(LINE, max_size=6).map(lambda rows: "".join(row + "\n" for row in rows))


@pytest.mark.thorough
@settings(max_examples=150, deadline=None)
@given(LINES, st.lists(LINES, max_size=3))
def test_after_it_nothing_is_outside_the_profile_and_nothing_is_left_to_change(server: str, hosts: list[str]) -> None:
    texts = {MODULE: server, SITE: "".join(f"<VirtualHost *:443>\n{one}</VirtualHost>\n" for one in hosts)}
    after = applied(apache_files.plan(texts, BOTH, PLACE), texts)

    for one in apache_files.settings(after):
        if one.name == "sslprotocol":
            assert apache_files.versions(one.values) <= set(PROFILE.versions)
        if one.name == "sslciphersuite":
            assert set(one.values[-1].split(":")) <= set(PROFILE.ciphers.values())
    assert apache_files.plan(after, BOTH, PLACE) == ([], {}, [])
    for stays in ("# SSLProtocol all", "SSLProtocol -all +TLSv1.3\n"):
        assert after[MODULE].count(stays) == texts[MODULE].count(stays)
