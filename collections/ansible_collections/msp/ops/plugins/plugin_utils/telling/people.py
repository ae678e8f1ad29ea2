# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tells people by apprise: mail, Teams, Slack, and whatever else it knows. The only file that knows apprise.

What is told is plain text: apprise escapes what a channel would take for markup. What apprise says of a failure may
show an address, so of that only the status of the far side's answer is kept.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.telling.records import NotDeliveredError

with suppress(ImportError):  # Channel says what is missing
    import apprise

_STATUS = re.compile(r"\berror=(\d{3})\b")
# The far side understood, and will not change its mind: no such address, no such hook, too long.
_NEVER = frozenset({400, 404, 405, 410, 413})
_BUSY = 429
_PAUSE = 60.0


class Channel:
    """One address of apprise. It never shows the address, not in its representation either."""

    def __init__(self, name: str, address: str) -> None:
        self.name = name
        self._service = _service(name, address)

    def __repr__(self) -> str:
        return f"Channel({self.name!r})"

    def send(self, subject: str, text: str) -> None:
        """Tell it. Raises NotDeliveredError where the service did not take it."""
        with _heard() as said:
            try:
                taken = self._service.notify(title=subject, body=text, body_format=apprise.NotifyFormat.TEXT)
            except Exception as error:  # a plugin of apprise that does not keep to its own rules
                raise NotDeliveredError(f"apprise ended in a {type(error).__name__} for channel {self.name}") from None
        if taken:
            return
        statuses = {int(found) for line in said for found in _STATUS.findall(line)}
        told = f"status {', '.join(map(str, sorted(statuses)))}" if statuses else "no answer"
        reason = f"the service of channel {self.name} did not take it: {told}"
        later = _PAUSE if _BUSY in statuses else None
        raise NotDeliveredError(reason, never=bool(statuses) and statuses <= _NEVER, later=later)


def _service(name: str, address: str) -> Any:
    try:
        service = apprise.Apprise(asset=apprise.AppriseAsset(app_id="msp.ops", app_desc="msp.ops", async_mode=False))
    except NameError:
        raise MspError(
            "MSP-TEL-007",
            "the Python library apprise on the controller",
            "none",
            "run through ./msp, or install what requirements.lock names",
        ) from None
    with _heard():
        known = service.add(address)
    if not known or len(service) != 1:
        raise MspError(
            "MSP-TEL-008",
            f"one address of apprise for the channel {name}",
            "a text that apprise does not know as one",
            "write it as its documentation says (mailtos://, msteams://, slack://); it is not shown, for it is secret",
        )
    return service


@contextmanager
def _heard() -> Iterator[list[str]]:
    """What is said meanwhile, for us alone: lines of apprise, and of the library below it, may hold addresses."""
    said: list[str] = []

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.levelno >= logging.WARNING:
                said.append(record.getMessage())

    ear, loggers = Ear(), [logging.getLogger(name) for name in ("apprise", "urllib3")]
    before = [logger.propagate for logger in loggers]
    for logger in loggers:
        logger.propagate = False
        logger.addHandler(ear)
    try:
        yield said
    finally:
        for logger, propagate in zip(loggers, before, strict=True):
            logger.removeHandler(ear)
            logger.propagate = propagate
