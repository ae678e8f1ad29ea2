# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who can log in where with what, in words: a page and plain text for a mail, of the same lines. Pure.

This file decides what is said; report/standing_page.py has the page and its parts.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import reduce

from ansible_collections.msp.ops.plugins.module_utils.standards import access_words
from ansible_collections.msp.ops.plugins.plugin_utils.access import entra_judging, judging, report
from ansible_collections.msp.ops.plugins.plugin_utils.access.entra_judging import Person
from ansible_collections.msp.ops.plugins.plugin_utils.access.judging import Judged, Verdict
from ansible_collections.msp.ops.plugins.plugin_utils.access.model import (
    AUTOMATION,
    BREAK_GLASS,
    CONSOLE,
    NETWORK,
    PERSON,
    SERVICE,
    Sudo,
    Way,
)
from ansible_collections.msp.ops.plugins.plugin_utils.access.report import Look, OfCloud, OfHost, OfPerson, Report
from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Customer
from ansible_collections.msp.ops.plugins.plugin_utils.report import standing_page
from ansible_collections.msp.ops.plugins.plugin_utils.report.formats import Formats
from ansible_collections.msp.ops.plugins.plugin_utils.report.i18n import Words
from ansible_collections.msp.ops.plugins.plugin_utils.report.plaintext import shown
from ansible_collections.msp.ops.plugins.plugin_utils.report.standing_page import (
    MOST_ROWS,
    Row,
    Section,
    Tile,
    Told,
    left_out,
    some,
)
from ansible_collections.msp.ops.plugins.plugin_utils.verification.verification import language, zone

# A colour of style.css for each; the words say the same.
STANDING_TONE = {
    report.PASSWORD: "bad",
    report.SINGLE: "warn",
    report.UNKNOWN: "info",
    report.TWO: "good",
    report.LOCAL: "quiet",
}
STATE_TONE = {
    judging.IMPOSSIBLE: "warn",
    judging.POSSIBLE: "warn",
    judging.UNKNOWN: "info",
    judging.REQUIRED: "good",
    judging.CLOSED: "quiet",
}
CLOUD_TONE = {
    entra_judging.MISSING: "bad",
    entra_judging.REGISTERED: "warn",
    entra_judging.TO_ENROL: "warn",
    entra_judging.PARTLY: "warn",
    entra_judging.UNKNOWN: "info",
    entra_judging.ENFORCED: "good",
}
SECTIONS = ASSETS, ENROL, CLOUD, GUESTS, EMERGENCY, OTHERS, DARK = (
    *("assets", "enrol", "cloud", "guests", "emergency", "others", "dark"),
)
MOST_WAYS = 6  # of one account; the data file has all
MOST_RULES = 3
_ORDER = (judging.TRUSTED, judging.PASSWORD, judging.KEY, judging.UNTOUCHED, judging.HARDWARE, judging.PIN)


def told(found: Report, customer: Customer, made_by: str, data: str) -> Told:
    """The customer's standing in words. data is the name of the file that has all of it."""
    f = Formats(language(customer), zone(customer))
    t = Words(f.language)
    seen = [host.look.at for host in found.hosts if host.look.at is not None]
    seen += [found.cloud.look.at] if found.cloud and found.cloud.look.at else []
    return standing_page.told(
        customer,
        f,
        t,
        title=t("acc.title", customer=shown(customer.name)),
        kind=t("acc.kind"),
        span=(min(seen, default=found.now), found.now),
        lead=_lead(found, t),
        points=_points(found, t),
        tiles=(Tile(n, t(f"acc.tile.{name}"), STANDING_TONE[name]) for name, n in found.counts.items()),
        sections=_sections(found, _Say(t, f)),
        made_by=made_by,
        data=data,
        counting=t("acc.counting"),
    )


# In short


def _lead(found: Report, t: Words) -> str:
    people = found.people
    if not found.hosts and found.cloud is None:
        return t("acc.lead.nothing")
    if not people:
        return t("acc.lead.nobody")
    covered = sum(one.standing in (report.TWO, report.LOCAL) for one in people)
    alone = found.counts[report.PASSWORD]
    return (
        f"{t.count('acc.lead', len(people), ok=covered)} {t.count('acc.lead.password', alone) if alone else ''}".strip()
    )


