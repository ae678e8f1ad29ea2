"""Speaks to a lab's NetBox as its administrator, for tests: objects by REST, users with few rights, back to empty.

Not our way into NetBox (that is the collection's register client): tests check what that one did, so they use another.
"""

from __future__ import annotations

import json
import secrets
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab.lab import Lab

EMPTY = "empty"


class Refused(Exception):
    """NetBox answered with an error status; its words are the message."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text}")
        self.status = status


@dataclass(frozen=True)
class NetBox:
    """One lab's NetBox, as a test sees it."""

    lab: Lab

    @property
    def url(self) -> str:
        return self.lab.url

    @property
    def token(self) -> str:
        return self.lab.token

    @property
    def admin_user(self) -> str:
        return self.lab.admin_user

    @property
    def admin_password(self) -> str:
        return self.lab.admin_password

    def env(self, token: str | None = None) -> dict[str, str]:
        """The environment with which a command finds this NetBox, as the administrator or with another token."""
        return {"NETBOX_API": self.url, "NETBOX_TOKEN": token or self.token}

    def call(self, method: str, path: str, body: Any = None, *, token: str | None = None) -> Any:
        """One request; path as in "dcim/devices/?name=x". Returns the parsed answer, raises Refused for an error."""
        request = urllib.request.Request(  # noqa: S310 (the lab's own address)
            f"{self.url}/api/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {token or self.token}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:  # noqa: S310
                text = answer.read()
        except urllib.error.HTTPError as error:
            raise Refused(error.code, error.read().decode(errors="replace")) from None
        return json.loads(text) if text else None

    def all(self, path: str) -> list[dict[str, Any]]:
        """All objects of a list of at most 1000."""
        page = self.call("GET", f"{path}{'&' if '?' in path else '?'}limit=1000")
        if page["next"]:
            raise ValueError(f"{path} holds more than 1000 objects")
        return list(page["results"])

    def create(self, path: str, body: Any) -> Any:
        return self.call("POST", path, body)

    def change(self, path: str, body: Any) -> Any:
        return self.call("PATCH", path, body)

    def changes(self) -> int:
        """How many changes NetBox has logged so far: equal before and after means that nothing was written."""
        return int(self.call("GET", "core/object-changes/?limit=1")["count"])

    def token_for(self, permissions: Sequence[Mapping[str, Any]], *, write: bool = True) -> str:
        """The token of a new user with just these permissions: [{"object_types": [...], "actions": [...]}, ...]."""
        name = f"restricted-{secrets.token_hex(4)}"
        password = f"Test-{secrets.token_urlsafe(18)}-1a"
        user = self.create("users/users/", {"username": name, "password": password})
        for number, permission in enumerate(permissions):
            self.create(
                "users/permissions/",
                {"name": f"{name}-{number}", "enabled": True, "users": [user["id"]], "groups": [], **permission},
            )
        made = self.create("users/tokens/", {"user": user["id"], "version": 2, "write_enabled": write})
        return f"nbt_{made['key']}.{made['token']}"

    def snapshot(self, name: str) -> None:
        """Keep the whole database under a name, to come back to with `reset`."""
        self.lab.snapshot(name)

    def reset(self, name: str = EMPTY) -> None:
        """Back to a snapshot; without a name to the empty NetBox. About a second. No request may be running."""
        self.lab.reset(name)
