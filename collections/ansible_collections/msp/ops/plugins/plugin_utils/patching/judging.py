# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The class of every update: emergency, security or routine, with the severity and who said so. Pure: no I/O.

    emergency   a hole that it closes is known to be exploited; or is critical, and the asset is exposed
    security    it comes from a security archive or advisory, its changelog or a feed names a hole that it closes, or
                nothing on the host can tell
    routine     the rest

Every rule can only raise: one more entry in a feed, or one more feed, never lowers a class. No update is ever dropped.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ansible_collections.msp.ops.plugins.module_utils.patching import debversion
from ansible_collections.msp.ops.plugins.plugin_utils.patching import severity
from ansible_collections.msp.ops.plugins.plugin_utils.patching.feeds import Feeds, Fix
from ansible_collections.msp.ops.plugins.plugin_utils.patching.records import (
    EMERGENCY,
    ROUTINE,
    SECURITY,
    Judged,
    Update,
)
from ansible_collections.msp.ops.plugins.plugin_utils.patching.severity import Claim


def judge_all(updates: Iterable[Update], feeds: Feeds, *, platform: str, exposed: bool) -> tuple[Judged, ...]:
    """As many as there were, in their order."""
    return tuple(judge(update, feeds, platform=platform, exposed=exposed) for update in updates)


def judge(update: Update, feeds: Feeds, *, platform: str, exposed: bool) -> Judged:
    """platform as in Scan ("debian-12"). exposed: the asset can be reached from the internet."""
    known = with_fixes(update, feeds.fixes.get((platform, update.source), ()))
    claims = list(_claims(known, feeds))
    worst = severity.worst(claims)
    exploited = any(claim.rule == severity.KNOWN_EXPLOITED for claim in claims)
    if worst is None:
        worst = Claim(severity.UNKNOWN, severity.NOBODY, _why(known))
    return Judged(
        known,
        _class(known, worst, exploited=exploited, exposed=exposed),
        worst.severity,
        worst.rule,
        worst.source,
        exploited,
        max((claim.cvss for claim in claims if claim.cvss is not None), default=None),
        max((feeds.likely[name] for name in known.cves if name in feeds.likely), default=None),
    )


def with_fixes(update: Update, fixes: Iterable[Fix]) -> Update:
    """The update with the holes and advisories that feeds say it closes: fixed above its version, up to the new one."""
    if not update.source_from or not update.source_to:
        return update
    closed = [
        fix
        for fix in fixes
        if debversion.compare(update.source_from, fix.version) < 0 <= debversion.compare(update.source_to, fix.version)
    ]
    if not closed:
        return update
    cves = {name for fix in closed for name in fix.cves} | set(update.cves)
    advisories = {fix.advisory for fix in closed if fix.advisory} | set(update.advisories)
    return replace(update, cves=tuple(sorted(cves)), advisories=tuple(sorted(advisories)))


def _claims(update: Update, feeds: Feeds) -> Iterable[Claim]:
    for name in update.cves:
        if name in feeds.exploited:
            text = f"{feeds.exploited[name]}: {name}"
            yield Claim(severity.CRITICAL, severity.KNOWN_EXPLOITED, text)
    if update.vendor:
        told = ", ".join(update.advisories) or update.origin or update.name
        yield Claim(severity.of_word(update.vendor), severity.VENDOR, f"{update.vendor} in {told}")
    for name in (*update.cves, *update.advisories):
        yield from feeds.claims.get(name, ())


def _class(update: Update, worst: Claim, *, exploited: bool, exposed: bool) -> str:
    if exploited or (exposed and worst.severity == severity.CRITICAL):
        return EMERGENCY
    rated = worst.severity != severity.UNKNOWN
    return SECURITY if update.security is not False or update.cves or rated else ROUTINE


def _why(update: Update) -> str:
    """What there is to say where nobody rated anything."""
    if update.security is None:
        return "nothing on the host can tell whether it closes a hole"
    if update.security:
        origins = {version.origin for version in update.versions if version.security and version.origin}
        told = sorted(origins) or ([update.origin] if update.origin else list(update.advisories))
        return "security update of " + (told[0] if told else "an archive without a name")
    return f"its changelog names {update.cves[0]}" if update.cves else "no security archive and no known hole"
