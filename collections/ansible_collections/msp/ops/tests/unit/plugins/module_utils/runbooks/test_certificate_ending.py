# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A certificate that ends is renewed by the means that is set up and proved by a handshake, or told to a person."""

from __future__ import annotations

import contextlib
import datetime as dt
import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Output
from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.module_utils.runbooks import answer, certificate_ending
from ansible_collections.msp.ops.plugins.module_utils.runbooks.certificate_ending import Shown
from ansible_collections.msp.ops.plugins.module_utils.standards import certificates
from ansible_collections.msp.ops.tests.unit.plugins.module_utils.runbooks.made_tools import MadePrograms, made_tools
from ansible_collections.msp.ops.tests.unit.plugins.module_utils.standards import made_tls_server as made

TODAY = dt.datetime.now(dt.UTC).replace(microsecond=0)
RENEW = "/usr/local/sbin/renew"


def ending(days: int, **how: str) -> x509.Certificate:
    return made.certificate(ends=TODAY + dt.timedelta(days=days), **how)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificate_ending, "SERVED_SECONDS", 0.0)
    monkeypatch.setattr(certificate_ending, "_waiting", lambda _tools: [])


def asked(place: Path | None = None, **more: object) -> dict[str, object]:
    plain = {"path": place and str(place), "port": None, "name": "", "protocol": "tls", "days": 21}
    return {**plain, "command": [], "reload": [], **more}


def shows(context: Callable[[], ssl.SSLContext]) -> Callable[[socket.socket, int], None]:
    def handshake(connection: socket.socket, _number: int) -> None:
        with contextlib.suppress(ssl.SSLError), context().wrap_socket(connection, server_side=True) as secure:
            secure.recv(1)

    return handshake


def renewing(programs: MadePrograms, then: Callable[[], object]) -> None:
    """The renewal's command does this when it is run."""
    answers = programs.run

    def run(*argv: str, seconds: float = 0) -> Output:
        if argv[0] == RENEW:
            then()
        return answers(*argv, seconds=seconds)

    programs.run = run  # type: ignore[method-assign]


def test_one_that_lasts_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "a.pem").write_text(made.pem(ending(22)))
    tools, programs = made_tools(tmp_path)
    found = certificate_ending.act(tools, asked(tmp_path / "a.pem", command=[RENEW]))
    assert (found.outcome, programs.ran) == (answer.NOTHING_TO_DO, [])


@pytest.mark.parametrize(("days", "over"), [(5, "ends"), (-2, "ended")])
def test_without_a_means_a_person_is_told_all_that_is_needed_for_a_new_one(
    tmp_path: Path, days: int, over: str
) -> None:
    one = ending(days, issuer="Example CA")
    (tmp_path / "a.pem").write_text(made.pem(one))
    tools, programs = made_tools(tmp_path)

    found = certificate_ending.act(tools, asked(tmp_path / "a.pem"))

    assert (found.outcome, programs.ran) == (answer.GAVE_UP, [])
    day = (TODAY + dt.timedelta(days=days)).date().isoformat()
    for part in ("www.example.com", "Example CA", f"it {over} on {day}"):
        assert part in found.reason
    served = certificate_ending.by_hand(certificates.read(made.der(one)), [Shown(443, "nginx")], time.time())
    assert "give it to nginx on port 443" in served


def test_a_renewal_is_proved_by_a_handshake(tmp_path: Path) -> None:
    shown = [made.context(tmp_path, of=[(ending(5), made.RSA)])]
    tools, programs = made_tools(tmp_path, said={RENEW: Output(0)})
    renewing(programs, lambda: shown.insert(0, made.context(tmp_path, of=[(ending(90), made.RSA)])))
    with made.serving(shows(lambda: shown[0])) as port:
        found = certificate_ending.act(tools, asked(port=port, command=[RENEW]))
    assert (found.outcome, found.before["days_left"], found.after["days_left"]) == (answer.MENDED, 4, 89)


