# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which host names say something of one machine, and which are what a maker, a phone or an address gave. Pure: no I/O.

A name that is left out here is no evidence at all; one that stays is still weak.
"""

from __future__ import annotations

import functools
import re

from ansible_collections.msp.ops.plugins.module_utils.audit.placeholders import is_placeholder
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.hashing import normal_address

# What stands alone, or with a number behind it, on more than one machine of the world's networks.
_STOCK = frozenset(
    (
        "amazon", "android", "androidtv", "appletv", "applewatch", "chromecast", "dhcp", "dlink", "espressif",
        "firetv", "fritzbox", "galaxy", "galaxytab", "googlehome", "googlenesthub", "homepod", "huawei", "ip", "ipad",
        "ipadair", "ipadmini", "ipadpro", "iphone", "iphonese", "ipod", "kindle", "lgwebostv", "macbook", "macbookair",
        "macbookpro", "moto", "nokia", "oneplus", "oppo", "pixel", "playstation", "redmi", "samsung", "shelly",
        "smarttv", "sonos", "tasmota", "unifi", "wifi", "wlan", "xbox", "xiaomi", "zte",
    )
)  # fmt: skip
# What is no name when it stands alone; "server1" in a small shop is a name.
_BARE = frozenset(
    (
        "admin", "ap", "archlinux", "bogon", "camera", "centos", "client", "computer", "container", "debian",
        "default", "desktop", "fedora", "firewall", "gateway", "home", "host", "hp", "imac", "kali", "laptop", "linux",
        "localdomain", "localhost", "localhost6", "localhostlocaldomain", "mac", "macmini", "minint", "modem",
        "mycomputer", "mypc", "nas", "notebook", "openwrt", "pc", "pfsense", "phone", "printer", "proxmox", "pve",
        "raspberry", "raspberrypi", "rocky", "router", "server", "switch", "tablet", "telefoon", "tv", "ubuntu",
        "user", "userpc", "vm", "watch", "win", "win10", "win11", "windows", "windows10", "windows11", "windowspc",
        "workstation",
    )
)  # fmt: skip
_APART = re.compile(r"[^a-z0-9]+")
_HEXADECIMAL = re.compile(r"(?:android|host|dhcp|ip|client)[-_]?[0-9a-f]{8,40}")
_MODEL = re.compile(r"(?:sm|gt|cph|rmx|vog|ele|lya|mi|m2\d{3})[-_][a-z]?\d{2,6}[a-z0-9]{0,4}")
_MEANT = 24
_LONGEST = 63


def label(name: str) -> str:
    """The first label of a host name, lower case; empty for an address and for what cannot be a name."""
    text = name.strip().rstrip(".").casefold()
    if not text or normal_address(text):
        return ""
    first = text.partition(".")[0].strip()
    return first if 1 < len(first) <= _LONGEST else ""


@functools.lru_cache(maxsize=1 << 18)
def distinctive(name: str) -> str:
    """The label of a name that may stand for one machine; empty for any other."""
    first = label(name)
    if not first or is_placeholder(first) or len(first) < 3:
        return ""
    words = [word for word in _APART.split(first) if word]
    joined = "".join(words)
    stem = joined.rstrip("0123456789")
    if joined in _BARE or stem in _STOCK or not stem:
        return ""
    if len(words) > 1 and all(word in _STOCK or (word.isdigit() and len(word) < 6) for word in words):
        return ""
    if _HEXADECIMAL.fullmatch(first) or _MODEL.fullmatch(first) or _model(words) or _spells_address(words):
        return ""
    return first


def _model(words: list[str]) -> bool:
    """ "galaxy-s21", "pixel-7-pro", "iphone-14-pro-max": a product, not a thing."""
    return (
        words[0] in _STOCK
        and len("".join(words)) <= _MEANT
        and all(word in _PRODUCT or any(c.isdigit() for c in word) or word in _STOCK for word in words[1:])
    )


_PRODUCT = frozenset(("pro", "max", "mini", "plus", "air", "ultra", "lite", "se", "fold", "flip", "note", "tab", "xl"))


def _spells_address(words: list[str]) -> bool:
    """ "10-1-2-3", "dhcp-192-0-2-7": the address again, which the next machine will have."""
    numbers = [word for word in words if word.isdigit() and int(word) < 256]
    return len(numbers) >= 4 and len(words) - len(numbers) <= 2
