"""Who can log in where with what, on one real host: what msp.ops.control_facts says of each account, and whether a real
ssh client gets in by exactly that.

The codes are those of Debian's libpam-google-authenticator. There is no FIDO2 key on this machine: SoftwareToken is a
stand-in for one, an agent that signs as such a key does; the ssh client and the server are real.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import os
import secrets
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ansible_collections.msp.ops.plugins.plugin_utils.access import judging, model, report
from ansible_collections.msp.ops.plugins.plugin_utils.access.judging import Judged, Verdict
from ansible_collections.msp.ops.plugins.plugin_utils.access.model import HostAccess
from ansible_collections.msp.ops.plugins.plugin_utils.access.naming import Named
from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Asset
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import deliver
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from lab import hosts, podman
from lab.image import USER
from lab.machines import NEWCOMERS
from tests import patch_bed

pytestmark = pytest.mark.lab
LAB = "-".join(filter(None, ("access-test", os.environ.get("PYTEST_XDIST_WORKER"))))
HOST = "harbour-app01"
# A password, the secret that a code is made of, and what asks ssh for neither more than once.
WORD = secrets.token_urlsafe(12)
SECRET = base64.b32encode(secrets.token_bytes(20)).decode()
CODES = "/var/lib/lab-codes"
ACCOUNTS = ("keyed", "worded", "coded", "lax", "locked", "hard", "service", "robot", "over", "forced", "managed")
PREPARE = f"""
set -e
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
apt-get -qqy install libpam-google-authenticator >/dev/null
groupadd twofold
for name in {" ".join(ACCOUNTS)}; do
  useradd --create-home --shell /bin/bash $name
  install -d -m 700 -o $name -g $name /home/$name/.ssh
done
usermod --append --groups twofold coded
usermod --shell /usr/sbin/nologin service
usermod --append --groups sudo worded
chage --expiredate 1 over
install -d -m 700 {CODES}
cat >/etc/pam.d/sshd.new <<END
auth [success=ignore default=1] pam_succeed_if.so quiet user ingroup twofold
auth [success=done default=die] pam_google_authenticator.so user=root secret={CODES}/\\${{USER}}
END
cat /etc/pam.d/sshd >>/etc/pam.d/sshd.new
mv /etc/pam.d/sshd.new /etc/pam.d/sshd
cat >/etc/ssh/sshd_config.d/10-lab.conf <<END
PasswordAuthentication yes
KbdInteractiveAuthentication yes
AuthorizedKeysFile .ssh/authorized_keys /etc/ssh/authorized_keys.d/%u
Match Group twofold
    AuthenticationMethods publickey,keyboard-interactive:pam
Match User robot
    PasswordAuthentication no
    KbdInteractiveAuthentication no