def _points(found: Report, t: Words) -> Iterator[tuple[str, str, str]]:
    """What needs attention: a colour, how many, and who."""
    people = found.people
    for standing in (report.PASSWORD, report.SINGLE, report.UNKNOWN):
        who = [one.name for one in people if one.standing == standing]
        if who:
            yield STANDING_TONE[standing], t.count(f"acc.point.{standing}", len(who)), some(who, t)
    keyboard = [one.name for one in people if one.console in (judging.IMPOSSIBLE, judging.POSSIBLE)]
    if keyboard:
        yield "warn", t.count("acc.point.console", len(keyboard)), some(keyboard, t)
    machines = [one.account.name for _host, one in found.each(AUTOMATION, SERVICE) if loose(one)]
    if machines:
        names = list(dict.fromkeys(machines))
        yield "warn", t.count("acc.point.loose", len(names)), some(names, t)
    yield from _cloud_points(found.cloud, t)
    if found.blind:
        yield "info", t.count("acc.point.blind", len(found.blind)), some([one.look.name for one in found.blind], t)
    lacking = sorted(
        {name for one in found.hosts for name in one.lacking} | set(found.cloud.lacking if found.cloud else ())
    )
    if lacking:
        yield "bad", t.count("acc.point.lacking", len(lacking)), some(lacking, t)
    if found.wrong:
        yield "bad", t.count("acc.point.wrong", len(found.wrong)), some(sorted(found.wrong), t)


def _cloud_points(cloud: OfCloud | None, t: Words) -> Iterator[tuple[str, str, str]]:
    if cloud is None:
        return
    if cloud.look.unknown:
        yield "info", t("acc.point.cloud.blind"), ""
        return
    people = cloud.of(entra_judging.MEMBER)
    for state in entra_judging.STATES:
        who = [one.name for one in people if one.state == state]
        if who and state != entra_judging.ENFORCED:
            yield CLOUD_TONE[state], t.count(f"acc.point.cloud.{_key(state)}", len(who)), some(who, t)


def loose(one: Judged) -> bool:
    """Whether an account that is nobody's comes in over the network from anywhere with one thing, and may do more than
    one command."""
    return any(
        way.place == NETWORK and not way.bounded and not way.limits and not judging.twofold(way)
        for way in one.account.ways
    )


# The sections


@dataclass(frozen=True, slots=True)
class _Say:
    """What every row is made with."""

    t: Words
    f: Formats

    def section(
        self, key: str, labels: tuple[str, ...], rows: Sequence[Row], intro: str | None = None, *, wide: bool = False
    ) -> Section:
        return Section(
            key,
            self.t(f"acc.heading.{key}"),
            self.t(f"acc.intro.{key}") if intro is None else intro,
            labels,
            tuple(rows[:MOST_ROWS]),
            left_out(rows, self.t),
            self.t(f"acc.empty.{key}"),
            wide=wide,
        )

    def looked(self, look: Look) -> tuple[str, ...]:
        at = self.f.moment(look.at) if look.at is not None else self.t("never")
        return (at, self.t(f"acc.unseen.{look.unknown}")) if look.unknown else (at,)

    def way(self, way: Way) -> str:
        """ "key and code, from 192.0.2.1"."""
        t = self.t
        words = proved(way.proved, t)
        by = "" if way.by in ("ssh", "login") else t("acc.way.by", program=shown(way.by))
        parts = [t("acc.way.from", where=shown(", ".join(origins))) for origins in way.origins]
        parts += [t("acc.way.where", where=shown("; ".join(way.where)))] if way.where else []
        parts += [t(f"acc.limit.{_key(limit)}") for limit in way.limits]
        return "; ".join([f"{words} {by}".strip(), *parts])

    def ways(self, one: Judged, place: str) -> tuple[str, ...]:
        verdict = one.network if place == NETWORK else one.console
        every = [way for way in report.weakest_first(one.account.ways) if way.place == place]
        lines = list(dict.fromkeys(self.way(way) for way in every))
        more = [self.t("prep.more", n=len(lines) - MOST_WAYS)] if len(lines) > MOST_WAYS else []
        lines = [*lines[:MOST_WAYS], *more]
        if verdict.state == judging.UNKNOWN:
            lines = [self.t("acc.way.unknown"), *lines]
        return tuple(lines) or (self.t("acc.way.none"),)

    def state(self, verdict: Verdict) -> tuple[str, str]:
        """A chip. A password that is enough is worse than a key that is."""
        tone = "bad" if verdict.password_alone else STATE_TONE[verdict.state]
        return tone, self.t(f"acc.state.{verdict.state}")

    def sudo(self, one: Judged) -> tuple[str, ...]:
        lines = [self.rule(rule) for rule in one.account.sudo]
        if one.account.uid == 0:
            return (self.t("acc.sudo.root"),)
        more = [self.t("prep.more", n=len(lines) - MOST_RULES)] if len(lines) > MOST_RULES else []
        return (*dict.fromkeys(lines[:MOST_RULES]), *more)

    def rule(self, rule: Sudo) -> str:
        t = self.t
        every = "ALL" in rule.commands
        what = t("acc.sudo.all") if every and rule.root else shown(", ".join(rule.commands))
        if not rule.asks:
            return t("acc.sudo.cannot", what=what)
        least = min(rule.asks, key=judging.strength_of)
        return t("acc.sudo.with", what=what, asks=proved(least, t))


