# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The words in which a host says who can log in: what is shown, from where, and what a way is limited to. Pure."""

from __future__ import annotations

NETWORK, CONSOLE = "network", "console"
# Programs that let people in besides the ssh server, as PAM calls them.
PROGRAMS = {
    CONSOLE: ("login", "gdm-password", "gdm-smartcard", "lightdm", "sddm", "xdm", "lxdm"),
    NETWORK: ("cockpit", "xrdp-sesman", "rlogin", "remote"),
}
# What somebody shows. UNKNOWN is the beginning of what nobody knows, with the name of what asks for it.
PASSWORD, CODE, HARDWARE, FINGERPRINT = "password", "code", "hardware key", "fingerprint"
KEY, UNTOUCHED, PIN, TICKET, HOST = "key", "hardware key without touch", "pin", "ticket", "trusted host"
UNKNOWN = "unknown: "
# How an account's password is: none fits, an empty one fits, or a word.
NONE, EMPTY, SET = "none", "empty", "set"
# What a way is limited to: one command, or no shell (tunnels and files at most).
COMMAND, NO_SHELL = "one command", "no shell"
