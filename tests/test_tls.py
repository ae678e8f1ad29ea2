"""The role msp_tls and the controls of TLS, on one real host with Debian's nginx, Apache and Postfix.

Before, all three take TLS 1.0 and whatever ciphers there are; afterwards nothing but the profile. What is taken is seen
from outside with OpenSSL's own client, which shares no code with ours, and which is first seen to speak what is weak.
"""

from __future__ import annotations

import datetime as dt
import functools
import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from ansible_collections.msp.ops.plugins.module_utils.standards import tls_client
from ansible_collections.msp.ops.plugins.module_utils.standards.tls_profiles import INTERMEDIATE, PROFILES
from lab import hosts, podman
from lab.machines import NEWCOMERS
from tests import made_tls, patch_bed
from tests.made_tls import APACHE_PORT, APACHE_STRICT, ENDED, ENDING, INCOMPLETE, OWN, PLACE, SHOP, WWW
from tests.patch_bed import ROOT, SECONDS

pytestmark = pytest.mark.lab
LAB = "-".join(filter(None, ("tls-test", os.environ.get("PYTEST_XDIST_WORKER"))))
HOST = "harbour-app01"
VERSIONS = {"TLSv1": "tls1", "TLSv1.1": "tls1_1", "TLSv1.2": "tls1_2", "TLSv1.3": "tls1_3"}
STARTTLS = {25: "smtp", 587: "smtp"}
SERVERS = {443: "nginx", APACHE_PORT: "apache", 587: "postfix"}
PROFILE = PROFILES[INTERMEDIATE]
CONTROLS = (
    *(f"tls-{server}-{part}" for server in ("nginx", "apache", "postfix") for part in ("versions", "ciphers")),
    *("tls-postfix-offered", "tls-postfix-sending", "tls-others", "tls-ports"),
    *("tls-certificate-days", "tls-certificate-trust", "tls-certificate-names", "tls-certificate-strength"),
)
WAIVER = {
    "reason": "The old tills know nothing else",
    "owner": "Noor",
    "expires": "2099-01-31",
    "agreed": {"by": "A. Bakker", "on": "2026-11-01", "reference": "mail of 1 November"},
}


