# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What may be asked of a host, and what is refused before anything is looked at."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError, MspErrors
from ansible_collections.msp.ops.plugins.module_utils.standards import request
from ansible_collections.msp.ops.plugins.plugin_utils.standards import catalogue, control_schema

GOOD: dict[str, dict[str, Any]] = {
    "sshd": {"name": "PermitRootLogin", "user": "anna", "agreed": ["msp-breakglass"]},
    "sysctl": {"name": "net/ipv4/conf/eth0.100/rp_filter"},
    "unit": {"name": "getty@tty1.service"},
    "package": {"name": "libstdc++6"},
    "file": {"path": "/etc/ssh/sshd_config"},
    "file_rights": {
        "paths": ["/etc/ssh/ssh_host_*_key", "/"],
        "mode": "0600",
        "owner": "root",
        "group": ["root", "adm"],
    },
    "file_lines": {"paths": "/etc/issue", "pattern": "\\\\[mrsv]"},
    "systemd_config": {"file": "systemd/journald.conf", "section": "Journal", "name": "Storage"},
    "mount": {"path": "/dev/shm"},  # noqa: S108
    "homes": {"below": "/home"},
    "login_defs": {"name": "PASS_MAX_DAYS"},
    "apt_config": {"name": "APT::Periodic::Unattended-Upgrade"},
    "kernel_module": {"name": "usb-storage"},
    "second_factor": {"automation": "msp", "break_glass": "msp-breakglass", "exempt": ["backup", "@directory"]},
    "second_factor_ssh": {
        "who": "everybody",
        "automation": "msp",
        "break_glass": "msp-breakglass",
        "exempt": [],
        "locked_out": ["bert"],
    },
    "second_factor_pam": {"services": ["sudo", "gdm-password"]},
    "ssh_sources": {"account": "msp", "break_glass": "msp-breakglass", "management": ["2001:db8::/32", "192.0.2.1"]},
    "software_required": {"packages": ["nginx >=1.22", "chrony"]},
    "software_forbidden": {"packages": []},
    "software_unknown": {"packages": ["linux-image-*"], "origins": ["Debian/*"]},
    "firewall_unlisted": {"ports": ["tcp/22"], "closed": []},
    "repositories_foreign": {"allowed": ["https://deb.debian.org/*"]},
    "repositories_unsigned": {"distribution": []},
    "encrypted_volumes": {"volumes": {"data": {"device": "/dev/disk/by-id/virtio-data", "mount": "/srv/data"}}},
    "tls_service": {"service": "nginx", "profile": "modern"},
    "tls_ports": {"ports": ["tcp/636 tls ldap.example.com"], "profile": "intermediate", "days": "21"},
    "tls_certificates": {
        "authorities": ["-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"],
        "unverified": ["tcp/25"],
    },
    "tls_changes": {"service": "postfix", "versions": "intermediate", "sending": "intermediate"},
    "postfix": {"name": "smtp_tls_security_level"},
    "repositories_wanted": {"repositories": {"vendor": {"uri": "https://packages.example.com/", "key": "-----\nx\n"}}},
    "local_admin": {"account": "root"},
    "emergency_login": {"account": "msp-breakglass", "addresses": ["192.0.2.0/24", "2001:db8::/32"]},
    "directory_joined": {
        "domain": "example.org",
        "provider": "ldap",
        "servers": ["ldaps://a.example.org"],
        "realm": "A",
    },
    "directory_names": {"person": "anna", "group": "domain admins"},
    "directory_sudo": {"rules": ["%admins: ALL"]},
    "directory_accounts": {"names": ["anna"], "keep": []},
}


def probe(kind: str, **arguments: Any) -> dict[str, Any]:
    return {"id": "p1", "kind": kind, **arguments}


def errors(*rows: Any) -> list[MspError]:
    with pytest.raises(MspErrors) as caught:
        request.read(list(rows))
    return caught.value.errors


@pytest.mark.parametrize("kind", sorted(request.KINDS))
def test_every_kind_takes_what_it_needs(kind: str) -> None:
    (found,) = request.read([probe(kind, **GOOD.get(kind, {}))])

    assert (found.id, found.kind, {name for name, _value in found.arguments}) == ("p1", kind, set(GOOD.get(kind, {})))


