# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the packet filter lets in: the kernel's own rules, as `nft -j list ruleset` tells them, whoever wrote them.

A packet passes when every chain at the hook lets it, for IPv4 and for IPv6; so what all of them let in is told. Rules
that are understood in part are told with what they ask, and never as narrower than they are. Changes no rule.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

from ansible_collections.msp.ops.plugins.module_utils.standards import firewall_entries as entries
from ansible_collections.msp.ops.plugins.module_utils.standards import open_ports, services
from ansible_collections.msp.ops.plugins.module_utils.standards.firewall_entries import Entry
from ansible_collections.msp.ops.plugins.module_utils.standards.reader import Absent, Reader, Unmeasurable

_COMMAND = ("nft", "-j", "list", "ruleset")
ACCEPT, DROP, NONE = "accept", "drop", "none"
# The table that the role msp_baseline_linux writes.
OURS = ("inet", "msp")
_FAMILIES = {4: ("ip", "inet"), 6: ("ip6", "inet")}
_DEEPEST_JUMP = 16
_MOST_PATHS = 20000
# By the number that the kernel has for them, where the name of the protocol is not known to nft.
_ICMP = {"icmp": "icmp", "icmpv6": "icmpv6", "ipv6-icmp": "icmpv6", "1": "icmp", "58": "icmpv6"}
_PORTED = frozenset(("tcp", "udp", "sctp", "dccp", "udplite"))
_PASSING = frozenset(("established", "related"))
# What another rule of the filter has sent here: firewalld lets it in whether or not there is such a rule.
_REDIRECTED = "that was redirected"
# Statements that decide nothing about a packet, or only how many of a kind pass.
_SILENT = frozenset(("counter", "log", "comment", "notrack", "flow", "set", "map", "mangle", "ct helper", "last"))
_SILENT = _SILENT | frozenset(("limit", "quota", "ct count"))


class Passed(NamedTuple):
    """What one base chain does: what it lets in, and what happens to the rest."""

    entries: tuple[Entry, ...]
    rest: str


class Ruleset:
    """The chains, rules and named sets of what nft printed, without tables that are asleep."""

    def __init__(self, rows: list[dict]) -> None:
        asleep = {_table(row["table"]) for row in rows if "table" in row and _is_dormant(row["table"])}
        self.tables = [_table(row["table"]) for row in rows if "table" in row and not _is_dormant(row["table"])]
        self.bases: list[dict] = []
        self.rules: dict[tuple[str, str, str], list[list]] = {}
        self.sets: dict[tuple[str, str, str], list] = {}
        self.redirects = False
        for row in rows:
            for what, body in row.items():
                if what == "table" or not isinstance(body, dict) or _owner(body) in asleep:
                    continue
                if what == "chain":
                    self.rules.setdefault((*_owner(body), body["name"]), [])
                    if body.get("type") == "filter":
                        self.bases.append(body)
                elif what == "rule":
                    self.redirects = self.redirects or _redirects(body.get("expr", []))
                    self.rules.setdefault((*_owner(body), body["chain"]), []).append(body.get("expr", []))
                elif what in ("set", "map"):
                    self.sets[(*_owner(body), body["name"])] = body.get("elem", [])

    def at(self, hook: str, version: int) -> list[Passed]:
        return [
            passed(self, chain)
            for chain in self.bases
            if chain.get("hook") == hook and chain["family"] in _FAMILIES[version]
        ]


def _table(row: dict) -> tuple[str, str]:
    return row["family"], row["name"]


def _owner(row: dict) -> tuple[str, str]:
    return row.get("family", ""), row.get("table", "")


def _is_dormant(row: dict) -> bool:
    flags = row.get("flags") or []
    return "dormant" in ([flags] if isinstance(flags, str) else flags)


def _redirects(rule: list) -> bool:
    return any(name in statement for statement in rule for name in ("dnat", "redirect", "xt"))


# -- one chain -----------------------------------------------------------------------------------------------------


def passed(rules: Ruleset, chain: dict) -> Passed:
    walk = _Walk(rules, (chain["family"], chain["table"]))
    ended = walk.through(chain["name"], Entry(), 0)
    return Passed(tuple(walk.entries), ended or chain.get("policy", ACCEPT))


