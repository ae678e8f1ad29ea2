# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The words in which the model is declared: a section is one kind of object in NetBox, an item is one object of it.

Pure: dataclasses and the names of NetBox's object types.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

DEVICE = "dcim.device"
VIRTUAL_MACHINE = "virtualization.virtualmachine"
TENANT = "tenancy.tenant"
PREFIX = "ipam.prefix"
ASSETS = [DEVICE, VIRTUAL_MACHINE]


@dataclass(frozen=True, slots=True)
class Item:
    """One object: its key, what it should be, and the keys it had in older versions of ours."""

    key: str
    body: Mapping[str, Any]
    formerly: tuple[str, ...] = ()
    # Given at creation only: what the person who runs NetBox may change afterwards, and what can't be read back.
    once: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Section:
    """All objects of one kind. key is the property that identifies one, prefixes say which are ours.

    fixed names properties that NetBox does not let anyone change; references maps a property to the section it names.
    includes names properties of which the declaration is the least: what people added to them stays, because taking
    an object type or a choice away would delete their data.
    """

    name: str
    endpoint: str
    key: str
    prefixes: tuple[str, ...]
    items: tuple[Item, ...]
    fixed: tuple[str, ...] = ()
    references: Mapping[str, str] = field(default_factory=dict)
    includes: tuple[str, ...] = ()
    # Keys that start so are ours, and made by people and other parts of ours as needed.
    free_prefixes: tuple[str, ...] = ()
    # Properties that no diff shows.
    hidden: tuple[str, ...] = ()
    # A property that is written as an id, and what reads as the object that it is the id of.
    told_by: Mapping[str, str] = field(default_factory=dict)
    # NetBox keeps no changelog of users, groups and permissions and takes no message for it.
    changelog: bool = True
