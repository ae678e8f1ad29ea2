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
import os
import secrets
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lab import hosts, podman
from lab.machines import NEWCOMERS
from tests import patch_bed

pytestmark = pytest.mark.lab
LAB = "-".join(filter(None, ("access-test", os.environ.get("PYTEST_XDIST_WORKER"))))
HOST = "harbour-app01"
# A password, the secret that a code is made of, and what asks ssh for neither more than once.
WORD = secrets.token_urlsafe(12)
SECRET = base64.b32encode(secrets.token_bytes(20)).decode()
CODES = "/var/lib/lab-codes"
ACCOUNTS = ("keyed", "worded", "coded", "lax", "locked", "hard", "service", "robot", "over", "forced")
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
auth [success=done default=die] pam_google_authenticator.so user=root secret={CODES}/\\${{USER}} disallow_reuse
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
            os.unlink(path)
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

    def address_of_this_side(self) -> str:
        """As the host sees it."""
        config = ["-F", str(self.state_dir / "ssh" / "config")]
        done = subprocess.run(["ssh", *config, HOST, "echo $SSH_CONNECTION"], capture_output=True, text=True, check=True)
        return done.stdout.split()[0]

    def give(self, script: str, text: str) -> None:
        """Run it on the host with this on its input."""
        done = podman.attempt("exec", "-i", self.container(HOST), "sh", "-c", script, stdin=text)
        assert done.returncode == 0, done.stderr

    def authorise(self, name: str, line: str) -> None:
        self.sh(HOST, f"echo '{line}' >>/home/{name}/.ssh/authorized_keys")
        self.sh(HOST, f"chown {name} /home/{name}/.ssh/authorized_keys; chmod 600 /home/{name}/.ssh/authorized_keys")

    def gets_in(
        self,
        name: str,
        *,
        key: bool = False,
        word: str = "",
        code: str = "",
        agent: str = "",
        options: Sequence[str] = (),
        command: Sequence[str] = ("true",),
    ) -> bool:
        """Whether a real ssh client gets in with what it is given, and with nothing else."""
        return self.tries(name, key=key, word=word, code=code, agent=agent, options=options, command=command)[0]

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
        ask = self.place / "ask"
        ask.write_text('#!/bin/sh\ncase "$1" in *erification*) echo "$LAB_CODE";; *) echo "$LAB_WORD";; esac\n')
        ask.chmod(0o700)
        alone = ["ControlMaster=no", "ControlPath=none", "NumberOfPasswordPrompts=1", "ConnectTimeout=10"]
        alone += ["IdentitiesOnly=no" if agent else "IdentitiesOnly=yes", f"IdentityAgent={agent or 'none'}"]
        known = self.state_dir / "ssh" / "known_hosts"
        alone += ["StrictHostKeyChecking=yes", f"UserKnownHostsFile={known}", "LogLevel=ERROR"]
        arguments = ["ssh", "-F", "none", *(word for one in alone for word in ("-o", one)), "-l", name]
        arguments += ["-p", str(self.rows[HOST]["port"])]
        arguments += ["-i", str(self.key)] if key else ["-o", "IdentityFile=none"]
        environment = {**os.environ, "SSH_ASKPASS": str(ask), "SSH_ASKPASS_REQUIRE": "force", "DISPLAY": ":0"}
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
        secret = f"{SECRET}\n\" TOTP_AUTH\n\" DISALLOW_REUSE\n"
        for path in (f"{CODES}/coded", f"{CODES}/lax"):
            made.give(f"umask 377; cat >{path}", secret)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", made.key], check=True)
        public = made.key.with_suffix(".pub").read_text().strip()
        made.token = SoftwareToken(made.place)
        for name in ("keyed", "coded", "over"):
            made.authorise(name, public)
        made.authorise("robot", f'from="{made.address_of_this_side()}" {public}')
        made.authorise("forced", f'command="/bin/echo only this" {public}')
        made.authorise("hard", made.token.line)
        yield made


@pytest.fixture(scope="module")
def found(bed: Bed) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in bed.measure()["accounts"]}


def test_print(bed, found):
    import json
    print(bed.sh(HOST, "ls -la /home/*/.ssh; cat /home/keyed/.ssh/*; sshd -T -C user=keyed,host=a,addr=1.2.3.4 | grep -i authorized; cat /etc/ssh/sshd_config.d/*"))
    for name in found:
        print(name, json.dumps(found[name]))
    assert 0
