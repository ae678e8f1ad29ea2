# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who can become root on this host: user id 0, the groups that grant it, and every sudo rule that allows ALL commands.

Nothing is executed to find out, and no password hash is read. Accounts of a directory (LDAP, Active Directory) are
named as the rule names them; who is in such a group is not known to the host's files.
"""

from __future__ import annotations

import re

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host

_GROUPS = ("sudo", "wheel", "admin")
_SUDOERS = "/etc/sudoers"
_DEEPEST_INCLUDE = 16
_INCLUDE = re.compile(r"^[#@](include|includedir)\s+(.+?)\s*$")
_ALIAS = re.compile(r"^(User_Alias|Runas_Alias|Host_Alias|Cmnd_Alias|Cmd_Alias)\s+(.*)$")
# NOPASSWD: and the like; an option such as TIMEOUT=5.
_TAGS = re.compile(r"^(?:(?:[A-Z_]+:|[A-Z]+=\S+)\s*)+")
_SPACE = "\0"


def parse_passwd(text: str) -> dict[str, tuple[int, int]]:
    """User name to (user id, group id)."""
    found = {}
    for line in text.splitlines():
        words = line.split(":")
        if len(words) >= 4 and words[2].isdigit() and words[3].isdigit():
            found[words[0]] = (int(words[2]), int(words[3]))
    return found


def parse_group(text: str) -> dict[str, tuple[int, list[str]]]:
    """Group name to (group id, members)."""
    found = {}
    for line in text.splitlines():
        words = line.split(":")
        if len(words) >= 4 and words[2].isdigit():
            found[words[0]] = (int(words[2]), [name for name in words[3].split(",") if name])
    return found


def logical_lines(text: str) -> list[str]:
    """sudoers(5): a backslash continues a line; # begins a comment, except #include and #1000 (a user id)."""
    found = []
    for line in re.sub(r"\\\n", " ", text).splitlines():
        bare = line.strip()
        found.append(bare if _INCLUDE.match(bare) else re.sub(r"(^|\s)#(?!\d).*$", "", bare).strip())
    return [line for line in found if line]


def parse_sudoers(text: str) -> tuple[list[str], list[tuple[str, str]], dict[str, dict[str, list[str]]]]:
    """One file: who may run ALL commands on this host's rules, the includes in it, and its aliases."""
    rules, includes, aliases = [], [], {}  # type: ignore[var-annotated]
    for line in logical_lines(text):
        include, alias = included(line), _ALIAS.match(line)
        if include[0]:
            includes.append(include)
        elif alias:
            table = aliases.setdefault(alias.group(1).replace("Cmd_", "Cmnd_"), {})
            for definition in alias.group(2).split(":"):
                name, _equals, members = definition.partition("=")
                table[name.strip()] = _list(members)
        elif not line.startswith("Defaults") and "=" in line:
            rules.append(line)
    return rules, includes, aliases


def included(line: str) -> tuple[str, str]:
    """Of a line that includes something "include" or "includedir", and what; of any other line nothing."""
    found = _INCLUDE.match(line)
    return (found.group(1), found.group(2).strip('"')) if found else ("", "")