END
systemctl reload ssh
"""
# Answers what ssh asks of a person.
ANSWER = '#!/bin/sh\ncase "$1" in *erification*) echo "$LAB_CODE";; *) echo "$LAB_WORD";; esac\n'
# What looking must leave as it is.
LOOK = f"find /etc /home {CODES} -type f -exec sha256sum {{}} +; systemctl list-units --plain 'ssh*.service'"


def code(at: float) -> str:
    """RFC 6238, as an app on a phone counts it."""
    digest = hmac.new(base64.b32decode(SECRET), struct.pack(">Q", int(at // 30)), hashlib.sha1).digest()
    start = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[start : start + 4])[0] & 0x7FFFFFFF) % 1_000_000:06}"


def packed(*parts: bytes) -> bytes:
    return b"".join(struct.pack(">I", len(part)) + part for part in parts)


@dataclass
class SoftwareToken:
    """A stand-in for a FIDO2 key: an ssh agent with one key, which is touched or is not when it signs."""

    place: Path
    touched: bool = True
    secret: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    KIND = b"sk-ssh-ed25519@openssh.com"

    @property
    def blob(self) -> bytes:
        return packed(self.KIND, self.secret.public_key().public_bytes_raw(), b"ssh:")

    @property
    def line(self) -> str:
        return f"{self.KIND.decode()} {base64.b64encode(self.blob).decode()} a stand-in"

    def answer(self, asked: bytes) -> bytes:
        """The agent protocol: which keys there are (11), and a signature (13)."""
        if asked[0] == 11:
            return bytes([12]) + struct.pack(">I", 1) + packed(self.blob, b"a stand-in")
        if asked[0] != 13:
            return bytes([5])
        size = struct.unpack(">I", asked[1:5])[0]
        start = 5 + size
        data = asked[start + 4 : start + 4 + struct.unpack(">I", asked[start : start + 4])[0]]
        more = bytes([int(self.touched)]) + struct.pack(">I", 7)
        signed = hashlib.sha256(b"ssh:").digest() + more + hashlib.sha256(data).digest()
        return bytes([14]) + packed(packed(self.KIND, self.secret.sign(signed)) + more)

    @contextlib.contextmanager
    def plugged_in(self) -> Iterator[str]:
        """The socket of the agent, for as long as it is asked."""
        path = str(self.place / "agent")
        with contextlib.suppress(FileNotFoundError):
            Path(path).unlink()
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path)
            server.listen()
            thread = threading.Thread(target=self._serve, args=(server,), daemon=True)
            thread.start()
            yield path
            server.shutdown(socket.SHUT_RDWR)
            thread.join()

    def _serve(self, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _nobody = server.accept()
                with connection, connection.makefile("rwb") as stream:
                    while size := stream.read(4):
                        said = self.answer(stream.read(struct.unpack(">I", size)[0]))
                        stream.write(packed(said))
                        stream.flush()


@dataclass
class Bed(patch_bed.Bed):
    """The host, a key of a person, and ways to try to get in."""

    token: SoftwareToken | None = None

    @property
    def key(self) -> Path:
        return self.place / "key"

    @property
    def answers(self) -> Path:
        """Answers what ssh asks."""
        return self.place / "ask"

    def address_of_this_side(self) -> str:
        """As the host sees it."""
        config = ["-F", str(self.state_dir / "ssh" / "config")]
        done = subprocess.run(
            ["ssh", *config, HOST, "echo $SSH_CONNECTION"], capture_output=True, text=True, check=True
        )
        return done.stdout.split()[0]

    def give(self, script: str, text: str) -> None:
        """Run it on the host with this on its input."""
        done = podman.attempt("exec", "-i", self.container(HOST), "sh", "-c", script, stdin=text)
        assert done.returncode == 0, done.stderr

    def manage(self, name: str) -> None:
        """Let an account in from this side alone, as roles do it: by Match blocks."""
        here = self.address_of_this_side()
        rules = f"Match User {name} Address {here}\n  PasswordAuthentication no\n"
        rules += f"Match User {name} Address *,!{here}\n  DenyUsers {name}\n"
        self.give("cat >/etc/ssh/sshd_config.d/05-lab.conf; systemctl reload ssh", rules)

    def authorise(self, name: str, line: str) -> None:
        self.sh(HOST, f"echo '{line}' >>/home/{name}/.ssh/authorized_keys")
        self.sh(HOST, f"chown {name} /home/{name}/.ssh/authorized_keys; chmod 600 /home/{name}/.ssh/authorized_keys")

    def gets_in(self, name: str, **given: Any) -> bool:
        """Whether a real ssh client gets in with what it is given, and with nothing else."""
        return self.tries(name, **given)[0]

    def opened(self, **given: Any) -> set[str]:
        """Which of all accounts these things open."""
        with ThreadPoolExecutor(5) as pool:
            tried = pool.map(lambda name: self.gets_in(name, **given), ACCOUNTS)
            return {name for name, in_ in zip(ACCOUNTS, tried, strict=True) if in_}

    def tries(
        self,
        name: str,
        *,
        key: bool = False,
        word: str = "",
        code: str = "",
        agent: str = "",
        options: Sequence[str] = (),
        command: Sequence[str] = ("true",),
    ) -> tuple[bool, str]:
        """Whether it got in, and what was said."""
        alone = ["ControlMaster=no", "ControlPath=none", "NumberOfPasswordPrompts=1", "ConnectTimeout=10"]
        alone += ["IdentitiesOnly=no" if agent else "IdentitiesOnly=yes", f"IdentityAgent={agent or 'none'}"]
        known = self.state_dir / "ssh" / "known_hosts"
        alone += ["StrictHostKeyChecking=yes", f"UserKnownHostsFile={known}", "LogLevel=ERROR"]
        arguments = ["ssh", "-F", "none", *(word for one in alone for word in ("-o", one)), "-l", name]
        arguments += ["-p", str(self.rows[HOST]["port"])]
        arguments += ["-i", str(self.key)] if key else ["-o", "IdentityFile=none"]
        environment = {**os.environ, "SSH_ASKPASS": str(self.answers), "SSH_ASKPASS_REQUIRE": "force", "DISPLAY": ":0"}
        environment |= {"LAB_WORD": word, "LAB_CODE": code}
        # Without an answer there is none to give.
        arguments += [] if word or code else ["-o", "BatchMode=yes"]
        done = subprocess.run(
            [*arguments, *options, str(self.rows[HOST]["address"]), *command],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return done.returncode == 0, done.stdout + done.stderr

    def measure(self) -> dict[str, Any]:
        task = {"msp.ops.control_facts": {"probes": [{"id": "access", "kind": "access"}], "plain": True}}
        found = self.plays([HOST], found={**task, "become": True}).results()
        answer = found[HOST]["found"]["answers"]["access"]
        assert answer["state"] == "ok", answer
        return dict(answer["value"])


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    if reason := hosts.available():
        pytest.skip(reason)
    machines = [machine for machine in NEWCOMERS if machine.name == HOST]
    with patch_bed.bed(LAB, machines, tmp_path_factory.mktemp("access"), (), Bed) as made:
        made.sh(HOST, PREPARE)
        words = "".join(f"{name}:{WORD}\n" for name in ("worded", "coded", "lax", "service", "over"))
        made.give("chpasswd", words)
        made.sh(HOST, "usermod --lock locked")
        secret = f'{SECRET}\n" TOTP_AUTH\n" DISALLOW_REUSE\n'
        for path in (f"{CODES}/coded", f"{CODES}/lax"):
            made.give(f"umask 377; cat >{path}", secret)
        made.answers.write_text(
            '#!/bin/sh\ncase "$1" in *erification*) echo "$LAB_CODE";; *) echo "$LAB_WORD";; esac\n'
        )
        made.answers.chmod(0o700)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", made.key], check=True)
        public = made.key.with_suffix(".pub").read_text().strip()
        made.token = SoftwareToken(made.place)
        made.manage("managed")
        for name in ("keyed", "coded", "over", "managed"):
            made.authorise(name, public)
        made.authorise("robot", f'from="{made.address_of_this_side()}" {public}')
        made.authorise("forced", f'command="/bin/echo only this" {public}')
        made.authorise("hard", made.token.line)
        yield made


@pytest.fixture(scope="module")
def answer(bed: Bed) -> dict[str, Any]:
    """What the host says; the host is the same afterwards."""
    before = bed.sh(HOST, LOOK)
    found = bed.measure()
    assert bed.sh(HOST, LOOK) == before
    return found


@pytest.fixture(scope="module")
def told(answer: dict[str, Any]) -> HostAccess:
    """The same, in the shape in which it is kept."""
    return model.read(model.body(answer, USER))


@pytest.fixture(scope="module")
def judged(told: HostAccess) -> dict[str, Judged]:
    named = Named(automation=frozenset({"robot", "managed"}))
    return {one.name: judging.account(one, named, told.asked_as) for one in told.accounts}


def needs(verdict: Verdict) -> list[str]:
    """What the weakest way in asks for."""
    return sorted(verdict.weakest.proved) if verdict.weakest else ["no way"]


def test_every_account_has_the_verdict_that_its_ways_deserve(judged: dict[str, Judged]) -> None:
    said = {name: (one.kind, one.network.state, needs(one.network)) for name, one in judged.items()}
    assert said == {
        "root": ("service", "closed", ["no way"]),
        USER: ("automation", "impossible", ["key"]),
        "keyed": ("person", "impossible", ["key"]),
        "worded": ("person", "impossible", ["password"]),
        "coded": ("person", "required", ["code", "key"]),
        # It has a code, and nobody asks for it.
        "lax": ("person", "possible", ["password"]),
        "locked": ("person", "closed", ["no way"]),
        "hard": ("person", "required", ["hardware key"]),
        "service": ("service", "impossible", ["password"]),
        "robot": ("automation", "impossible", ["key"]),
        "over": ("person", "closed", ["no way"]),
        "forced": ("person", "impossible", ["key"]),
        "managed": ("automation", "impossible", ["key"]),
    }
    assert all(one.account.unknown == () for one in judged.values())
    console = {name: one.console.state for name, one in judged.items() if one.console.state != "closed"}
    assert console == {"worded": "impossible", "coded": "possible", "lax": "possible"}
    assert judged["worded"].account.sudo[0].asks == (frozenset({"password"}),)
    assert judged[USER].account.sudo[0].asks == (frozenset(),)


def test_a_password_alone_opens_what_is_said_to_be_opened_by_it_and_nothing_else(
    bed: Bed, judged: dict[str, Judged]
) -> None:
    opened = bed.opened(word=WORD)
    assert opened == {"worded", "lax"}
    assert opened == {name for name, one in judged.items() if one.network.password_alone and one.account.shell_works}
    assert not bed.gets_in("worded", word="wrong")


def test_an_account_without_a_shell_opens_a_tunnel_by_its_password(bed: Bed, judged: dict[str, Judged]) -> None:
    assert not bed.gets_in("service", word=WORD)
    # What a tunnel to the host's own ssh server says at once.
    through = bed.tries("service", word=WORD, options=["-W", "127.0.0.1:22"], command=())[1]
    assert through.startswith("SSH-2.0-")
    (way,) = judged["service"].account.ways
    assert way.limits == ("no shell",)


def test_a_key_alone_opens_what_is_said_to_be_opened_by_it_and_nothing_else(
    bed: Bed, judged: dict[str, Judged]
) -> None:
    opened = bed.opened(key=True)
    assert opened == {"keyed", "robot", "forced", "managed"}
    alone = {name for name, one in judged.items() if any(way.proved == {"key"} for way in one.account.ways)}
    assert opened == alone - {USER}


def test_a_key_and_a_code_open_where_neither_does_alone(bed: Bed) -> None:
    assert not bed.gets_in("coded", key=True)
    assert not bed.gets_in("coded", word=WORD, code=code(time.time()))
    assert not bed.gets_in("coded", key=True, code="000000")
    # Of yesterday, and with the password in its place.
    assert not bed.gets_in("coded", key=True, code=code(time.time() - 86400))
    assert not bed.gets_in("coded", key=True, word=WORD, code=WORD)
    now = code(time.time())
    assert bed.gets_in("coded", key=True, code=now)
    assert not bed.gets_in("coded", key=True, code=now)


def test_a_fido2_key_opens_only_when_it_is_touched(bed: Bed) -> None:
    """By the stand-in for one. Nothing else opens that account."""
    assert bed.token is not None
    with bed.token.plugged_in() as agent:
        assert bed.gets_in("hard", agent=agent)
        bed.token.touched = False
        assert not bed.gets_in("hard", agent=agent)
    assert not bed.gets_in("hard", key=True, word=WORD)


def test_what_is_limited_to_addresses_is_no_use_from_elsewhere(bed: Bed, judged: dict[str, Judged]) -> None:
    (way,) = judged["robot"].account.ways
    assert way.bounded and way.origins == ((bed.address_of_this_side(),),)
    (managed,) = judged["managed"].account.ways
    assert managed.bounded and managed.where == (f"address {bed.address_of_this_side()}",)
    assert bed.gets_in("robot", key=True) and bed.gets_in("managed", key=True)
    bed.give("umask 077; cat >/root/key", bed.key.read_text())
    from_there = "ssh -o StrictHostKeyChecking=no -o BatchMode=yes -i /root/key -l {} 127.0.0.1 true && echo in; true"
    assert bed.sh(HOST, from_there.format("robot")) == bed.sh(HOST, from_there.format("managed")) == ""
    assert bed.sh(HOST, from_there.format("keyed")) == "in"


def test_a_key_for_one_command_does_no_more(bed: Bed, judged: dict[str, Judged]) -> None:
    (way,) = judged["forced"].account.ways
    assert way.limits == ("one command",)
    assert bed.tries("forced", key=True, command=("id",)) == (True, "only this\n")


def test_nothing_secret_is_in_what_the_host_says(bed: Bed, answer: dict[str, Any]) -> None:
    text = json.dumps(answer)
    hashed = [line.split(":")[1] for line in bed.sh(HOST, "cat /etc/shadow").splitlines()]
    public = bed.key.with_suffix(".pub").read_text().split()[1]
    assert not [word for word in (SECRET, WORD, public, *hashed) if len(word) > 8 and word in text]


def test_a_look_is_evidence_and_becomes_a_report(bed: Bed, judged: dict[str, Judged], tmp_path: Path) -> None:
    """msp.ops.access_scan by a real ansible-playbook, to the store, to what the report says."""
    environment = {
        "XDG_STATE_HOME": str(tmp_path / "state"),
        "MSP_STORE_URL": f"sqlite:///{tmp_path}/evidence.db",
        "MSP_DURABLE_PATHS": str(tmp_path),
    }
    with pytest.MonkeyPatch.context() as patched:
        for name, value in environment.items():
            patched.setenv(name, value)
        found = bed.plays([HOST], found={"msp.ops.access_scan": {}, "become": True}).results()[HOST]["found"]
        assert found["outcome"] == "ok" and not found["changed"], found
        assert found["accounts"]["coded"]["network"]["second_factor"] == "required"
        with Store.open(upgrade=True) as store:
            assert deliver.deliver(store, seconds=60).complete
            ((good, last),) = store.last_access_checks(bed.rows[HOST]["customer"]).values()
    assert good is not None and good == last and good.host == HOST
    asset = Asset("device", 1, HOST, str(bed.rows[HOST]["customer"]), "contracted", "server")
    told = report.of_host(asset, Named(automation=frozenset({"robot", "managed"})), (good, last), good.at)
    made = report.Report(good.at, (told,), None, {})
    assert {one.name: one.standing for one in made.people} == {
        **{"worded": "password", "lax": "password", "keyed": "single", "forced": "single"},
        **{"coded": "two", "hard": "two"},
    }
