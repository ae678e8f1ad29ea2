# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an escrow keeps: secrets by their places, each in versions that are never written again. Pure: no I/O.

A version is written before it is set on the host, and marked once the host was seen to take it. So of a place whatever
is in force on the host is among its versions: the one that was marked last, or one that was written after it.
"""

from __future__ import annotations

import datetime as dt
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError

# What a secret is for.
LOCAL_ADMIN, BREAK_GLASS, DISK = PURPOSES = ("local-admin", "break-glass", "disk")
_CUSTOMER = re.compile(r"[a-z0-9][a-z0-9_-]{0,99}")
_ASSET = re.compile(r"(?:device|virtual-machine):[1-9][0-9]{0,17}")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]{0,63}")
_FORM = "%Y%m%dT%H%M%S.%fZ"
_VERSION = re.compile(r"[0-9]{8}T[0-9]{6}\.[0-9]{6}Z-[0-9a-f]{8}")


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a secret belongs: an asset of a customer ("device:12"), what it is for, and of which account or volume.

    Raises MspError (MSP-ESC-001) for what can be no place: each part is a name in files, rows and paths.
    """

    customer: str
    asset: str
    purpose: str
    name: str

    def __post_init__(self) -> None:
        forms = {"customer": _CUSTOMER, "asset": _ASSET, "name": _NAME}
        wrong = [part for part, form in forms.items() if not form.fullmatch(getattr(self, part))]
        wrong += [] if self.purpose in PURPOSES else ["purpose"]
        if wrong:
            raise MspError(
                "MSP-ESC-001",
                f"a customer's slug, an asset like device:12, one of {', '.join(PURPOSES)}, and a plain name",
                "; ".join(f"{part} {getattr(self, part)!r:.100}" for part in wrong),
                "name the place of the secret so",
            )

    @property
    def parts(self) -> tuple[str, str, str, str]:
        return self.customer, self.asset, self.purpose, self.name

    def __str__(self) -> str:
        return "/".join(self.parts)


def new_version(now: dt.datetime, held: Iterable[Held] = ()) -> str:
    """The name of a version that is made now, after all that are held.

    Versions sort as they were made, also where the clock of whoever wrote the last one was ahead. No two are the same.
    """
    last = max((made(one.version) for one in held), default=None)
    at = now.astimezone(dt.UTC)
    if last is not None and at <= last:
        at = last + dt.timedelta(microseconds=1)
    return f"{at:{_FORM}}-{secrets.token_hex(4)}"


def made(version: str) -> dt.datetime:
    """When a version was made."""
    return dt.datetime.strptime(version.partition("-")[0], _FORM).replace(tzinfo=dt.UTC)


def is_version(text: str) -> bool:
    return bool(_VERSION.fullmatch(text))


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret with its place and version. Nothing prints its value."""

    place: Place
    version: str
    value: str = field(repr=False)


@dataclass(frozen=True, slots=True, order=True)
class Held:
    """One version that an escrow holds. in_force is when the host was seen to take it."""

    version: str
    in_force: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """What may be in force on the host: current by its last mark, or one of the later ones, newest first.

    A later one was written and nobody knows whether the host took it.
    """

    current: str | None
    later: tuple[str, ...]

    @property
    def candidates(self) -> tuple[str, ...]:
        """All of them; the likeliest first."""
        return (*((self.current,) if self.current else ()), *self.later)


def standing(held: Iterable[Held]) -> Standing:
    """Of the versions of a place, in whatever order."""
    every = sorted(held)
    # By the version, not by when it was marked: versions sort whatever the clocks say.
    current = max((one.version for one in every if one.in_force is not None), default=None)
    later = [one.version for one in every if one.in_force is None and (current is None or one.version > current)]
    return Standing(current, tuple(reversed(later)))


def nothing_held(place: Place, version: str, where: str) -> MspError:
    return MspError(
        "MSP-ESC-009",
        f"a secret of {place}, version {version}",
        f"none in {where}",
        f"look which there are: ./msp escrow list {place.customer}",
    )
