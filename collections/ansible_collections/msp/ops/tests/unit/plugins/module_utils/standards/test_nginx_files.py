# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""nginx's files as nginx -T shows them: what stands where, and what is changed, once and no more."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.standards import nginx_files
from ansible_collections.msp.ops.plugins.module_utils.standards.nginx_files import OURS
from ansible_collections.msp.ops.plugins.module_utils.standards.server_settings import CIPHERS, VERSIONS
from ansible_collections.msp.ops.plugins.module_utils.standards.tls_profiles import INTERMEDIATE, MODERN, PROFILES
from ansible_collections.msp.ops.tests.unit.plugins.module_utils.standards.made_plan import applied

PROFILE = PROFILES[INTERMEDIATE]
BOTH = {VERSIONS: PROFILE, CIPHERS: PROFILE}
MAIN, SITE = "/etc/nginx/nginx.conf", "/etc/nginx/sites-enabled/site"
HEAD = """user www-data;
http {
    # ssl_protocols TLSv1; was here
    ssl_protocols TLSv1 TLSv1.2; # for old ones
    include conf.d/*.conf;
    include /etc/nginx/sites-enabled/*;
}
"""
SERVER = """server { listen 443 ssl; server_name www.example.com "*.example.com" ~^x\\d+$ _;
    ssl_certificate site.pem; ssl_certificate /etc/ssl/$ssl_server_name.pem;
    ssl_ciphers
        'ALL:!aNULL';
    location / { add_header X "ssl_protocols SSLv3; {"; }
}
server { listen [::]:8443 ssl; listen 80; server_name b.example.com; ssl_protocols TLSv1.3; }
server { listen 81; server_name plain.example.com; }
server { listen unix:/run/x ssl; listen 192.0.2.1:444 ssl; listen 192.0.2.1; ssl on; server_name c.example.com; }
"""
TEXTS = {MAIN: HEAD, SITE: SERVER}


def shown(texts: dict[str, str]) -> str:
    return "".join(f"# configuration file {path}:\n{text}\n" for path, text in texts.items())


def test_the_files_are_those_that_nginx_shows_the_main_one_first() -> None:
    assert {path: text.strip() for path, text in nginx_files.files(shown(TEXTS)).items()} == {
        path: text.strip() for path, text in TEXTS.items()
    }


def test_a_setting_stands_in_its_blocks_through_includes_and_neither_in_comments_nor_in_texts() -> None:
    rows = [(one.path, one.context, one.values) for one in nginx_files.settings(TEXTS) if one.name == "ssl_protocols"]

    assert [(path, context[:1], values) for path, context, values in rows] == [
        (MAIN, ("http",), ("TLSv1", "TLSv1.2")),
        (SITE, ("http",), ("TLSv1.3",)),
    ]
    assert rows[1][1][1].startswith("server ")


def test_names_are_told_by_the_ports_on_which_they_have_tls() -> None:
    assert nginx_files.names(nginx_files.settings(TEXTS)) == {
        443: ["www.example.com", "*.example.com", "~^x\\d+$", "_"],
        8443: ["b.example.com"],
        # "ssl on" is for every address of its server.
        444: ["c.example.com"],
        80: ["c.example.com"],
    }


def test_certificates_are_files_by_their_place() -> None:
    rows = nginx_files.settings(TEXTS)
    assert nginx_files.certificates(rows, "/etc/nginx") == ["/etc/nginx/site.pem"]


def test_what_lets_too_much_in_is_changed_where_it_stands_and_the_rest_stays() -> None:
    after = applied(nginx_files.plan(TEXTS, BOTH), TEXTS)

    assert after[MAIN] == HEAD.replace("ssl_protocols TLSv1 TLSv1.2;", "ssl_protocols TLSv1.2 TLSv1.3;")
    assert after[SITE] == SERVER.replace("ssl_ciphers\n        'ALL:!aNULL';", f"ssl_ciphers {PROFILE.openssl};")
    assert f"ssl_ciphers {PROFILE.openssl};\n" in after[OURS] and "ssl_protocols" not in after[OURS]


def test_each_part_is_changed_alone() -> None:
    versions = nginx_files.plan(TEXTS, {VERSIONS: PROFILE})
    assert applied(versions, TEXTS)[SITE] == SERVER and "ssl_ciphers" not in versions.contents[OURS]
    after = applied(versions, TEXTS)
    then = nginx_files.plan(after, {CIPHERS: PROFILE})
    # The file that is ours keeps what it has.
    assert then.contents[OURS].startswith(after[OURS]) and "ssl_ciphers" in then.contents[OURS]


