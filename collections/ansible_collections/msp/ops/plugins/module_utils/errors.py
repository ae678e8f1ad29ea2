# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one way an msp.ops part says what went wrong.

An error has a code, and a sentence each for what was expected, what was found and what to do.
Every code has an entry in docs/errors.md; a test compares the two.
"""

from __future__ import annotations


class MspError(Exception):
    """An error a person can act on.

    Source: DESIGN rule 11. Never put a secret or unmasked token into any of the sentences.
    """

    def __init__(self, code, expected, found, action):  # type: (str, str, str, str) -> None
        super().__init__(code, expected, found, action)
        self.code = code
        self.expected = expected
        self.found = found
        self.action = action

    def __str__(self):  # type: () -> str
        return "%s: expected %s; found %s. What to do: %s." % (
            self.code,
            self.expected.rstrip("."),
            self.found.rstrip("."),
            self.action.rstrip("."),
        )

    def as_dict(self):  # type: () -> dict[str, str]
        """The same four sentences for a module's result: code, expected, found, action."""
        return {"code": self.code, "expected": self.expected, "found": self.found, "action": self.action}


class MspErrors(MspError):
    """Several errors found in one input, reported at once; the first code is the code of the whole."""

    def __init__(self, errors):  # type: (list[MspError]) -> None
        if not errors:
            raise ValueError("MspErrors needs at least one error")
        first = errors[0]
        super().__init__(first.code, first.expected, first.found, first.action)
        self.errors = list(errors)

    def __str__(self):  # type: () -> str
        return "%d error(s):\n%s" % (len(self.errors), "\n".join("- %s" % error for error in self.errors))