def test_a_renewal_that_says_it_went_well_and_is_not_shown_is_no_success(tmp_path: Path) -> None:
    shown = made.context(tmp_path, of=[(ending(5), made.RSA)])
    tools, programs = made_tools(tmp_path, said={RENEW: Output(0), "systemctl": Output(0)})
    with made.serving(shows(lambda: shown)) as port:
        found = certificate_ending.act(tools, asked(port=port, command=[RENEW], reload=["shop.service"]))
    assert found.outcome == answer.GAVE_UP and "still ends" in found.reason
    assert programs.ran[-1] == "systemctl reload-or-restart --no-ask-password -- shop.service"


def test_after_a_renewal_that_failed_nothing_is_reloaded(tmp_path: Path) -> None:
    (tmp_path / "a.pem").write_text(made.pem(ending(5)))
    tools, programs = made_tools(
        tmp_path, said={RENEW: Output(1, "", "no answer from the authority"), "systemctl": Output(0)}
    )
    found = certificate_ending.act(tools, asked(tmp_path / "a.pem", command=[RENEW], reload=["shop.service"]))
    assert programs.ran == [RENEW]
    assert found.outcome == answer.GAVE_UP and "no answer from the authority" in found.reason


def test_a_preview_renews_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.pem").write_text(made.pem(ending(5)))
    tools, programs = made_tools(tmp_path, check=True)
    found = certificate_ending.act(tools, asked(tmp_path / "a.pem", command=[RENEW], reload=["shop.service"]))
    assert (found.outcome, programs.ran) == (answer.WOULD_MEND, [])
    assert RENEW in found.would[0] and "shop.service" in found.would[1]


def test_a_command_without_its_whole_path_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.pem").write_text(made.pem(ending(5)))
    tools, programs = made_tools(tmp_path)
    with pytest.raises(MspError, match="MSP-RUN-021"):
        certificate_ending.act(tools, asked(tmp_path / "a.pem", command=["renew"]))
    assert programs.ran == []


@pytest.fixture
def certbot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lineage of certbot's; its certificate on the disk."""
    live = tmp_path / "etc/letsencrypt/live/shop"
    live.mkdir(parents=True)
    (tmp_path / "etc/letsencrypt/renewal").mkdir()
    (tmp_path / "etc/letsencrypt/renewal/shop.conf").write_text("")
    monkeypatch.setattr(certificate_ending, "LIVE", str(live.parent))
    return live / "cert.pem"


def test_what_certbot_made_is_renewed_by_certbot_alone(tmp_path: Path, certbot: Path) -> None:
    certbot.write_text(made.pem(ending(5)))
    tools, programs = made_tools(tmp_path, said={"certbot": Output(0)}, check=True)
    found = certificate_ending.act(tools, asked(certbot, command=[RENEW]))
    assert found.would == ["renew it with certbot"] and programs.ran == []


def test_one_that_certbot_renewed_and_the_server_does_not_show_yet_needs_a_reload_only(
    tmp_path: Path, certbot: Path
) -> None:
    certbot.write_text(made.pem(ending(80)))
    shown = made.context(tmp_path, of=[(ending(5), made.RSA)])
    tools, programs = made_tools(tmp_path, said={"certbot": Output(0), "systemctl": Output(0)})
    with made.serving(shows(lambda: shown)) as port:
        certificate_ending.act(tools, asked(port=port, reload=["shop.service"]))
    assert programs.ran == ["systemctl reload-or-restart --no-ask-password -- shop.service"]


@pytest.mark.parametrize("text", ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END"])
def test_what_is_no_certificate_is_left_to_a_person(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.pem").write_text(text)
    tools, _programs = made_tools(tmp_path)
    found = certificate_ending.act(tools, asked(tmp_path / "a.pem", command=[RENEW]))
    assert found.outcome == answer.GAVE_UP and "no certificate can be read" in found.reason