class _Walk:
    """All the ways from the top of a base chain to a verdict "accept"."""

    def __init__(self, rules: Ruleset, table: tuple[str, str]) -> None:
        self.rules = rules
        self.table = table
        self.entries: list[Entry] = []
        self.steps = 0

    def through(self, chain: str, so_far: Entry, depth: int) -> str | None:
        """Go through a chain. What it ends everything with that gets here, or None: the rest goes on behind it."""
        if depth > _DEEPEST_JUMP:
            raise Unmeasurable("the chains of the packet filter jump too deep")
        for rule in self.rules.rules.get((*self.table, chain), []):
            self.steps += 1
            if self.steps > _MOST_PATHS:
                raise Unmeasurable("the packet filter has more than %d ways through its rules" % _MOST_PATHS)
            condition, verdicts = self._read(rule, so_far)
            for more, verdict, target in verdicts:
                here = _narrowed(condition, more)
                ended = self._decide(here, verdict, target, depth)
                # Everything that got to this rule is decided by it: what stands behind it decides nothing any more.
                if ended and here == so_far:
                    return None if ended == "return" else ended
        return None

    def _decide(self, here: Entry, verdict: str, target: str, depth: int) -> str | None:
        if verdict == ACCEPT:
            self.entries.append(here)
            return ACCEPT
        if verdict in (DROP, "reject"):
            return DROP
        if verdict == "return":
            return "return"
        if verdict in ("jump", "goto"):
            ended = self.through(target, here, depth + 1)
            # Behind a goto the rest of the calling chain is never seen again.
            return ended or ("return" if verdict == "goto" else None)
        return None

    def _read(self, rule: list, so_far: Entry) -> tuple[Entry, list[tuple[Entry, str, str]]]:
        """What a rule asks, and its verdicts, each with what it asks besides (a verdict map has many)."""
        here, verdicts = so_far, []
        for statement in rule:
            if not isinstance(statement, dict) or len(statement) != 1:
                raise Unmeasurable("a rule of the packet filter is in a form that is not known: %.100r" % (statement,))
            ((name, body),) = statement.items()
            if name == "match":
                here = _narrowed(here, self._match(body))
            elif name in (ACCEPT, DROP, "reject", "return"):
                verdicts.append((Entry(), name, ""))
            elif name in ("jump", "goto"):
                verdicts.append((Entry(), name, body["target"]))
            elif name == "vmap":
                verdicts += self._map(body)
            elif name == "queue":
                # A program decides: nobody can tell what it lets in.
                verdicts.append((Entry(asks=("as a program decides",)), ACCEPT, ""))
            elif name not in _SILENT:
                # xt (a match that only iptables knows) and others: which packets is not known.
                here = _narrowed(here, Entry(asks=("with %s" % name,)))
        return here, verdicts

    def _map(self, body: dict) -> list[tuple[Entry, str, str]]:
        found = []
        data = body.get("data")
        for pair in self._values(data):
            if not isinstance(pair, list) or len(pair) != 2:
                raise Unmeasurable("a verdict map of the packet filter is in a form that is not known")
            value, verdict = pair
            asked = self._match({"op": "==", "left": body.get("key"), "right": _bare(value)})
            ((name, target),) = verdict.items() if isinstance(verdict, dict) else ((verdict, None),)
            found.append((asked, name, target["target"] if isinstance(target, dict) else ""))
        return found

    def _values(self, right: Any) -> list:
        """The right side of a match as a list; a named set is looked up."""
        if isinstance(right, str) and right.startswith("@"):
            name = (*self.table, right[1:])
            if name not in self.rules.sets:
                raise Unmeasurable("the packet filter has no set %s" % right)
            right = {"set": self.rules.sets[name]}
        if isinstance(right, dict) and "set" in right:
            inner = right["set"]
            return [_bare(one) for one in (inner if isinstance(inner, list) else [inner])]
        return [_bare(one) for one in right] if isinstance(right, list) else [_bare(right)]

    def _match(self, body: dict) -> Entry:
        left, operator = body.get("left"), body.get("op", "==")
        values = tuple(_text(one) for one in self._values(body.get("right")))
        if operator not in ("==", "in"):
            return Entry(asks=("where %s %s %s" % (_text(left), operator, "/".join(values)),))
        if isinstance(left, dict):
            for kind, read in _READ.items():
                about = left.get(kind)
                found = read(about, values) if isinstance(about, dict) else None
                if found is not None:
                    return found
        return Entry(asks=("where %s is %s" % (_text(left), "/".join(values)),))


def _of_meta(about: dict, values: tuple[str, ...]) -> Entry | None:
    key = about.get("key")
    if key in ("iif", "iifname"):
        return Entry(loopback=True) if values == ("lo",) else Entry(asks=("on %s" % "/".join(values),))
    if key == "l4proto":
        return Entry(protocols=tuple(_protocol(value) for value in values))
    return Entry(asks=("over %s" % "/".join(values),)) if key in ("nfproto", "protocol") else None


def _of_connection(about: dict, values: tuple[str, ...]) -> Entry | None:
    if about.get("key") == "state":
        return Entry(states=values)
    return Entry(asks=(_REDIRECTED,)) if about.get("key") == "status" and values == ("dnat",) else None


