"""The role msp_tls and the controls of TLS, on one real host with Debian's nginx, Apache and Postfix.

Before, all three take TLS 1.0 and whatever ciphers there are; afterwards nothing but the profile. What is taken is seen
from outside with OpenSSL's own client, which shares no code with ours, and which is first seen to speak what is weak.
"""

from __future__ import annotations

import functools
import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.module_utils.standards.tls_profiles import INTERMEDIATE, PROFILES
from lab import hosts, podman
from lab.machines import NEWCOMERS
from tests import made_tls, patch_bed
from tests.made_tls import APACHE_PORT, ENDED, ENDING, INCOMPLETE, OWN, PLACE, SHOP, WWW
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
        assert self.authority is not None
        root = {"authorities": [self.authority.root.pem]}
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

    def play(self, standard: Mapping[str, Any], *, check: bool = False) -> dict[str, Any]:
        """Measure, bring about, measure again, as playbooks/standardise.yml does, over ssh; and what each step said."""
        self.number += 1
        place = self.place / f"run{self.number}"
        place.mkdir()
        row = self.rows[HOST]
        msp = {"customer": row["customer"], "asset": {"key": "device:1"}, "timezone": "Europe/Amsterdam", **standard}
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
            },
        ]
        play = [{"hosts": "all", "gather_facts": False, "become": True, "tasks": tasks}]
        (place / "play.yml").write_text(json.dumps(play), encoding="utf-8")
        environment = {
            **os.environ,
            **hosts.ssh_environment(self.state_dir),
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_CALLBACKS_ENABLED": "ansible.builtin.minimal",
            "XDG_STATE_HOME": str(self.place / "state-of-controller"),
            "MSP_DURABLE_PATHS": str(self.place),
            "NO_COLOR": "1",
        }
        command = ["ansible-playbook", "-i", str(place / "inventory.yml"), str(place / "play.yml"), "--diff"]
        done = subprocess.run(
            [*command, *(["--check"] if check else [])],
            env=environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )
        assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
        return {**json.loads((place / "kept.json").read_text(encoding="utf-8")), "output": done.stdout}

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

    def ciphers(self, port: int, version: str) -> set[str]:
        """Each cipher that this OpenSSL can offer, alone, one after another: which of them are taken, by IANA's names."""
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
    for number, (path, text) in enumerate(texts.items()):
        source = bed.place / f"file{number}"
        source.write_text(text, encoding="utf-8")
        podman.run("cp", str(source), f"{bed.container(HOST)}:{path}")
    settings = " ".join(f"'{name}={value}'" for name, value in made_tls.POSTFIX.items())
    bed.sh(HOST, f"set -e; postconf -e {settings}; {made_tls.SUBMISSION}")
    bed.sh(HOST, "systemctl restart nginx apache2 postfix")


@pytest.fixture(scope="module")
def before(bed: Bed) -> dict[str, Any]:
    """What a check finds before anything is changed."""
    return bed.play(bed.standard(), check=True)


def found(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    return {str(row["control"]): str(row["found"]) for row in rows}


def test_before_the_servers_take_what_is_weak_and_both_clients_see_the_same(bed: Bed, before: dict[str, Any]) -> None:
    drift = found(before["before"]["drift"])
    print(json.dumps(drift, indent=1))
    for port in SERVERS:
        assert bed.versions(port) == set(VERSIONS), port
