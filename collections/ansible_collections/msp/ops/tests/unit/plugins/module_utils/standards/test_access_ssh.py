# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""By which ways an account gets in over ssh, out of what sshd says for it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.standards.access_pam import Account, Proved
from ansible_collections.msp.ops.plugins.module_utils.standards.access_ssh import Login, Way, ways
from ansible_collections.msp.ops.plugins.module_utils.standards.access_words import (
    CODE,
    COMMAND,
    EMPTY,
    HARDWARE,
    HOST,
    KEY,
    NO_SHELL,
    NONE,
    PASSWORD,
    PIN,
    SET,
    TICKET,
    UNKNOWN,
    UNTOUCHED,
)
from ansible_collections.msp.ops.plugins.module_utils.standards.authorized_keys import Key

# What sshd of Debian 12 says of somebody, of what counts here.
DEFAULTS: dict[str, list[str]] = {
    "usepam": ["yes"],
    "permitrootlogin": ["prohibit-password"],
    "pubkeyauthentication": ["yes"],
    "passwordauthentication": ["yes"],
    "kbdinteractiveauthentication": ["no"],
    "hostbasedauthentication": ["no"],
    "gssapiauthentication": ["no"],
    "permitemptypasswords": ["no"],
    "authenticationmethods": ["any"],
    "pubkeyacceptedalgorithms": ["ssh-ed25519,sk-ssh-ed25519@openssh.com,rsa-sha2-512"],
    "pubkeyauthoptions": ["none"],
    "authorizedkeyscommand": ["none"],
    "trustedusercakeys": ["none"],
    "forcecommand": ["none"],
    "allowtcpforwarding": ["yes"],
    "allowstreamlocalforwarding": ["yes"],
    "permittunnel": ["no"],
    "disableforwarding": ["no"],
    "subsystem": ["sftp /usr/lib/openssh/sftp-server"],
}
SOFT, HARD = Key("ssh-ed25519", "SHA256:a"), Key("sk-ssh-ed25519@openssh.com", "SHA256:b")
BOTH = "publickey,keyboard-interactive:pam"


def said(**changed: str | list[str]) -> dict[str, list[str]]:
    return {**DEFAULTS, **{name: [value] if isinstance(value, str) else value for name, value in changed.items()}}


def login(*keys: Key, pam: Proved | None = frozenset({PASSWORD}), uid: int = 1000, **more: object) -> Login:
    who = Account("anna", uid, "/home/anna", password=str(more.pop("password", SET)))
    return Login(who, keys, lambda _blank: [] if pam is None else [pam])._replace(**more)  # type: ignore[arg-type]


def shown(settings: dict[str, list[str]], one: Login) -> set[Proved]:
    return {way.proved for way in ways(settings, one)}


def test_each_method_is_a_way_of_its_own() -> None:
    assert shown(said(), login(SOFT)) == {frozenset({KEY}), frozenset({PASSWORD})}
    assert shown(said(passwordauthentication="no"), login(SOFT)) == {frozenset({KEY})}
    assert shown(said(pubkeyauthentication="no"), login(SOFT)) == {frozenset({PASSWORD})}
    asks = said(passwordauthentication="no", kbdinteractiveauthentication="yes")
    assert shown(asks, login(pam=frozenset({PASSWORD, CODE}))) == {frozenset({PASSWORD, CODE})}
    older = said(passwordauthentication="no", challengeresponseauthentication="yes")
    assert shown(older, login()) == {frozenset({PASSWORD})}
    assert shown({**asks, "usepam": ["no"]}, login()) == set()


def test_methods_that_are_wanted_together_are_one_way() -> None:
    together = said(kbdinteractiveauthentication="yes", authenticationmethods=BOTH)
    assert shown(together, login(SOFT, pam=frozenset({CODE}))) == {frozenset({KEY, CODE})}
    # Nothing can be shown to PAM, and there is no key.
    assert shown(together, login(SOFT, pam=None)) == set()
    assert shown(together, login(pam=frozenset({CODE}))) == set()
    either = said(kbdinteractiveauthentication="yes", authenticationmethods=f"{BOTH} publickey,password")
    assert shown(either, login(SOFT, pam=frozenset({CODE}))) == {frozenset({KEY, CODE})}
    # A method that is off is none.
    assert shown(said(authenticationmethods=BOTH), login(SOFT)) == set()