@dataclass
class Bed(patch_bed.Bed):
    """The host, what is played on it, and what OpenSSL finds there from outside."""

    authority: made_tls.Authority | None = None

    def standard(self, waivers: Mapping[str, Any] | None = None, **parameters: Any) -> dict[str, Any]:
        """What the host is held to: nothing but the controls of TLS."""
        root = {"authorities": [made_tls.pem_of(self.authority)]}
        own = {
            "version": "1",
            "title": {"en": "Web server", "nl": "Webserver"},
            "class": "linux-server",
            "controls": {name: {} for name in CONTROLS},
        }
        chosen = {"tls-certificate-trust": root, **{k.replace("_", "-"): v for k, v in parameters.items()}}
        return {
            "standard": {"name": "web", "parameters": chosen, "waivers": dict(waivers or {})},
            "standards_own": {"web": own},
        }

    def standardise(self, standard: Mapping[str, Any], *, check: bool = False) -> dict[str, Any]:
        """Measure, bring about, measure again, as playbooks/standardise.yml does, over ssh; and what each step said."""
        self.number += 1
        place = self.place / f"run{self.number}"
        place.mkdir()
        row = self.rows[HOST]
        msp = {
            "customer": row["customer"],
            "asset": {"key": "device:1"},
            "timezone": "Europe/Amsterdam",
            "status": "contracted",
            "contract": {"start": "2020-01-01", "end": None},
            **standard,
        }
        variables = {
            "ansible_host": row["address"],
            "ansible_port": row["port"],
            "ansible_python_interpreter": "/usr/bin/python3",
            "msp": msp,
        }
        (place / "inventory.yml").write_text(json.dumps({"all": {"hosts": {HOST: variables}}}), encoding="utf-8")
        role = {
            "ansible.builtin.include_role": {"name": "msp_tls"},
            "vars": {
                "msp_tls_enforce": "{{ before.enforce.msp_tls }}",
                "msp_tls_parameters": "{{ before.parameters.msp_tls }}",
            },
        }
        kept = "{{ {'before': before, 'after': after, 'failed': failed | default('')} | to_json }}"
        tasks: list[dict[str, Any]] = [
            {"msp.ops.standard_scan": {"phase": "before"}, "register": "before"},
            {
                "block": [role],
                "rescue": [{"ansible.builtin.set_fact": {"failed": "{{ ansible_failed_result.msg }}"}}],
                "when": "'msp_tls' in before.enforce",
            },
            {
                "msp.ops.standard_scan": {"phase": "after", "before": "{{ before.drift }}"},
                "register": "after",
                "check_mode": False,
            },
            {
                "ansible.builtin.copy": {"content": kept, "dest": f"{place}/kept.json", "mode": "0600"},
                "delegate_to": "localhost",
                "become": False,
                "check_mode": False,
                "diff": False,
                "changed_when": False,
            },
        ]
        play = [{"hosts": "all", "gather_facts": False, "become": True, "tasks": tasks}]
        (place / "play.yml").write_text(json.dumps(play), encoding="utf-8")
        done = self.ansible(place, str(place / "play.yml"), "--diff", *(["--check"] if check else []))
        assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
        return {**json.loads((place / "kept.json").read_text(encoding="utf-8")), "output": done.stdout}

    def ansible(self, place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {
            **os.environ,
            **hosts.ssh_environment(self.state_dir),
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_CALLBACKS_ENABLED": "ansible.builtin.minimal",
            "XDG_STATE_HOME": str(self.place / "state-of-controller"),
            "MSP_DURABLE_PATHS": str(self.place),
            "NO_COLOR": "1",
        }
        return subprocess.run(
            ["ansible-playbook", "-i", str(place / "inventory.yml"), *arguments],
            env=environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )

    def put(self, path: str, text: str) -> None:
        self.number += 1
        source = self.place / f"file{self.number}"
        source.write_text(text, encoding="utf-8")
        podman.run("cp", str(source), f"{self.container(HOST)}:{path}")

    # -- from outside, with OpenSSL -------------------------------------------------------------------------------

    def client(self, port: int, *arguments: str, name: str = WWW) -> str:
        """What openssl s_client says of one handshake."""
        start = ("-starttls", STARTTLS[port]) if port in STARTTLS else ()
        where = f"{self.rows[HOST]['address']}:{port}"
        done = subprocess.run(
            ["openssl", "s_client", "-connect", where, "-servername", name, *start, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=60,
        )
        # Whatever became of the handshake, the port was reached.
        assert "CONNECTED(" in done.stdout, done.stderr
        return done.stdout + done.stderr

    def takes(self, port: int, version: str, ciphers: str = "ALL:@SECLEVEL=0", name: str = WWW) -> str | None:
        """The cipher that comes of it, by OpenSSL's name."""
        more = () if version == "TLSv1.3" else ("-cipher", ciphers)
        said = self.client(port, f"-{VERSIONS[version]}", *more, name=name)
        # A handshake that this client cannot offer would read as one that is refused.
        assert "no protocols available" not in said and "no cipher match" not in said, said
        found = re.search(r"^New, (\S+), Cipher is (\S+)$", said, re.MULTILINE)
        assert found is not None, said
        return None if found.group(2) == "(NONE)" else found.group(2)

    def versions(self, port: int, name: str = WWW) -> set[str]:
        return {version for version in VERSIONS if self.takes(port, version, name=name)}

    def certificate(self, port: int) -> x509.Certificate:
        """The one that it shows first."""
        found = re.search(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", self.client(port), re.DOTALL)
        assert found is not None
        return x509.load_pem_x509_certificate(found.group().encode())

    def ciphers(self, port: int, version: str) -> set[str]:
        """Which of all ciphers that this OpenSSL can offer are taken, each offered alone; by IANA's names."""
        with ThreadPoolExecutor(4) as pool:
            known = list(offered())
            taken = pool.map(lambda cipher: self.takes(port, version, f"{cipher}:@SECLEVEL=0"), known)
            return {offered()[cipher] for cipher, came in zip(known, taken, strict=True) if came}


@functools.cache
def offered() -> dict[str, str]:
    """What this OpenSSL can offer up to TLS 1.2, with IANA's names."""
    command = ["openssl", "ciphers", "-stdname", "-s", "-tls1_2", "ALL:@SECLEVEL=0"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return {words[2]: words[0] for words in (line.split() for line in said.splitlines())}


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    if reason := hosts.available():
        pytest.skip(reason)
    machines = [machine for machine in NEWCOMERS if machine.name == HOST]
    with patch_bed.bed(LAB, machines, tmp_path_factory.mktemp("tls"), (), Bed) as made:
        made.authority = made_tls.authority()
        prepare(made)
        yield made


def prepare(bed: Bed) -> None:
    assert bed.authority is not None
    bed.sh(HOST, made_tls.PREPARE)
    texts = {f"{PLACE}/{name}": text for name, text in made_tls.files(bed.authority).items()}
    texts["/etc/nginx/sites-enabled/harbour"] = made_tls.nginx()
    texts["/etc/apache2/sites-enabled/harbour.conf"] = made_tls.APACHE
    for path, text in texts.items():
        bed.put(path, text)
    settings = " ".join(f"'{name}={value}'" for name, value in made_tls.POSTFIX.items())
    bed.sh(HOST, f"set -e; postconf -e {settings}; {made_tls.SUBMISSION}")
    bed.sh(HOST, "systemctl restart nginx apache2 postfix")


# -- what is seen without our code --------------------------------------------------------------------------------


def of_nginx() -> tuple[int, ...]:
    return (443, 8443, ENDED, ENDING, INCOMPLETE, OWN)


PORTS: Mapping[str, tuple[int, ...]] = {
    "nginx": of_nginx(),
    "apache": (APACHE_PORT, APACHE_STRICT),
    "postfix": tuple(STARTTLS),
}
BESIDES = ":".join(("ALL", *(f"!{name}" for name in PROFILE.ciphers.values()), "@SECLEVEL=0"))


def agrees(bed: Bed) -> dict[str, bool]:
    """Whether each control holds, as OpenSSL's client sees it from outside."""
    found: dict[str, bool] = {}
    root = bed.place / "root.pem"
    root.write_text(made_tls.pem_of(bed.authority), encoding="utf-8")
    for server, ports in PORTS.items():
        with ThreadPoolExecutor(4) as pool:
            versions = list(pool.map(bed.versions, ports))
            older = [(port, version) for port in ports for version in ("TLSv1", "TLSv1.1", "TLSv1.2")]
            besides = list(pool.map(lambda row: bed.takes(row[0], row[1], BESIDES), older))
        # Not one of them stopped to answer.
        assert all(versions), versions
        found[f"tls-{server}-versions"] = all(one <= set(PROFILE.versions) for one in versions)
        found[f"tls-{server}-ciphers"] = not any(besides)
    found["tls-postfix-offered"] = all(bed.versions(port) for port in STARTTLS)
    found["tls-postfix-sending"] = bed.sh(HOST, "postconf -h smtp_tls_security_level") == "may"
    web = (*PORTS["nginx"], *PORTS["apache"])
    shown = {port: bed.certificate(port) for port in (*web, *PORTS["postfix"])}
    soon = dt.datetime.now(dt.UTC) + dt.timedelta(days=21)
    found["tls-certificate-days"] = all(one.not_valid_after_utc > soon for one in shown.values())
    verified = [bed.client(port, "-CAfile", str(root), "-no_check_time") for port in (*web, 587)]
    found["tls-certificate-trust"] = all("Verify return code: 0 (ok)" in one for one in verified)
    names = [(port, WWW) for port in web] + [(443, SHOP)]
    asked = [bed.client(port, "-verify_hostname", name, name=name) for port, name in names]
    found["tls-certificate-names"] = not any("hostname mismatch" in one for one in asked)
    paths = bed.sh(HOST, f"ls {PLACE}/*.pem").split()
    of_files = [bed.sh(HOST, f"openssl x509 -noout -text -in {path}") for path in paths]
    bits = [int(re.findall(r"Public-Key: \((\d+) bit\)", text)[0]) for text in of_files]
    found["tls-certificate-strength"] = min(bits) >= 2048
    return found


def statuses(scan: Mapping[str, Any]) -> dict[str, str]:
    """Of a result of standard_scan what each control was that it names; the others are only counted there."""
    rows = [*scan["drift"], *scan["unmeasured"], *scan["undecided"]]
    return {**dict.fromkeys(scan["fixed"], "fixed"), **{str(row["control"]): str(row["status"]) for row in rows}}


LEFT = {"tls-certificate-days", "tls-certificate-trust", "tls-certificate-names", "tls-certificate-strength"}
CONFIGURATION = "/etc/nginx /etc/apache2 /etc/postfix/main.cf /etc/postfix/master.cf"


def configuration(bed: Bed) -> str:
    """All of it, as one text: what is there, and what is in it."""
    return bed.sh(HOST, f"find {CONFIGURATION} | sort | while read -r one; do ls -ld $one; sha256sum $one 2>&1; done")


# -- the tests, in the order of a host's life ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def before(bed: Bed) -> dict[str, Any]:
    """What a check says before anything is changed."""
    was = configuration(bed)
    played = bed.standardise(bed.standard(), check=True)
    assert configuration(bed) == was
    return played


def test_before_the_servers_take_what_is_weak_and_three_clients_see_the_same(bed: Bed, before: dict[str, Any]) -> None:
    """OpenSSL's and ours from outside, and ours on the host itself."""
    drift = {str(row["control"]): str(row["found"]) for row in before["before"]["drift"]}
    for port, server in SERVERS.items():
        # The client can speak what is weak, for here it does.
        assert bed.versions(port) == set(VERSIONS)
        ours = tls_client.look(tls_client.Target(str(bed.rows[HOST]["address"]), port, STARTTLS.get(port, "tls"), WWW))
        assert set(ours.versions) == set(VERSIONS)
        assert {name for name in ours.ciphers if name not in PROFILE.suites} == bed.ciphers(port, "TLSv1.2")
        assert re.search(rf"tcp/{port}: TLSv1, TLSv1.1\b", drift[f"tls-{server}-versions"])
        number = len(set(ours.ciphers) - PROFILE.allowed)
        assert re.search(rf"tcp/{port}: TLS_\w+, TLS_\w+, \+{number - 2}\b", drift[f"tls-{server}-ciphers"])


def test_before_every_fault_is_found_and_openssl_agrees(bed: Bed, before: dict[str, Any]) -> None:
    scan = before["before"]
    drift = {str(row["control"]): str(row["found"]) for row in scan["drift"]}

    assert {name: name not in drift for name in agrees(bed)} == agrees(bed)
    assert scan["counts"] == {"drift": len(drift), "compliant": 1, "not applicable": 2}
    assert set(scan["left"]) == LEFT
    days = drift["tls-certificate-days"]
    assert set(re.findall(r"tcp/(\d+): \d{4}-\d\d-\d\d", days)) == {str(ENDED), str(ENDING)}
    # Whom to ask for a new one.
    assert "www.harbour.example.com < Harbour Issuing" in days
    trust = drift["tls-certificate-trust"]
    assert f"certificates that sign themselves: tcp/{OWN}" in trust
    assert f"certificates without the whole chain: tcp/{INCOMPLETE}" in trust
    assert re.findall(r"tcp/\d+", trust) == [f"tcp/{OWN}", f"tcp/{INCOMPLETE}"]
    assert f"tcp/443 {SHOP}: {WWW}" in drift["tls-certificate-names"]
    # No port shows it.
    assert f"{PLACE}/client.pem: RSA 1024" in drift["tls-certificate-strength"]


def test_a_check_shows_each_line_that_would_change_and_nothing_beside_it(before: dict[str, Any]) -> None:
    said = before["output"]
    assert re.search(r"^-\s+ssl_protocols TLSv1 TLSv1.1 TLSv1.2 TLSv1.3;", said, re.MULTILINE)
    assert re.search(r"^\+\s+SSLProtocol -all \+TLSv1.2 \+TLSv1.3$", said, re.MULTILINE)
    assert re.search(r"^\+smtp_tls_security_level = may$", said, re.MULTILINE)
    assert made_tls.SECRET not in said


def test_the_role_brings_all_three_to_the_profile_and_openssl_agrees(bed: Bed, before: dict[str, Any]) -> None:
    strict = {8443: bed.versions(8443), APACHE_STRICT: bed.versions(APACHE_STRICT)}
    assert strict == {8443: {"TLSv1.3"}, APACHE_STRICT: {"TLSv1.3"}}

    played = bed.standardise(bed.standard())

    assert played["failed"] == ""
    after = statuses(played["after"])
    assert {name for name, status in after.items() if status == "fixed"} == set(before["before"]["enforce"]["msp_tls"])
    assert {name for name, status in after.items() if status == "drift"} == LEFT
    assert {name: name not in LEFT for name in agrees(bed)} == agrees(bed)
    for port in SERVERS:
        assert bed.versions(port) == set(PROFILE.versions)
    assert bed.versions(443, SHOP) == set(PROFILE.versions)
    # What was stricter stays so, and what is a comment stays too.
    assert {port: bed.versions(port) for port in strict} == strict
    bed.sh(HOST, "grep -q '# ssl_protocols TLSv1; of a comment, which stays' /etc/nginx/sites-enabled/harbour")
    # What was there is kept where no server reads it, for root alone.
    kept = bed.sh(HOST, "stat -c %a /var/backups/msp-tls; ls /var/backups/msp-tls").split()
    assert kept[0] == "700" and any(name.startswith("etc%nginx%sites-enabled%harbour.") for name in kept)


def test_a_second_run_changes_nothing(bed: Bed) -> None:
    was = configuration(bed)
    played = bed.standardise(bed.standard())

    assert re.findall(r"changed=(\d+)", played["output"]) == ["0"]
    assert "enforce" in played["before"] and played["before"]["enforce"] == {}
    assert configuration(bed) == was


def test_what_does_not_validate_is_brought_back_and_keeps_no_other_server_from_its_turn(bed: Bed) -> None:
    bed.put("/etc/nginx/sites-enabled/short", made_tls.SHORT_KEY)
    bed.sh(HOST, "systemctl reload nginx; echo 'SSLProtocoll all' >/etc/apache2/conf-enabled/broken.conf")
    bed.sh(HOST, "sed -i 's/^\\( *SSLProtocol\\) .*/\1 all/' /etc/apache2/sites-enabled/harbour.conf")
    bed.sh(HOST, "postconf -e 'smtpd_tls_protocols = >=TLSv1' smtpd_tls_security_level=none; postfix reload")
    patch_bed.until(lambda: bed.takes(8450, "TLSv1") is not None, "a server with a short key")
    parts = "/etc/nginx /etc/apache2"
    was = bed.sh(HOST, f"find {parts} -type f | sort | xargs sha256sum")

    played = bed.standardise(bed.standard())

    words = played["failed"]
    assert "MSP-TLS-001" in words and "key too small" in words and "was put back" in words
    assert bed.sh(HOST, f"find {parts} -type f | sort | xargs sha256sum") == was
    # It goes on as before, with its old settings.
    assert bed.takes(8450, "TLSv1") is not None and bed.versions(443) == set(PROFILE.versions)
    after = statuses(played["after"])
    assert after["tls-nginx-versions"] == after["tls-nginx-ciphers"] == "drift"
    # A server whose files can't be read is not measured by guesses, and not changed.
    assert after["tls-apache-versions"] == "error"
    assert [name for name in after if name.startswith("tls-postfix")] == ["tls-postfix-offered"]
    assert after["tls-postfix-offered"] == "fixed"
    assert bed.versions(25) == set(PROFILE.versions)


def test_a_waiver_leaves_a_server_as_it_is_and_agreed_ports_are_looked_at(bed: Bed) -> None:
    ports = [f"8443 tls {WWW}", f"{ENDED} tls {SHOP}", "9080 tls", "9999 tls", "587 smtp"]
    chosen = {"ports": ports, "authorities": [made_tls.pem_of(bed.authority)]}
    standard = bed.standard({"tls-nginx-versions": WAIVER}, tls_ports=chosen)
    bed.sh(HOST, "rm /etc/apache2/conf-enabled/broken.conf")

    scan = bed.standardise(standard, check=True)["before"]

    # Who does without the one does without the other.
    assert scan["counts"]["waived"] == 2
    # Apache's file was changed by hand and is only read at its next start: what is in force counts.
    assert scan["enforce"] == {}
    said = {str(row["control"]): str(row["found"]) for row in scan["drift"]}["tls-ports"]
    assert "agreed ports on which nothing waits: tcp/9999;" in said
    assert "agreed ports without TLS: tcp/9080;" in said
    assert f"certificates for another name: tcp/{ENDED} {SHOP}: {WWW}" in said
    assert re.search(rf"certificates that end: tcp/{ENDED}: ", said)
    assert "8443" not in said and "587" not in said
    # The controller looks at the same, from outside, and through what is in between.
    place = bed.place / f"run{bed.number}"
    looked = bed.ansible(place, "playbooks/tls_look.yml")
    told = looked.stdout
    assert looked.returncode != 0, told[-4000:]
    said = " ".join(told.split())
    assert f"MSP-TLS-004: expected every port to be reached and as agreed, seen from here; found {ENDED} tls" in said
    assert f"8443 tls {WWW}" not in said.partition("MSP-TLS-004")[2].partition("What to do")[0]
    assert re.search(r"tcp/9999 cannot be reached: \[Errno \d+\] Connection refused", told)
    assert re.search(rf"tcp/{ENDED}: \d{{4}}-\d\d-\d\d \(www", told) and "TLSv1.3" in told
