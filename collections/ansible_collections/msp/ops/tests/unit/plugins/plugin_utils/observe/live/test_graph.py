# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Graph over HTTP, against StandInGraph: a made server on loopback that answers as the documentation of Graph and of
Entra's sign-in says.

What it cannot show is Graph itself; the requests, the paging and the failures here are real HTTP.
"""

from __future__ import annotations

import datetime as dt
import email.utils
import json
import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.observe.live.graph import Client, Graph

TOKEN = "eyJ-made-token-that-nobody-may-see"  # noqa: S105 - made for this test
SECRET = "made~secret.that&nobody=may see"  # noqa: S105 - made for this test
MANAGED = "/v1.0/deviceManagement/managedDevices"
REGISTRATION = "/v1.0/reports/authenticationMethods/userRegistrationDetails"


class StandInGraph(ThreadingHTTPServer):
    """Answers the scripted answers in turn, and notes what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.base = f"http://127.0.0.1:{self.server_address[1]}"
        self.answers: list[tuple[int, dict[str, str], bytes]] = []
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.forms: list[dict[str, list[str]]] = []

    def will_say(self, *pages: Any, status: int = 200, **headers: str) -> None:
        for page in pages:
            body = page if isinstance(page, bytes) else json.dumps(page).encode()
            self.answers.append((status, {name.replace("_", "-"): value for name, value in headers.items()}, body))


class _Handler(BaseHTTPRequestHandler):
    server: StandInGraph

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.forms.append(parse_qs(body.decode(), strict_parsing=True))
        self.do_GET()

    def do_GET(self) -> None:
        self.server.asked.append((self.path, dict(self.headers)))
        status, headers, body = self.server.answers.pop(0) if self.server.answers else (500, {}, b"asked too often")
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def stand_in() -> Iterator[StandInGraph]:
    with StandInGraph() as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def graph(stand_in: StandInGraph) -> Graph:
    return Graph(TOKEN, stand_in.base, timeout=10, patience=0)


def test_all_pages_are_read_in_order_with_the_token(stand_in: StandInGraph, graph: Graph) -> None:
    stand_in.will_say({"value": [{"id": "1"}], "@odata.nextLink": f"{stand_in.base}{MANAGED}?$skiptoken=a"})
    stand_in.will_say({"value": [], "@odata.nextLink": f"{stand_in.base}{MANAGED}?$skiptoken=b"})
    stand_in.will_say({"value": [{"id": "2"}]})

    assert graph.managed_devices() == [{"id": "1"}, {"id": "2"}]

    first, second, third = (path for path, _headers in stand_in.asked)
    assert urlsplit(first).path == MANAGED
    assert (second, third) == (f"{MANAGED}?$skiptoken=a", f"{MANAGED}?$skiptoken=b")
    assert {headers["Authorization"] for _path, headers in stand_in.asked} == {f"Bearer {TOKEN}"}


def test_nothing_of_a_person_is_asked_for(stand_in: StandInGraph, graph: Graph) -> None:
    stand_in.will_say({"value": []})

    graph.managed_devices()

    (wanted,) = parse_qs(urlsplit(stand_in.asked[0][0]).query)["$select"]
    assert {"id", "serialNumber", "lastSyncDateTime"} <= set(wanted.split(","))
    assert not [name for name in wanted.split(",") if "user" in name.casefold() or "mail" in name.casefold()]


def test_registrations_are_read(stand_in: StandInGraph, graph: Graph) -> None:
    stand_in.will_say({"value": [{"isAdmin": True}]})

    assert graph.registrations() == [{"isAdmin": True}]
    assert stand_in.asked[0][0] == REGISTRATION


@pytest.mark.parametrize(
    ("status", "code", "word"),
    [
        (401, "MSP-OBS-033", "token"),
        (403, "MSP-OBS-034", "DeviceManagementManagedDevices.Read.All"),
        (400, "MSP-OBS-035", "BadRequest"),
        (404, "MSP-OBS-035", "status 404"),
        (500, "MSP-OBS-035", "status 500"),
    ],
)
def test_a_refusal_is_an_error_that_says_what_to_do(
    stand_in: StandInGraph, graph: Graph, status: int, code: str, word: str
) -> None:
    stand_in.will_say({"error": {"code": "BadRequest", "message": "zoe.jansen@example.org"}}, status=status)

    with pytest.raises(MspError, match=code) as caught:
        graph.managed_devices()

    assert word in str(caught.value)
    assert "zoe.jansen" not in str(caught.value)


def test_the_permission_that_registrations_need_is_named(stand_in: StandInGraph, graph: Graph) -> None:
    stand_in.will_say(b"", status=403)

    with pytest.raises(MspError, match=r"MSP-OBS-034.*AuditLog\.Read\.All"):
        graph.registrations()