def test_two_keys_are_wanted_of_who_has_two() -> None:
    twice = said(authenticationmethods="publickey,publickey")
    assert shown(twice, login(SOFT)) == set()
    assert frozenset({KEY, HARDWARE}) in shown(twice, login(SOFT, HARD))


@pytest.mark.parametrize(
    ("key", "options", "proved"),
    [
        (HARD, "none", {HARDWARE}),
        (HARD, "verify-required", {HARDWARE, PIN}),
        (HARD._replace(pin=True), "none", {HARDWARE, PIN}),
        (HARD._replace(touch=False), "none", {UNTOUCHED}),
        (HARD._replace(touch=False), "touch-required", {HARDWARE}),
        (HARD._replace(touch=False), "touch-required,verify-required", {HARDWARE, PIN}),
        (SOFT._replace(pin=True), "verify-required", {KEY}),
    ],
)
def test_a_fido2_key_is_told_with_what_it_asks(key: Key, options: str, proved: set[str]) -> None:
    settings = said(passwordauthentication="no", pubkeyauthoptions=options)
    assert shown(settings, login(key)) == {frozenset(proved)}


def test_a_key_of_a_type_that_is_not_taken_is_no_way() -> None:
    settings = said(passwordauthentication="no", pubkeyacceptedalgorithms="sk-ssh-ed25519@openssh.com")
    assert shown(settings, login(SOFT, HARD)) == {frozenset({HARDWARE})}


def test_what_else_lets_keys_in_is_something_that_nobody_knows() -> None:
    settings = said(passwordauthentication="no", authorizedkeyscommand="/usr/bin/sss_ssh_authorizedkeys")
    assert shown(settings, login()) == {frozenset({UNKNOWN + "keys of AuthorizedKeysCommand"})}
    settings = said(passwordauthentication="no", trustedusercakeys="/etc/ssh/ca.pub")
    assert shown(settings, login()) == {frozenset({UNKNOWN + "certificates of TrustedUserCAKeys"})}
    signs = SOFT._replace(authority=True)
    taken = said(passwordauthentication="no", pubkeyacceptedalgorithms="ssh-ed25519-cert-v01@openssh.com")
    assert shown(taken, login(signs)) == {frozenset({UNKNOWN + "certificates of a cert-authority"})}


@pytest.mark.parametrize(
    ("root", "found"),
    [
        ("yes", {frozenset({KEY}), frozenset({PASSWORD})}),
        ("prohibit-password", {frozenset({KEY})}),
        ("forced-commands-only", set()),
        ("no", set()),
    ],
)
def test_root_gets_in_as_far_as_it_may(root: str, found: set[Proved]) -> None:
    assert shown(said(permitrootlogin=root), login(SOFT, uid=0)) == found


def test_root_with_a_key_for_one_command_alone() -> None:
    found = ways(said(permitrootlogin="forced-commands-only"), login(SOFT._replace(command=True), uid=0))
    assert found == [Way(frozenset({KEY}), (), frozenset({COMMAND}))]


def test_root_that_may_not_ask_pam_can_show_no_code() -> None:
    settings = said(kbdinteractiveauthentication="yes", authenticationmethods=BOTH)
    assert shown(settings, login(SOFT, pam=frozenset({CODE}), uid=0)) == set()


def test_a_ticket_and_a_trusted_host_are_ways_where_they_are_taken() -> None:
    settings = said(passwordauthentication="no", gssapiauthentication="yes", hostbasedauthentication="yes")
    assert shown(settings, login(keytab=True)) == {frozenset({TICKET}), frozenset({HOST})}
    assert shown(settings, login()) == {frozenset({HOST})}