def test_a_star_stands_for_an_interface_in_a_kernel_setting() -> None:
    assert len(request.read([probe("sysctl", name="net.ipv4.conf.*.rp_filter")])) == 1


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        ("sshd", "name", "permitrootlogin yes"),
        ("sysctl", "name", "../../etc/shadow"),
        ("sysctl", "name", "/etc/shadow"),
        ("sysctl", "name", "net.ipv4.conf.e*.rp_filter"),
        ("sysctl", "name", "net.ipv4.conf.*0.rp_filter"),
        ("sysctl", "name", "net.*.conf.*.rp_filter"),
        ("sysctl", "name", "*"),
        ("unit", "name", "--root=/tmp"),
        ("unit", "name", "getty@.service"),
        ("unit", "name", "ssh"),
        ("package", "name", "-y"),
        ("file", "path", "etc/shadow"),
        ("file", "path", "/etc/../root/x"),
        ("file", "path", "/etc/x\n"),
        ("file_rights", "paths", ["/etc/**/x"]),
        ("file_rights", "paths", []),
        ("file_rights", "mode", "0999"),
        ("file_rights", "mode", 600),
        ("file_lines", "pattern", "("),
        ("systemd_config", "file", "../shadow.conf"),
        ("systemd_config", "file", "/etc/systemd/journald.conf"),
        ("login_defs", "name", "UMASK 022"),
        ("local_admin", "account", "../root"),
        ("emergency_login", "addresses", ["anywhere"]),
        ("emergency_login", "addresses", ["192.0.2.1,addr=192.0.2.2/24"]),
        ("kernel_module", "name", "../x"),
        ("software_required", "packages", ["x\ny"]),
        ("repositories_wanted", "repositories", {"vendor": "https://packages.example.com"}),
        ("repositories_wanted", "repositories", ["vendor"]),
        ("directory_joined", "domain", "example.org]"),
        ("directory_joined", "provider", "ipa"),
        ("directory_joined", "servers", ["ldaps://a\nb"]),
        ("directory_names", "person", "--service"),
        ("directory_names", "group", "a:b"),
        ("directory_accounts", "names", ["-a"]),
    ],
)
def test_an_argument_in_another_form_is_refused_by_name(kind: str, name: str, value: Any) -> None:
    (error,) = errors(probe(kind, **{**GOOD[kind], name: value}))

    assert error.code == "MSP-STD-041"
    assert error.found.startswith(f"{name}: ")
    assert "in the probe p1" in error.expected


def test_what_lacks_and_what_is_too_much_is_named_all_at_once() -> None:
    found = errors(
        {"id": "p1", "kind": "sysctls", "name": "x"},
        {"id": "p2", "kind": "sysctl", "nme": "x"},
        {"id": "p 3", "kind": "accounts"},
        {"id": "p4", "kind": "accounts"},
        {"id": "p4", "kind": "sudo"},
        "accounts",
    )

    assert [(error.code, error.found) for error in found] == [
        ("MSP-STD-040", "'sysctls'"),
        ("MSP-STD-041", "nme, which it does not take"),
        ("MSP-STD-041", "no name"),
        ("MSP-STD-042", "in probe 3 'p 3'"),
        ("MSP-STD-042", "in probe 5 the id p4, which an earlier probe has"),
        ("MSP-STD-042", "in probe 6 None"),
    ]


def test_a_request_without_end_is_refused() -> None:
    with pytest.raises(MspError) as caught:
        request.read([{"id": f"p{number}", "kind": "accounts"} for number in range(request.MOST_PROBES + 1)])

    assert (caught.value.code, caught.value.found) == ("MSP-STD-042", "1001")


@pytest.mark.thorough
@settings(max_examples=80)
@given(st.sampled_from(sorted(GOOD)), st.text(max_size=30))
def test_no_text_at_all_gets_out_of_its_directory(kind: str, text: str) -> None:
    for name in GOOD[kind]:
        if name in ("pattern", "packages", "origins", "allowed", "distribution", "repositories", "servers", "rules"):
            continue
        try:
            (found,) = request.read([probe(kind, **{**GOOD[kind], name: text})])
        except MspErrors:
            continue
        assert ".." not in text.split("/")
        assert not text.startswith("-")
        assert "\n" not in text
        assert dict(found.arguments)[name] == text


def test_files_of_controls_know_the_same_kinds_and_arguments() -> None:
    known = {kind: (set(form.needs), set(form.needs) | set(form.may)) for kind, form in control_schema.KINDS.items()}

    assert known == {
        kind: ({name for name, form in forms.items() if form.needed}, set(forms))
        for kind, forms in request.KINDS.items()
    }


def test_every_control_asks_with_its_defaults_for_what_can_be_asked() -> None:
    rows: list[dict[str, Any]] = []
    for control in catalogue.catalogue().values():
        defaults = {name: parameter.default for name, parameter in control.parameters.items()}
        for check in [*control.checks, *(one.check for one in control.not_applicable_when)]:
            arguments = {
                name: list(value) if isinstance(value, tuple) else value
                for name, value in ((name, _value(value, defaults)) for name, value in check.probe.items())
            }
            rows.append({**arguments, "id": f"p{len(rows)}"})

    assert len(request.read(rows)) == len(rows) > 100


def _value(value: Any, defaults: dict[str, Any]) -> Any:
    return defaults[value.parameter] if hasattr(value, "parameter") else value