@pytest.mark.parametrize("second", [b"<html>", b"{}", b"[]", b'{"value": 7}', b'{"value": [', b"[" * 100_000])
def test_a_page_that_is_none_is_an_error_and_not_the_end_of_a_short_list(
    stand_in: StandInGraph, graph: Graph, second: bytes
) -> None:
    stand_in.will_say({"value": [{"id": "1"}], "@odata.nextLink": f"{stand_in.base}/more"}, second)

    with pytest.raises(MspError, match="MSP-OBS-035"):
        graph.managed_devices()


def test_a_page_that_breaks_off_is_an_error(stand_in: StandInGraph, graph: Graph) -> None:
    stand_in.will_say(b'{"value": []}', Content_Length="4000")

    with pytest.raises(MspError, match="MSP-OBS-032"):
        graph.managed_devices()


@pytest.mark.parametrize(
    "other", ["http://127.0.0.2:{port}/x", "https://127.0.0.1:{port}/x", "http://127.0.0.1:1/x", "x"]
)
def test_the_token_never_goes_to_another_host(stand_in: StandInGraph, graph: Graph, other: str) -> None:
    link = other.format(port=stand_in.server_address[1])
    stand_in.will_say({"value": [], "@odata.nextLink": link})

    with pytest.raises(MspError, match=r"MSP-OBS-035.*another host"):
        graph.managed_devices()
    assert len(stand_in.asked) == 1


def test_a_redirect_is_not_followed(stand_in: StandInGraph, graph: Graph) -> None:
    stand_in.will_say(b"", status=302, Location=f"{stand_in.base}/elsewhere")

    with pytest.raises(MspError, match=r"MSP-OBS-035.*302"):
        graph.managed_devices()
    assert len(stand_in.asked) == 1


def test_pages_that_go_in_circles_are_an_error(stand_in: StandInGraph, graph: Graph) -> None:
    page = {"value": [{"id": "1"}], "@odata.nextLink": f"{stand_in.base}/again"}
    stand_in.will_say(page, page)

    with pytest.raises(MspError, match="MSP-OBS-035"):
        graph.managed_devices()
    assert len(stand_in.asked) == 2


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_graph_is_asked_again_when_it_said(stand_in: StandInGraph, graph: Graph, status: int) -> None:
    past = email.utils.format_datetime(dt.datetime(2020, 1, 1, tzinfo=dt.UTC), usegmt=True)
    stand_in.will_say(b"", status=status, Retry_After="0")
    stand_in.will_say(b"", status=status, Retry_After=past)
    stand_in.will_say({"value": [{"id": "1"}]})

    assert graph.managed_devices() == [{"id": "1"}]
    assert len(stand_in.asked) == 3


@pytest.mark.parametrize("wait", ["3600", "Fri, 01 Jan 2100 00:00:00 GMT", "soon", ""])
def test_a_graph_that_asks_for_more_patience_than_there_is_is_an_error(
    stand_in: StandInGraph, graph: Graph, wait: str
) -> None:
    stand_in.will_say({"value": [], "@odata.nextLink": f"{stand_in.base}/more"})
    stand_in.will_say(b"", status=429, Retry_After=wait)

    with pytest.raises(MspError, match=r"MSP-OBS-036.*429"):
        graph.managed_devices()


def test_a_graph_that_is_busy_without_end_is_an_error(stand_in: StandInGraph, graph: Graph) -> None:
    stand_in.will_say(*[b""] * 100, status=503, Retry_After="0")

    with pytest.raises(MspError, match=r"MSP-OBS-035.*503"):
        graph.managed_devices()
    assert len(stand_in.asked) == 20