def _of_payload(about: dict, values: tuple[str, ...]) -> Entry | None:
    protocol, field = about.get("protocol"), about.get("field", "")
    if field == "dport":
        return Entry(protocols=() if protocol == "th" else (str(protocol),), ports=values)
    if field in ("protocol", "nexthdr") and protocol in ("ip", "ip6"):
        return Entry(protocols=tuple(_protocol(value) for value in values))
    if protocol in _ICMP:
        return Entry(protocols=(_ICMP[protocol],))
    if field in ("saddr", "daddr"):
        return Entry(asks=("%s %s" % ("from" if field == "saddr" else "to", "/".join(values)),))
    if protocol in _PORTED:
        return Entry(protocols=(protocol,), asks=("where %s %s is %s" % (protocol, field, "/".join(values)),))
    return None


def _protocol(value: str) -> str:
    return _ICMP.get(value) or open_ports.protocol_name(value)


# What a match asks of, by what nft calls it.
_READ = {"payload": _of_payload, "meta": _of_meta, "ct": _of_connection}


def _narrowed(one: Entry, more: Entry) -> Entry:
    """Both must hold. Of two lists of the same kind in one rule the later one is taken as the narrower."""
    return Entry(
        more.protocols or one.protocols,
        more.ports or one.ports,
        one.asks + tuple(ask for ask in more.asks if ask not in one.asks),
        more.states or one.states,
        one.loopback or more.loopback,
    )


def _bare(value: Any) -> Any:
    """An element of a set may come with its time or comment around it."""
    return value["elem"].get("val") if isinstance(value, dict) and isinstance(value.get("elem"), dict) else value


def _text(value: Any) -> str:
    """A value of a rule in a few words."""
    if isinstance(value, dict) and "range" in value:
        return "-".join(_text(one) for one in value["range"])
    if isinstance(value, dict) and "prefix" in value:
        return "%s/%s" % (value["prefix"].get("addr"), value["prefix"].get("len"))
    if isinstance(value, dict) and "concat" in value:
        return " . ".join(_text(one) for one in value["concat"])
    if isinstance(value, dict):
        return " ".join(_text(one) for pair in value.items() for one in pair)
    if isinstance(value, list):
        return ",".join(_text(one) for one in value)
    return str(value)


# -- the whole -----------------------------------------------------------------------------------------------------


def told(entries: list[Entry]) -> list[str]:
    """ "tcp/22", "udp/546 from fe80::/10", "any" for everything; without what another one lets in anyway."""
    found = {(name, entry.asks) for entry in entries for name in _names(entry)}
    # Whichever of "from" and "on" a rule asks first, it asks the same.
    return sorted({" ".join((name, *sorted(asks))) for name, asks in found if not _is_narrower(name, asks, found)})


def _names(entry: Entry) -> list[str]:
    protocols = entry.protocols or (("tcp", "udp") if entry.ports else ("any",))
    return [protocol + ("/" + port if port else "") for protocol in protocols for port in entry.ports or ("",)]


def _is_narrower(name: str, asks: tuple[str, ...], found: set[tuple[str, tuple[str, ...]]]) -> bool:
    return any(name == other and set(fewer) < set(asks) for other, fewer in found)


def _is_icmp(entry: Entry) -> bool:
    return bool(entry.protocols) and all(one in _ICMP for one in entry.protocols)


def _goes_on(entry: Entry) -> bool:
    """Only for what this host began, or what belongs to it."""
    return bool(entry.states) and set(entry.states) <= _PASSING


def weakest(chains: list[Passed]) -> str:
    """What happens to a packet that no rule names: any chain that drops it is enough."""
    if not chains:
        return NONE
    return DROP if any(chain.rest == DROP for chain in chains) else ACCEPT


def _is_dhcpv6(entry: Entry) -> bool:
    """By which the host gets its IPv6 address, from its own network only: every firewall lets that in."""
    local = any(" fe80::" in ask for ask in entry.asks)
    return local and entry.protocols == ("udp",) and entry.ports == (str(open_ports.DHCPV6),)


def _strict(chains: list[Passed]) -> list[Passed]:
    """Only a chain that drops the rest says what gets in; the others let it pass whatever they name."""
    return [chain for chain in chains if chain.rest == DROP]


def gets_in(rules: Ruleset, versions: tuple[int, ...]) -> list[Entry]:
    """What every chain lets in that drops anything, but for answers and for what the host says to itself."""
    found: list[Entry] = []
    for version in versions:
        chains = rules.at("input", version)
        strict = [list(chain.entries) for chain in _strict(chains)]
        found += entries.in_all(strict, version) if strict else [one for chain in chains for one in chain.entries]
    return _plain(rules, found)


