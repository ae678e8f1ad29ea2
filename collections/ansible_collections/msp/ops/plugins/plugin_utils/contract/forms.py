# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether data has a form (JSON Schema), said as errors a person can act on. Pure: any JSON may come.

Says nothing of what values mean together: who asks does. A form that is a pattern, a choice of forms or a constant has
a description, which says it in words.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError, MspErrors
from ansible_collections.msp.ops.plugins.plugin_utils.contract.yamlfile import Path, Source, dotted

try:
    import jsonschema
except ImportError as missing:
    LIBRARY_ERROR: ImportError | None = missing
else:
    LIBRARY_ERROR = None

SHOWN = 80  # characters of a value in a message
_WORDS = {
    "object": "a table of keys",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "boolean": "true or false",
}


class Codes(NamedTuple):
    """The codes of errors: no library, a key that is not known, one that is missing, and a value in another form."""

    library: str
    unknown: str
    missing: str
    form: str


def violations(
    data: Any, form: Mapping[str, Any], here: Path, codes: Codes, source: Source | None = None
) -> Iterator[MspError]:
    """Every way in which data has not the form, in the order of its paths.

    here is where the data stands, and source the file that it stands in, if it is one: errors then name its line.
    """
    if LIBRARY_ERROR is not None:
        wanted = "the Python library jsonschema on the controller"
        action = "run through ./msp, or install what requirements.lock names"
        raise MspErrors([MspError(codes.library, wanted, str(LIBRARY_ERROR), action)])
    try:
        found = [(tuple(one.absolute_path), one) for one in jsonschema.Draft202012Validator(form).iter_errors(data)]
    except RecursionError:
        yield MspError(codes.form, f"{dotted(here)} a few levels deep", "hundreds of levels", "write it plainly")
        return
    for path, one in sorted(found, key=lambda pair: dotted(pair[0])):
        place = (*here, *path)
        yield from (located(error, source, place) for error in _explain(one, place, codes))


def has(data: Any, form: Mapping[str, Any]) -> bool:
    """Whether data has the form."""
    return bool(jsonschema.Draft202012Validator(form).is_valid(data))


def located(error: MspError, source: Source | None, path: Path) -> MspError:
    """The error with the file and line that it speaks of, where there is a file."""
    if source is None:
        return error
    return MspError(error.code, error.expected, f"{error.found} ({source.where(path)})", error.action)


def _explain(error: Any, path: Path, codes: Codes) -> Iterator[MspError]:
    here = dotted(path)
    if error.validator == "additionalProperties":
        known = sorted(error.schema["properties"])
        for key in sorted(set(error.instance) - set(known), key=str):
            yield MspError(
                codes.unknown, f"in {here} only the keys {', '.join(known)}", shown(key), advice(str(key), known)
            )
    elif error.validator == "required":
        # jsonschema reports each missing key by itself; its message begins with the key.
        (key,) = (key for key in error.validator_value if error.message.startswith(f"'{key}'"))
        yield MspError(codes.missing, f"the key {here}.{key}", "none", f"add {key} to {here}")
    elif "propertyNames" in error.absolute_schema_path:
        wanted = f"names of {error.schema['description']} in {here}"
        yield MspError(codes.form, wanted, shown(error.instance), "choose such a name")
    else:
        yield MspError(codes.form, f"{here} to be {_wanted(error)}", shown(error.instance), "write it in that form")


def _wanted(error: Any) -> str:
    value = error.validator_value
    text = error.schema.get("description")
    match error.validator:
        case "type" if text is None:
            text = " or ".join(_WORDS[name] for name in ([value] if isinstance(value, str) else value))
        case "enum":
            text = "one of " + ", ".join(shown(one) for one in value)
        case "minimum" | "maximum":
            text = f"{'at least' if error.validator == 'minimum' else 'at most'} {value}"
        case "minLength":
            text = f"at least {value} characters"
        case "maxLength" | "maxItems":
            text = f"at most {value} {'characters' if error.validator == 'maxLength' else 'items'}"
        case "minItems":
            text = f"a list of {value} at least"
        case "minProperties":
            text = "a table with one key at least"
        case "uniqueItems":
            text = "a list that names nothing twice"
    return str(text)


def advice(name: str, known: list[str]) -> str:
    """What to do about a name that is not known: the one that was probably meant."""
    near = difflib.get_close_matches(name.casefold(), known, n=1, cutoff=0.5)
    return f"did you mean {near[0]}? Correct the name" if near else "remove it, or correct the name"


def shown(value: Any) -> str:
    """A value in a message: short, on one line."""
    if isinstance(value, Mapping):
        return "a table of keys"
    if isinstance(value, list | tuple):
        return "a list"
    if value is None or isinstance(value, bool):
        return {None: "nothing", True: "true", False: "false"}[value]
    text = " ".join(str(value).split()) or "nothing in it"
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