def test_without_a_place_for_a_file_of_ours_it_stands_in_the_block_itself() -> None:
    bare = {MAIN: "events {}\nhttp\n{\n    server { listen 443 ssl; }\n}\n"}
    plan = nginx_files.plan(bare, BOTH)
    after = applied(plan, bare)

    assert plan.contents == {}
    assert after[MAIN].startswith("events {}\nhttp\n{\n    ssl_protocols TLSv1.2 TLSv1.3;\n    ssl_ciphers ")
    assert nginx_files.plan(after, BOTH).replacements == []


def test_a_server_without_http_is_given_nothing() -> None:
    assert nginx_files.plan({MAIN: "events {}\n"}, BOTH) == ([], {}, [])


def test_what_a_variable_decides_and_what_other_blocks_leave_out_is_left_to_a_person() -> None:
    mail = "mail { server { ssl_certificate a.pem; listen 993 ssl; } }\n"
    text = "http { ssl_protocols $which; include conf.d/*.conf; }\n" + mail
    plan = nginx_files.plan({MAIN: text}, BOTH)

    assert plan.left == ["mail: no ssl_protocols", "mail: no ssl_ciphers", f"{MAIN}: ssl_protocols"]
    assert plan.replacements == []


def test_modern_changes_the_versions_and_no_ciphers() -> None:
    plan = nginx_files.plan(TEXTS, dict.fromkeys(BOTH, PROFILES[MODERN]))
    after = applied(plan, TEXTS)

    assert "ssl_protocols TLSv1.3;" in after[MAIN] and after[SITE] == SERVER


def test_files_that_include_each_other_end() -> None:
    with pytest.raises(ValueError, match="too deep"):
        nginx_files.settings({MAIN: "include b;", "/etc/nginx/b": "include c;", "/etc/nginx/c": "include b;"})


STATEMENT = st.sampled_from(
    [
        "ssl_protocols TLSv1 TLSv1.1;",
        "ssl_protocols TLSv1.3;",
        "ssl_protocols\n TLSv1.2\tTLSv1;",
        'ssl_ciphers "ALL:@SECLEVEL=0";',
        "ssl_ciphers HIGH;",
        f"ssl_ciphers {PROFILE.openssl};",
        "# ssl_ciphers HIGH;\n",
        "listen 443 ssl;",
        "location / { root /; }",
        'add_header A "b; c # {";',
        "ssl_session_timeout 5m;",
    ]
)
BLOCK = st.lists(STATEMENT, max_size=6).map(" ".join)


@pytest.mark.thorough
@settings(max_examples=150, deadline=None)
@given(BLOCK, st.lists(BLOCK, max_size=3), st.booleans(), st.sampled_from([" ", "\n"]))
def test_after_it_nothing_is_outside_the_profile_and_nothing_is_left_to_change(
    http: str, servers: list[str], included: bool, between: str
) -> None:
    include = "include conf.d/*.conf;" if included else ""
    body = between.join(f"server {{{between}{one}\n}}" for one in servers)
    # nginx itself takes no setting twice in one block.
    texts = {MAIN: f"http {{{between}{include} {http}\n{body}\n}}\n"}
    first = nginx_files.plan(texts, BOTH)
    after = applied(first, texts)

    for one in nginx_files.settings(after):
        if one.name == "ssl_protocols":
            assert set(one.values) <= set(PROFILE.versions)
        if one.name == "ssl_ciphers":
            assert set(one.values[0].split(":")) <= set(PROFILE.ciphers.values())
    again = nginx_files.plan(after, BOTH)
    assert (again.replacements, again.contents) == ([], {})
    # What was within stays as it was, to the letter.
    assert after[MAIN].count("ssl_protocols TLSv1.3;") == texts[MAIN].count("ssl_protocols TLSv1.3;")
    assert after[MAIN].count("# ssl_ciphers HIGH;") == texts[MAIN].count("# ssl_ciphers HIGH;")


@settings(max_examples=200)
@given(st.text("ab#;{}\"'\\ \n$", max_size=60))
def test_any_text_is_read_without_an_error(text: str) -> None:
    nginx_files.settings({MAIN: text})
