# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""An escrow in the key-value engine (version 2) of HashiCorp Vault or OpenBao.

What lies there is sealed like anywhere else: who may read the mount, or its backup, still needs the key of a person.
Each version is a secret of its own, MOUNT/CUSTOMER/ASSET/PURPOSE/NAME/VERSION with the field age, and a mark is one
beside it, so that neither is ever written twice: the engine keeps only so many versions of one secret.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import datetime as dt
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.escrow import records
from ansible_collections.msp.ops.plugins.plugin_utils.escrow.records import Held, Place, nothing_held

try:
    import hvac
    import hvac.exceptions
    import requests
except ImportError:
    HAS_HVAC = False
else:
    HAS_HVAC = True

_MARK = ".in-force"
_SECONDS = 30


class Vault:
    """At an address. environ has what the command line of either product reads: a token (BAO_TOKEN, VAULT_TOKEN, or
    the file ~/.vault-token), VAULT_NAMESPACE, VAULT_CACERT; and MSP_ESCROW_MOUNT, the mount, else "secret".

    Raises MspError: hvac is missing or there is no token (MSP-ESC-011), it can't be read or written (MSP-ESC-012).
    """

    def __init__(self, url: str, environ: Mapping[str, str]) -> None:
        if not HAS_HVAC:
            raise _unusable("the Python package hvac", "none", "install hvac beside ansible-core")
        self.name = url
        self.mount = environ.get("MSP_ESCROW_MOUNT", "").strip() or "secret"
        self._client = hvac.Client(
            url=url,
            token=_token(environ),
            namespace=_first(environ, "BAO_NAMESPACE", "VAULT_NAMESPACE") or None,
            verify=_first(environ, "BAO_CACERT", "VAULT_CACERT") or True,
            timeout=_SECONDS,
            # It would follow to another server with the token.
            allow_redirects=False,
        )

    def write(self, place: Place, version: str, ciphertext: bytes) -> None:
        """Keep it. Raises FileExistsError where this version is there already."""
        self._create(place, version, {"age": base64.b64encode(ciphertext).decode("ascii")})

    def read(self, place: Place, version: str) -> bytes:
        """What was written. Raises MspError (MSP-ESC-009) where there is no such version."""
        try:
            return base64.b64decode(str(self._read(place, version)["age"]), validate=True)
        except (KeyError, binascii.Error) as error:
            raise self._broken(f"{place}, version {version}: no field age with what was sealed") from error

    def mark(self, place: Place, version: str, at: dt.datetime) -> None:
        """The host was seen to take this version. A second mark is none: the first says when."""
        self.read(place, version)
        with contextlib.suppress(FileExistsError):
            self._create(place, version + _MARK, {"at": at.astimezone(dt.UTC).isoformat()})

    def held(self, place: Place) -> tuple[Held, ...]:
        """All versions of a place, oldest first."""
        names = set(self._list(str(place)))
        versions = sorted(name for name in names if records.is_version(name))
        return tuple(Held(one, self._marked(place, one) if one + _MARK in names else None) for one in versions)

    def places(self, customer: str) -> Iterator[Place]:
        """Every place of a customer that has a version, in order."""
        for asset in self._list(customer):
            for purpose in self._list(f"{customer}/{asset}"):
                for name in self._list(f"{customer}/{asset}{purpose}"):
                    yield Place(customer, asset.rstrip("/"), purpose.rstrip("/"), name.rstrip("/"))

    def _marked(self, place: Place, version: str) -> dt.datetime:
        text = str(self._read(place, version + _MARK).get("at"))
        try:
            return dt.datetime.fromisoformat(text)
        except ValueError as error:
            raise self._broken(f"{place}: the mark of {version} is {text[:40]!r}, which is no time") from error

    @property
    def _engine(self) -> Any:
        return self._client.secrets.kv.v2

    def _create(self, place: Place, name: str, content: Mapping[str, str]) -> None:
        """cas 0 has the server itself refuse a second write."""
        with self._told():
            try:
                self._engine.create_or_update_secret(f"{place}/{name}", dict(content), cas=0, mount_point=self.mount)
            except hvac.exceptions.InvalidRequest as error:
                if "check-and-set" not in str(error):
                    raise
                raise FileExistsError(f"{place}/{name}") from error

    def _read(self, place: Place, name: str) -> Mapping[str, Any]:
        with self._told():
            try:
                found: Mapping[str, Any] = self._engine.read_secret_version(
                    f"{place}/{name}", mount_point=self.mount, raise_on_deleted_version=True
                )["data"]["data"]
            except hvac.exceptions.InvalidPath:
                raise nothing_held(place, name.removesuffix(_MARK), f"{self.name} ({self.mount})") from None
            return found

    def _list(self, path: str) -> list[str]:
        with self._told():
            try:
                return sorted(self._engine.list_secrets(path, mount_point=self.mount)["data"]["keys"])
            except hvac.exceptions.InvalidPath:
                return []

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (hvac.exceptions.VaultError, requests.RequestException, KeyError, TypeError) as error:
            # Neither says what was sent; a KeyError is an answer that is none of this engine.
            raise self._broken(f"{type(error).__name__}: {error}"[:300]) from error

    def _broken(self, found: str) -> MspError:
        return MspError(
            "MSP-ESC-012",
            f"a key-value engine of version 2 at {self.name}, mount {self.mount}, that this token may read and write",
            found,
            "look at its address, seal, mount (MSP_ESCROW_MOUNT) and the token's policy; nothing that was kept is lost",
        )


def _token(environ: Mapping[str, str]) -> str:
    if found := _first(environ, "BAO_TOKEN", "VAULT_TOKEN"):
        return found
    file = Path(environ.get("HOME", "~")).expanduser() / ".vault-token"
    with contextlib.suppress(FileNotFoundError):
        return file.read_text(encoding="utf-8").strip()
    raise _unusable("a token (BAO_TOKEN, VAULT_TOKEN or ~/.vault-token)", "none", "log in, or set one of them")


def _first(environ: Mapping[str, str], *names: str) -> str:
    return next((value for name in names if (value := environ.get(name, "").strip())), "")


def _unusable(expected: str, found: str, todo: str) -> MspError:
    return MspError("MSP-ESC-011", expected, found, todo)