def proved(found: Collection[str], t: Words) -> str:
    """What is shown, in words: "a password and a code"."""
    known = [one for one in (*_ORDER, judging.CODE, judging.TICKET, judging.FINGERPRINT) if one in found]
    words = [t(f"acc.proof.{_key(one)}") for one in known]
    words += [
        t("acc.proof.unsure", what=shown(one.removeprefix(access_words.UNKNOWN)))
        for one in sorted(found)
        if one.startswith(access_words.UNKNOWN)
    ]
    if not words:
        return t("acc.proof.empty")
    return reduce(lambda one, other: t("acc.proof.both", one=one, other=other), words)


def _key(words: str) -> str:
    return words.replace(" ", "_").replace("-", "_")


def _sections(found: Report, say: _Say) -> Iterator[Section]:
    t = say.t
    rows = [_account(host, one, say) for host, one in found.each(PERSON) if one.open]
    yield say.section(
        ASSETS,
        (t("acc.account"), t("acc.network"), t("acc.console"), t("acc.sudo"), t("prep.looked")),
        rows,
        wide=True,
    )
    yield say.section(ENROL, (t("acc.who"), t("acc.where"), t("acc.has")), list(_to_enrol(found, say)))
    if found.cloud is not None:
        yield from _cloud(found.cloud, say)
    yield say.section(
        EMERGENCY, (t("acc.account"), t("acc.where"), t("acc.ways"), t("prep.looked")), list(_emergency(found, say))
    )
    yield say.section(
        OTHERS,
        (t("acc.account"), t("acc.where"), t("acc.network"), t("acc.sudo")),
        [_other(host, one, say) for host, one in found.each(AUTOMATION, SERVICE) if one.open],
    )
    yield say.section(DARK, (t("acc.about"), t("prep.why")), list(_dark(found, say)))


def _account(host: OfHost, one: Judged, say: _Say) -> Row:
    cells = (
        say.ways(one, NETWORK),
        say.ways(one, CONSOLE),
        say.sudo(one),
        say.looked(host.look),
    )
    verdict = one.network if one.network.state != judging.CLOSED else one.console
    return Row(shown(one.account.name), shown(host.look.name), cells, *say.state(verdict))


# Who has not enrolled


def _to_enrol(found: Report, say: _Say) -> Iterator[Row]:
    t = say.t
    for one in found.people:
        if not one.enrolled:
            yield _person(one, say)
    for person in found.cloud.of(entra_judging.MEMBER) if found.cloud else ():
        if person.registered is False:
            where = (t("acc.cloud"),)
            yield Row(shown(person.name), shown(person.display), (where, (t("acc.has.nothing"),)), *_chip(person, t))


def _person(one: OfPerson, say: _Say) -> Row:
    t = say.t
    lacking = [host.look.name for host, account in one.on if not report.ready(account)]
    _host, worst = one.worst
    has: tuple[str, ...] = (t("acc.has.password"),) if worst.account.password == access_words.SET else ()
    has += (t.count("acc.has.key", n),) if (n := len(worst.account.fingerprints)) else ()
    tone = STANDING_TONE[one.standing]
    return Row(
        shown(one.name),
        "",
        ((some(sorted(lacking), t),), has or (t("acc.has.nothing"),)),
        tone,
        t(f"acc.standing.{one.standing}"),
    )


# Microsoft 365


def _chip(person: Person, t: Words) -> tuple[str, str]:
    return CLOUD_TONE[person.state], t(f"acc.cloud.{_key(person.state)}")