def _plain(rules: Ruleset, found: Iterable[Entry]) -> list[Entry]:
    plain = [one for one in found if not one.loopback and not _goes_on(one)]
    return plain if rules.redirects else [one for one in plain if _REDIRECTED not in one.asks]


def own_policy(rules: Ruleset, hook: str) -> str:
    """What our own table does with the rest at a hook."""
    found = [passed(rules, one).rest for one in rules.bases if one.get("hook") == hook and _owner(one) == OURS]
    return weakest([Passed((), rest) for rest in found])


def forwarding(rules: Ruleset) -> list[str]:
    """The tables of others that have something passed on: by a rule, or with all the rest behind one."""
    others = [one for one in rules.bases if one.get("hook") == "forward" and _owner(one) != OURS]
    return sorted({"%s %s" % _owner(one) for one in others if _passes_on(rules, one)})


def _passes_on(rules: Ruleset, chain: dict) -> bool:
    """A chain without a rule says nothing; neither does one that only lets answers and ICMP through."""
    found = passed(rules, chain)
    if found.rest == ACCEPT:
        return bool(rules.rules.get((*_owner(chain), chain["name"])))
    return bool([one for one in _plain(rules, found.entries) if not _is_icmp(one)])


def summary(rows: list[dict], versions: tuple[int, ...] = (4, 6)) -> dict:
    """versions are those of IP that this host speaks: what is not spoken needs no rule."""
    rules = Ruleset(rows)
    policies: dict[str, str] = {}
    for hook in ("input", "forward"):
        found = [weakest(rules.at(hook, version)) for version in versions]
        policies[hook] = next((one for one in (NONE, ACCEPT) if one in found), DROP)
    goes_on, loopback = True, True
    for version in versions:
        strict = _strict(rules.at("input", version))
        goes_on = goes_on and all(any(_goes_on(one) for one in chain.entries) for chain in strict)
        loopback = loopback and all(any(one.loopback for one in chain.entries) for chain in strict)
    plain = gets_in(rules, versions)
    return {
        "tables": len(rules.tables),
        "input_policy": policies["input"],
        "forward_policy": policies["forward"],
        "own_forward_policy": own_policy(rules, "forward"),
        "forwarding": forwarding(rules),
        "accepts": told([one for one in plain if not _is_icmp(one) and not _is_dhcpv6(one)]),
        "icmp": told([one for one in plain if _is_icmp(one)]),
        "established": goes_on,
        "loopback": loopback,
    }


def prepare(reader: Reader) -> None:
    reader.host.prepare(*_COMMAND)


def measure(reader: Reader) -> dict:
    if not reader.host.program("nft"):
        raise Absent("nft is not on this host")
    return summary(reader.once(_rows), _versions(reader))


def _rows(reader: Reader) -> list[dict]:
    try:
        rows: list[dict] = json.loads(reader.answer(*_COMMAND).out)["nftables"]
    except (ValueError, KeyError, TypeError) as error:
        raise Unmeasurable("nft printed what is no list of rules: %s" % error) from error
    return rows


def _versions(reader: Reader) -> tuple[int, ...]:
    # A kernel without IPv6 has no such file.
    return (4, 6) if reader.host.exists("/proc/net/if_inet6") else (4,)


# -- what a firewall would close -----------------------------------------------------------------------------------

# By which a host gets its addresses: it asks first, or ours lets it in.
_ADDRESSES = (("udp", 68), ("udp", open_ports.DHCPV6))


def unlisted(reader: Reader, ports: tuple[str, ...], closed: tuple[str, ...]) -> dict:
    """What programs wait for that the network reaches today, and that nobody agreed to let in or to close."""
    said = [_agreed(text) for text in (*ports, *closed)]
    reach = _reach(reader)
    used = {
        "%s/%d (%s)" % (protocol, port, process or "?")
        for protocol, port, process in services.reachable(reader)
        if (protocol, port) not in _ADDRESSES
        and not any(one.covers(protocol, port) for one in said)
        and (reach is None or any(entries.covers(one, protocol, port) for one in reach))
    }
    return {"used": sorted(used)}


def _agreed(text: str) -> open_ports.Open:
    try:
        return open_ports.read(text)
    except ValueError as error:
        raise Unmeasurable("%s is to be %s" % (text, error)) from error


def _reach(reader: Reader) -> list[Entry] | None:
    """What gets in today; None where nothing is refused."""
    if not reader.host.program("nft"):
        return None
    rules, versions = Ruleset(reader.once(_rows)), _versions(reader)
    if any(weakest(rules.at("input", version)) != DROP for version in versions):
        return None
    return gets_in(rules, versions)