def test_without_pam_a_locked_account_is_shut_and_a_password_is_one() -> None:
    settings = said(usepam="no")
    assert shown(settings, login(SOFT, locked=True, password=NONE)) == set()
    assert shown(settings, login(password=SET)) == {frozenset({PASSWORD})}
    assert shown(settings, login(password=NONE)) == set()
    assert shown(settings, login(password=EMPTY)) == set()
    assert shown(said(usepam="no", permitemptypasswords="yes"), login(password=EMPTY)) == {frozenset()}
    assert shown(said(), login(SOFT, locked=True, password=NONE, pam=None)) == {frozenset({KEY})}


@pytest.mark.parametrize(
    ("changed", "in_"),
    [
        ({"allowusers": ["bert"]}, False),
        ({"allowusers": ["bert", "an*"]}, True),
        ({"denyusers": ["anna"]}, False),
        ({"denyusers": ["anna@192.0.2.1"]}, True),
        ({"allowgroups": ["staff"]}, False),
        ({"allowgroups": ["ops"]}, True),
        ({"denygroups": ["o?s"]}, False),
    ],
)
def test_who_may_log_in_at_all(changed: dict[str, list[str]], in_: bool) -> None:
    assert bool(ways(said(**changed), login(SOFT, groups=frozenset({"ops"})))) is in_


def test_from_where_is_told_of_users_and_of_keys() -> None:
    one = login(SOFT._replace(origins=("10.0.0.0/8",)), pam=None)
    (way,) = ways(said(allowusers=["anna@192.0.2.*"]), one)
    assert way.origins == (("192.0.2.*",), ("10.0.0.0/8",))
    (way,) = ways(said(allowusers=["anna@192.0.2.*", "anna"]), one)
    assert way.origins == (("10.0.0.0/8",),)


def test_without_a_shell_there_are_tunnels_and_files_where_they_are_let() -> None:
    (way,) = ways(said(), login(shell=NO_SHELL))
    assert way.limits == {NO_SHELL}
    closed = said(disableforwarding="yes")
    assert ways(closed, login(shell=NO_SHELL)) == []
    assert ways({**closed, "subsystem": ["sftp internal-sftp"]}, login(shell=NO_SHELL)) != []
    none = said(allowtcpforwarding="no", allowstreamlocalforwarding="no")
    assert ways(none, login(shell=NO_SHELL)) == []
    assert ways(said(), login(shell="")) == []


def test_a_command_that_is_forced_is_a_limit() -> None:
    (way,) = ways(said(forcecommand="/usr/bin/backup"), login())
    assert way.limits == {COMMAND}


WORDS = st.sampled_from(["yes", "no"])
SETTINGS = st.fixed_dictionaries(
    {name: WORDS.map(lambda word: [word]) for name in ("pubkeyauthentication", "passwordauthentication")}
    | {
        "kbdinteractiveauthentication": WORDS.map(lambda word: [word]),
        "usepam": WORDS.map(lambda word: [word]),
        "authenticationmethods": st.sampled_from([["any"], [BOTH], ["publickey"], [f"{BOTH} password"]]),
    }
)
KEYS = st.lists(st.sampled_from([SOFT, HARD, HARD._replace(touch=False), SOFT._replace(origins=("192.0.2.1",))]))
PROOFS = st.sets(st.frozensets(st.sampled_from([PASSWORD, CODE])), max_size=3)


@given(SETTINGS, KEYS, PROOFS, st.sampled_from([SOFT, HARD]))
def test_one_more_key_takes_no_way_away(
    settings: dict[str, list[str]], keys: list[Key], pam: set[Proved], more: Key
) -> None:
    one = login(*keys)._replace(pam=lambda _blank: pam)
    before = set(ways({**DEFAULTS, **settings}, one))
    assert before <= set(ways({**DEFAULTS, **settings}, one._replace(keys=[*keys, more])))


@given(SETTINGS, KEYS, PROOFS)
def test_no_way_shows_what_nobody_has(settings: dict[str, list[str]], keys: list[Key], pam: set[Proved]) -> None:
    one = login(*keys, password=NONE)._replace(pam=lambda _blank: pam)
    can = {HARDWARE, UNTOUCHED, KEY} & {
        word for key in keys for word in ([KEY] if not key.hardware else [HARDWARE, UNTOUCHED])
    }
    can |= {word for proof in pam for word in proof}
    assert all(way.proved <= can for way in ways({**DEFAULTS, **settings}, one))