def _cloud(cloud: OfCloud, say: _Say) -> Iterator[Section]:
    t = say.t
    members = cloud.of(entra_judging.MEMBER)
    counts = {state: sum(one.state == state for one in members) for state in entra_judging.STATES}
    said = [t.count("acc.cloud.lead", len(members), ok=counts[entra_judging.ENFORCED]), t("acc.intro.cloud")]
    disabled = len(cloud.of(entra_judging.DISABLED))
    said.append(t.count("acc.cloud.disabled", disabled) if cloud.users_known else t("acc.cloud.disabled.unknown"))
    guests = cloud.of(entra_judging.GUEST)
    labels = (t("acc.who"), t("acc.cloud.methods"), t("acc.cloud.asked"))
    if cloud.look.unknown:
        said.insert(0, " ".join(say.looked(cloud.look)))
    section = say.section(CLOUD, labels, [_cloud_row(one, say) for one in members], " ".join(said))
    yield section if members else replace(section, empty=" ".join([section.empty, *said[1:]]))
    yield say.section(GUESTS, labels, [_cloud_row(one, say) for one in guests])


def _cloud_row(one: Person, say: _Say) -> Row:
    t = say.t
    methods = [shown(", ".join(t.name("acc.method", method) for method in one.methods))] if one.methods else []
    if one.registered and one.capable is False:
        methods.append(t("acc.cloud.not_capable"))
    if one.registered is None:
        methods = [t("acc.cloud.unregistered")]
    asked = [t("acc.cloud.by", names=shown(", ".join(one.by)))] if one.by else []
    asked += [shown(why) for why in one.why]
    display = shown(one.display) + (f" ({t('acc.cloud.admin')})" if one.admin else "")
    return Row(
        shown(one.name),
        display.strip(),
        (tuple(methods) or (t("acc.has.nothing"),), tuple(asked) or (t("acc.cloud.nobody"),)),
        *_chip(one, t),
    )


# Break-glass, and what is nobody's


def _emergency(found: Report, say: _Say) -> Iterator[Row]:
    t = say.t
    for host in found.hosts:
        for name in host.lacking:
            yield Row(shown(name), "", ((shown(host.look.name),), (), say.looked(host.look)), "bad", t("acc.lacking"))
    for host, one in found.each(BREAK_GLASS):
        ways = tuple(
            line
            for place in (NETWORK, CONSOLE)
            for line in (f"{t(f'acc.{place}')}: {'; '.join(say.ways(one, place))}",)
        )
        cells = ((shown(host.look.name),), ways, say.looked(host.look))
        shut = not one.open
        yield Row(
            shown(one.account.name),
            "",
            cells,
            "bad" if shut else "info",
            t("acc.emergency.shut") if shut else t("acc.emergency.there"),
        )
    if found.cloud is None:
        return
    looked = say.looked(found.cloud.look)
    for name in found.cloud.lacking:
        yield Row(shown(name), "", ((t("acc.cloud"),), (), looked), "bad", t("acc.lacking"))
    for person in found.cloud.of(entra_judging.BREAK_GLASS):
        methods = shown(", ".join(t.name("acc.method", method) for method in person.methods)) or t("acc.has.nothing")
        yield Row(shown(person.name), "", ((t("acc.cloud"),), (methods,), looked), *_chip(person, t))


def _other(host: OfHost, one: Judged, say: _Say) -> Row:
    t = say.t
    free = loose(one)
    chip = ("warn", t("acc.loose")) if free else ("quiet", t("acc.bounded"))
    if one.network.state == judging.UNKNOWN:
        chip = say.state(one.network)
    cells = ((shown(host.look.name),), say.ways(one, NETWORK), say.sudo(one))
    return Row(shown(one.account.name), t(f"acc.kind.{_key(one.kind)}"), cells, *chip)


# What is not known


def _dark(found: Report, say: _Say) -> Iterator[Row]:
    t = say.t
    for asset, why in sorted(found.wrong.items()):
        yield Row(shown(asset), "", ((t("srep.message", text=shown(why)),),), "bad", t("acc.state.unknown"))
    for host in found.hosts:
        lines = [*_unseen(host.look, say), *(shown(why) for why in host.unknown)]
        lines += [
            f"{shown(one.account.name)}: {shown(why)}"
            for one in host.accounts
            for why in dict.fromkeys([*one.account.unknown, *one.network.why, *one.console.why])
        ]
        if lines:
            yield Row(shown(host.look.name), "", (tuple(dict.fromkeys(lines)),), "info", t("acc.state.unknown"))
    if found.cloud is not None and (lines := [*_unseen(found.cloud.look, say), *map(shown, found.cloud.unknown)]):
        yield Row(t("acc.cloud"), "", (tuple(lines),), "info", t("acc.state.unknown"))


def _unseen(look: Look, say: _Say) -> Iterable[str]:
    if look.unknown:
        yield say.t(f"acc.unseen.{look.unknown}")
    if look.error:
        yield say.t("srep.message", text=shown(look.error))