def test_a_page_beyond_all_size_is_an_error(
    stand_in: StandInGraph, graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ansible_collections.msp.ops.plugins.plugin_utils.observe.live.graph.LARGEST_PAGE", 1000)
    stand_in.will_say(b" " * 2000 + b'{"value": []}')

    with pytest.raises(MspError, match=r"MSP-OBS-035.*1000 bytes"):
        graph.managed_devices()


def test_a_server_that_is_down_or_silent_is_an_error(stand_in: StandInGraph) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(MspError, match="MSP-OBS-032"):
            Graph(TOKEN, address, timeout=0.2).managed_devices()
    with pytest.raises(MspError, match="MSP-OBS-032"):
        Graph(TOKEN, address, timeout=5).managed_devices()


@pytest.mark.parametrize(
    "base", ["http://graph.example", "ftp://127.0.0.1", "graph.example", "https://", "https://[x", ""]
)
def test_the_token_is_never_sent_in_the_clear(base: str) -> None:
    with pytest.raises(MspError, match=r"MSP-OBS-032.*https"):
        Graph(TOKEN, base).managed_devices()


def test_an_address_with_a_password_in_it_is_refused_and_not_shown(stand_in: StandInGraph) -> None:
    with pytest.raises(MspError, match="MSP-OBS-032") as caught:
        Graph(TOKEN, stand_in.base.replace("://", "://svc:S3cr3t@")).managed_devices()

    assert "S3cr3t" not in str(caught.value)
    assert stand_in.asked == []


def test_a_certificate_that_nobody_vouches_for_is_an_error(stand_in: StandInGraph) -> None:
    """The stand-in speaks no TLS at all: the request ends before the token is sent."""
    with pytest.raises(MspError, match="MSP-OBS-032"):
        Graph(TOKEN, stand_in.base.replace("http", "https"), timeout=10).managed_devices()
    assert stand_in.asked == []


@pytest.mark.parametrize("token", [TOKEN, f"{TOKEN}\r\nX-Other: 1", "tök\u20acn"])
def test_the_token_is_in_no_error_and_no_representation(stand_in: StandInGraph, token: str) -> None:
    graph = Graph(token, stand_in.base, timeout=10)
    stand_in.will_say({"error": {"code": "InvalidAuthenticationToken"}}, status=401)

    with pytest.raises(MspError) as caught:
        graph.managed_devices()

    assert token[:6] not in f"{graph!r} {graph} {caught.value} {caught.value.__cause__}"


# -- an application that gets its own tokens --------------------------------------------------------------------------


@pytest.fixture
def application(stand_in: StandInGraph) -> Graph:
    client = Client("example.org", "11111111-2222-3333-4444-555555555555", SECRET, stand_in.base)
    return Graph(client, stand_in.base, timeout=10, patience=0)


def test_an_application_gets_a_new_token_for_each_list(stand_in: StandInGraph, application: Graph) -> None:
    stand_in.will_say({"token_type": "Bearer", "expires_in": 3599, "access_token": "first"}, {"value": [{"id": "1"}]})
    stand_in.will_say({"access_token": "second"}, {"value": []})

    assert application.managed_devices() == [{"id": "1"}]
    assert application.managed_devices() == []

    assert [urlsplit(path).path for path, _headers in stand_in.asked[:2]] == ["/example.org/oauth2/v2.0/token", MANAGED]
    said = [headers.get("Authorization") for _path, headers in stand_in.asked]
    assert said == [None, "Bearer first", None, "Bearer second"]
    assert stand_in.forms[0] == {
        "grant_type": ["client_credentials"],
        "client_id": ["11111111-2222-3333-4444-555555555555"],
        "client_secret": [SECRET],
        "scope": [f"{stand_in.base}/.default"],
    }


def test_without_another_address_the_token_is_asked_of_microsoft_for_graph() -> None:
    assert Client("example.org", "c", SECRET).login == "https://login.microsoftonline.com"
    assert Graph(TOKEN).base == "https://graph.microsoft.com"


@pytest.mark.parametrize(
    ("status", "answer", "expected"),
    [
        (401, {"error": "invalid_client", "error_codes": [7000215]}, ("MSP-OBS-037", "invalid_client, AADSTS7000215")),
        (400, {"error": "invalid_client"}, ("MSP-OBS-037", "status 400 (invalid_client)")),
        (400, {"error": "unauthorized_client", "error_codes": [700016]}, ("MSP-OBS-037", "AADSTS700016")),
        (401, b"<html>", ("MSP-OBS-037", "status 401")),
        (400, {"error": "invalid_request", "error_codes": [90002]}, ("MSP-OBS-038", "tenant example.org")),
        (400, {"error": "invalid_request", "error_codes": [900023]}, ("MSP-OBS-038", "AADSTS900023")),
        (400, {"error": "invalid_scope", "error_codes": [70011]}, ("MSP-OBS-039", "invalid_scope")),
        (400, {"error": {"code": "x"}, "error_codes": "x"}, ("MSP-OBS-039", "status 400")),
        (200, {"token_type": "Bearer"}, ("MSP-OBS-039", "without access_token")),
        (200, {"access_token": ["x"]}, ("MSP-OBS-039", "without access_token")),
        (200, {"access_token": ""}, ("MSP-OBS-039", "without access_token")),
        (200, b"<html>", ("MSP-OBS-039", "without access_token")),
        (302, b"", ("MSP-OBS-039", "status 302")),
        (429, b"", ("MSP-OBS-036", "429")),
        (500, b"", ("MSP-OBS-039", "status 500")),
    ],
)
def test_no_token_is_an_error_that_says_why_and_graph_is_not_asked(
    stand_in: StandInGraph, application: Graph, status: int, answer: Any, expected: tuple[str, str]
) -> None:
    if isinstance(answer, dict):
        answer = {**answer, "error_description": f"zoe.jansen@example.org {SECRET}"}
    stand_in.will_say(answer, status=status, Location=f"{stand_in.base}/elsewhere")

    with pytest.raises(MspError, match=expected[0]) as caught:
        application.managed_devices()

    assert expected[1] in str(caught.value)
    assert "zoe.jansen" not in str(caught.value)
    assert len(stand_in.asked) == 1


def test_a_busy_entra_is_asked_again(stand_in: StandInGraph, application: Graph) -> None:
    stand_in.will_say(b"", status=503, Retry_After="0")
    stand_in.will_say({"access_token": "t"}, {"value": []})

    assert application.managed_devices() == []


@pytest.mark.parametrize("secret", [SECRET, "only_letters", "geheim\u20ac"])
def test_the_secret_is_in_no_error_log_or_representation(
    stand_in: StandInGraph, caplog: pytest.LogCaptureFixture, secret: str
) -> None:
    caplog.set_level("DEBUG")
    client = Client("example.org", "c", secret, stand_in.base)
    graph = Graph(client, stand_in.base, timeout=10)
    stand_in.will_say({"error": secret, "error_description": secret}, status=401)

    with pytest.raises(MspError) as caught:
        graph.managed_devices()

    told = f"{client!r} {graph!r} {caught.value} {caught.value.as_dict()} {caught.value.__cause__} {caplog.text}"
    assert secret not in told


@pytest.mark.parametrize("login", ["http://login.example", "https://", "https://svc:S3cr3t@login.example"])
def test_the_secret_is_never_sent_in_the_clear(stand_in: StandInGraph, login: str) -> None:
    with pytest.raises(MspError, match=r"MSP-OBS-032.*Entra's address as https") as caught:
        Graph(Client("example.org", "c", SECRET, login), stand_in.base).managed_devices()

    assert "S3cr3t" not in str(caught.value)
    assert stand_in.asked == []


# -- who is asked for a second factor ---------------------------------------------------------------------------------


def test_what_decides_about_second_factors_is_read(stand_in: StandInGraph, graph: Graph) -> None:
    stand_in.will_say({"value": [{"id": "U1"}]}, {"value": [{"id": "P1"}]}, {"isEnabled": True})
    stand_in.will_say({"value": [{"id": "AB"}]}, {"value": [{"principalId": "CD"}]})

    assert graph.users() == [{"id": "U1"}]
    assert graph.policies() == [{"id": "P1"}]
    assert graph.security_defaults() is True
    assert graph.members("g1") == ["ab"]
    assert graph.holders("r1") == ["cd"]

    paths = [urlsplit(path) for path, _headers in stand_in.asked]
    assert [one.path for one in paths] == [
        "/v1.0/users",
        "/v1.0/identity/conditionalAccess/policies",
        "/v1.0/policies/identitySecurityDefaultsEnforcementPolicy",
        "/v1.0/groups/g1/transitiveMembers",
        "/v1.0/roleManagement/directory/roleAssignments",
    ]
    assert parse_qs(paths[0].query)["$select"] == ["id,userPrincipalName,accountEnabled,userType"]
    assert parse_qs(paths[4].query)["$filter"] == ["roleDefinitionId eq 'r1'"]


@pytest.mark.parametrize("answer", [{}, {"isEnabled": "yes"}, [], b"<html>"])
def test_defaults_that_say_neither_yes_nor_no_are_an_error(stand_in: StandInGraph, graph: Graph, answer: Any) -> None:
    stand_in.will_say(answer)

    with pytest.raises(MspError, match="MSP-OBS-035"):
        graph.security_defaults()


@pytest.mark.parametrize(
    ("ask", "permission"),
    [
        (lambda graph: graph.users(), "User.Read.All"),
        (lambda graph: graph.policies(), "Policy.Read.All"),
        (lambda graph: graph.security_defaults(), "Policy.Read.All"),
        (lambda graph: graph.members("g1"), "GroupMember.Read.All"),
        (lambda graph: graph.holders("r1"), "RoleManagement.Read.Directory"),
    ],
)
def test_the_right_that_each_needs_is_named(stand_in: StandInGraph, graph: Graph, ask: Any, permission: str) -> None:
    stand_in.will_say(b"", status=403)

    with pytest.raises(MspError, match="MSP-OBS-034") as caught:
        ask(graph)
    assert permission in str(caught.value)