def _list(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def grants(rule: str, aliases: dict[str, dict[str, list[str]]]) -> list[str]:
    """The users and %groups that one rule lets run ALL commands as root; empty for a narrower rule."""
    for part in _specs(rule.partition("=")[2]):
        runas = re.match(r"\s*\(([^):]*)", part)
        as_root = (
            runas is None or bool({"ALL", "root", "#0"} & set(_list(runas.group(1)))) or not runas.group(1).strip()
        )
        if as_root and _allows_all(part, aliases.get("Cmnd_Alias", {})):
            return named(rule, aliases)
    return []


def named(rule: str, aliases: dict[str, dict[str, list[str]]]) -> list[str]:
    """The users and %groups that a rule is for."""
    # Names of a directory have spaces in them, as "\ " or in quotes.
    left = rule.partition("=")[0].replace("\\ ", _SPACE)
    left = re.sub(r'"([^"]*)"', lambda match: match.group(1).replace(" ", _SPACE), left)
    words = re.sub(r"\s*,\s*", ",", left.strip()).rsplit(None, 1)
    names = [one.replace(_SPACE, " ") for one in _list(words[0])]
    return [name for one in names for name in expand(one, aliases.get("User_Alias", {}))]


def _specs(text: str) -> list[str]:
    """ "(a) X : web1=(b) Y" holds two lists of commands, each after its own hosts."""
    first, *others = text.split(" : ")
    return [first, *(other.partition("=")[2] for other in others)]


def _allows_all(commands: str, aliases: dict[str, list[str]]) -> bool:
    for command in _list(re.sub(r"\([^)]*\)", "", commands)):
        if "ALL" in expand(_TAGS.sub("", command), aliases):
            return True
    return False


def expand(name: str, aliases: dict[str, list[str]], depth: int = 0) -> list[str]:
    """What a name stands for, aliases in aliases looked into."""
    if name not in aliases or depth > _DEEPEST_INCLUDE:
        return [name]
    return [one for member in aliases[name] for one in expand(member, aliases, depth + 1)]


def administrators(
    users: dict[str, tuple[int, int]], groups: dict[str, tuple[int, list[str]]], granted: list[tuple[str, str]]
) -> list[dict]:
    """granted is (name or %group, the file whose rule grants it). Every way that a user has is named."""
    ways: dict[str, set[str]] = {}
    for name, (number, _group) in users.items():
        if number == 0:
            ways.setdefault(name, set()).add("user id 0")
    for group in _GROUPS:
        for name in members(group, users, groups):
            ways.setdefault(name, set()).add("group %s" % group)
    for who, source in granted:
        names = members(who[1:], users, groups) if who.startswith("%") else _named(who, users)
        for name in names or ([who] if not (who.startswith("%") and who[1:] in groups) else []):
            ways.setdefault(name, set()).add("%s: %s" % (source, who))
    rows = [{"name": name, "uid": users.get(name, (None, None))[0], "via": sorted(via)} for name, via in ways.items()]
    return sorted(rows, key=lambda row: row["name"])


def _named(who: str, users: dict[str, tuple[int, int]]) -> list[str]:
    if who == "ALL":
        return sorted(users)
    if who.startswith("#") and who[1:].isdigit():
        return sorted(name for name, (number, _group) in users.items() if number == int(who[1:]))
    return [who] if who in users else []


def members(group: str, users: dict[str, tuple[int, int]], groups: dict[str, tuple[int, list[str]]]) -> list[str]:
    """The named members of a group and the users whose own group it is. %#27 names a group by its number."""
    if group.startswith("#"):
        group = next((name for name, (number, _names) in groups.items() if str(number) == group[1:]), group)
    if group not in groups:
        return []
    number, names = groups[group]
    return sorted(set(names) | {name for name, (_uid, own) in users.items() if own == number})


def collect(host: Host) -> list[dict]:
    users = parse_passwd(host.text("/etc/passwd"))
    groups = parse_group(host.text("/etc/group"))
    return administrators(users, groups, _granted(host))


def _granted(host: Host) -> list[tuple[str, str]]:
    rules: list[tuple[str, str]] = []
    aliases: dict[str, dict[str, list[str]]] = {}
    seen: set[str] = set()
    waiting = [_SUDOERS] if host.exists(_SUDOERS) else []
    while waiting:
        name = waiting.pop(0)
        if name in seen or len(seen) > 500:
            continue
        seen.add(name)
        try:
            found, includes, more = parse_sudoers(host.text(name))
        except OSError:
            host.unknown("administrators", "%s can be read by root only" % name)
            continue
        rules += [(rule, name) for rule in found]
        for kind, table in more.items():
            aliases.setdefault(kind, {}).update(table)
        for kind, place in includes:
            full = place if place.startswith("/") else "/etc/" + place
            waiting += [full] if kind == "include" else _included(host, full)
    return [(who, name) for rule, name in rules for who in grants(rule, aliases)]


def _included(host: Host, place: str) -> list[str]:
    """sudo reads no file with a dot in its name or a tilde at its end."""
    if host.exists(place) and not host.names(place) and not host.privileged:
        host.unknown("administrators", "%s can be read by root only" % place)
    return ["%s/%s" % (place.rstrip("/"), one) for one in host.names(place) if "." not in one and not one.endswith("~")]
