# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""All controls that we know and the standards that we ship, out of the files beside this one.

Reads only its own files. An error in any of them refuses all of them, and every error is named with its file and line:
a control that is not understood is never left out quietly.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from pathlib import Path as FilePath
from types import MappingProxyType
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError, MspErrors
from ansible_collections.msp.ops.plugins.plugin_utils.contract import yamlfile
from ansible_collections.msp.ops.plugins.plugin_utils.contract.forms import located, shown
from ansible_collections.msp.ops.plugins.plugin_utils.contract.yamlfile import Path, Source, dotted
from ansible_collections.msp.ops.plugins.plugin_utils.standards import (
    control_schema,
    forms,
    limits,
    model,
    reading_standards,
    standard_schema,
)
from ansible_collections.msp.ops.plugins.plugin_utils.standards.control_schema import (
    ABSENT,
    AS_STRICT,
    CHOSEN_FOR,
    KINDS,
    NOTHING,
    PARAMETERS,
    PATTERN,
    RULES,
    VALUES,
)
from ansible_collections.msp.ops.plugins.plugin_utils.standards.model import (
    Check,
    Chosen,
    Condition,
    Control,
    Decision,
    Parameter,
    Standard,
    Strictness,
    Words,
)

CONTROLS = FilePath(__file__).with_name("controls")
STANDARDS = FilePath(__file__).with_name("shipped")
FORM, MEANING = ("MSP-STD-002", "MSP-STD-003")


@functools.cache
def catalogue() -> Mapping[str, Control]:
    """Every control by its id, area by area. Raises MspErrors with all that is wrong in any file."""
    return load({file.name: file.read_text(encoding="utf-8") for file in sorted(CONTROLS.glob("*.yml"))})


def load(files: Mapping[str, str]) -> Mapping[str, Control]:
    """The controls in the text of files by name. Raises MspErrors with all that is wrong in any of them."""
    sources: list[Source] = []
    errors: list[MspError] = []
    for name in sorted(files):
        try:
            source = yamlfile.read(files[name], name, ours=True)
        except MspError as error:
            errors.append(error)
            continue
        found = [*source.errors, *forms.violations(source.data, control_schema.CONTROLS, (), FORM, source)]
        errors += found or _contradictions(source)
        sources.append(source)
    errors += _twice(sources)
    errors = errors or list(_of_others(sources))
    if errors:
        raise MspErrors(errors)
    controls = [_control(data) for source in sources for data in source.data]
    return MappingProxyType({control.id: control for control in controls})


@functools.cache
def shipped() -> Mapping[str, Standard]:
    """Every standard that we ship, by its name. Raises MspErrors with all that is wrong in any file."""
    files = {file.name: file.read_text(encoding="utf-8") for file in sorted(STANDARDS.glob("*.yml"))}
    return load_standards(files, catalogue())


def load_standards(files: Mapping[str, str], controls: Mapping[str, Control]) -> Mapping[str, Standard]:
    """The standards in the text of files by name, each of one standard. Raises MspErrors with all that is wrong."""
    found: dict[str, Standard] = {}
    errors: list[MspError] = []
    for name in sorted(files):
        try:
            source = yamlfile.read(files[name], name, ours=True)
        except MspError as error:
            errors.append(error)
            continue
        wrong = [*source.errors, *forms.violations(source.data, standard_schema.SHIPPED, (), FORM, source)]
        errors += wrong
        if wrong:
            continue
        if f"{source.data['name']}.yml" != name:
            wanted = f"the name to be {name.rpartition('.')[0]}, as the file is named"
            errors.append(MspError(MEANING, wanted, source.data["name"], "correct one of the two"))
        found[source.data["name"]] = reading_standards.standard(source.data["name"], source.data)
    if not errors:
        errors = list(reading_standards.contradictions(found, found, controls, (STANDARDS.name,)))
    if errors:
        raise MspErrors(errors)
    return MappingProxyType(found)


def _twice(sources: list[Source]) -> Iterator[MspError]:
    """Ids that two controls have."""
    first: dict[str, str] = {}
    for source in sources:
        for place, data in enumerate(source.data if isinstance(source.data, list) else ()):
            id = data.get("id") if isinstance(data, Mapping) else None
            if not isinstance(id, str):
                continue
            where = source.where((place, "id"))
            if id in first:
                yield MspError(MEANING, f"one control {id}", f"two ({first[id]} and {where})", "rename one of them")
            first.setdefault(id, where)


def _of_others(sources: list[Source]) -> Iterator[MspError]:
    """Controls that one says it belongs to, and that are none or are brought about by another role."""
    roles = {data["id"]: data["role"] for source in sources for data in source.data}
    for source in sources:
        for place, data in enumerate(source.data):
            named: list[tuple[Path, str]] = [
                (("together", number), id) for number, id in enumerate(data.get("together", ()))
            ]
            if "waived_with" in data:
                named.append((("waived_with",), data["waived_with"]))
            for path, id in named:
                if id == data["id"] or roles.get(id) != data["role"]:
                    here = (place, *path)
                    yield located(_problem(here, f"another control of {data['role']}", id)[1], source, here)


# -- what the values of a control mean together: of files that have their form ------------------------------------

_Problem = tuple[Path, MspError]


def _contradictions(source: Source) -> list[MspError]:
    return [
        located(error, source, path)
        for place, data in enumerate(source.data)
        for path, error in _of_control(source.name, data, (place,))
    ]


def _problem(path: Path, wanted: str, found: str) -> _Problem:
    return path, MspError(MEANING, f"{dotted(path)} to be {wanted}", found, "correct it")


def _of_control(file: str, data: Mapping[str, Any], here: Path) -> Iterator[_Problem]:
    area = file.rpartition(".")[0]
    if data["area"] != area:
        yield _problem((*here, "area"), f"{area}, as the file is named", data["area"])
    known = data.get("parameters", {})
    for name in known:
        yield from _of_parameter(known[name], (*here, "parameters", name))
    deciding = data.get("enforced_if")
    if deciding is not None and known.get(deciding, {}).get("type") != model.BOOLEAN:
        yield _problem((*here, "enforced_if"), f"a parameter of the control that is {model.BOOLEAN}", deciding)
    if deciding is not None and "by_hand" in data:
        yield _problem((*here, "enforced_if"), "left out: by_hand is never brought about", deciding)
    for key in ("checks", "not_applicable_when", "decide_when"):
        for place, check in enumerate(data.get(key, ())):
            yield from _of_check(check, known, (*here, key, place))
            if check.get("unless_chosen", "") not in ("", *known):
                wanted = f"a parameter of the control ({', '.join(known) or 'it has none'})"
                yield _problem((*here, key, place, "unless_chosen"), wanted, check["unless_chosen"])
    if data.get("enforce_unmeasured") and "lockout" in data:
        # What is not known can't be brought back.
        yield _problem((*here, "enforce_unmeasured"), "left out where there is a lockout", "true")


def _of_parameter(form: Mapping[str, Any], here: Path, *, inner: bool = False) -> Iterator[_Problem]:
    """A parameter's own form by its type, then whether its default is within its limits."""
    kind = form.get("type")
    if not isinstance(kind, str) or kind not in PARAMETERS:
        yield _problem((*here, "type"), f"one of {', '.join(PARAMETERS)}", shown(kind))
        return
    wrong = [(here, error) for error in forms.violations(form, PARAMETERS[kind], here, MEANING)]
    wrong += [
        _problem((*here, key), "a regular expression", shown(form[key]))
        for key in ("pattern", "keys")
        if isinstance(form.get(key), str) and not _compiles(form[key])
    ]
    for key in ("items", "values"):
        if isinstance(form.get(key), Mapping):
            wrong += _of_parameter(form[key], (*here, key), inner=True)
    if inner and "default" in form:
        wrong.append(_problem((*here, "default"), "left out: the parameter around it has one", shown(form["default"])))
    if not inner and "default" not in form:
        wrong.append(_problem((*here, "default"), "there", "nothing"))
    yield from wrong
    if not wrong and not inner:
        for path, wanted, found in limits.outside(_parameter(form), form["default"], (*here, "default")):
            yield _problem(path, wanted, found)


def _compiles(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except re.error:
        return False
    return True


def _of_check(check: Mapping[str, Any], known: Mapping[str, Any], here: Path) -> Iterator[_Problem]:
    yield from _of_probe(check["probe"], known, (*here, "probe"))
    rule = check["rule"]
    wants = RULES.get(rule, NOTHING)
    if rule == ABSENT and "field" in check:
        yield _problem((*here, "field"), f"left out: {rule} is about the whole probe", shown(check["field"]))
    if (rule == AS_STRICT) is not ("order" in check):
        wanted = f"there, and only there where the rule is {AS_STRICT}"
        yield _problem((*here, "order"), wanted, shown(check.get("order")))
        return
    path = (*here, "value")
    if (wants == NOTHING) is ("value" in check):
        wanted = f"{'left out: the rule' if wants == NOTHING else 'there: the rule'} {rule} takes "
        wanted += "none" if wants == NOTHING else "one"
        yield _problem(path, wanted, shown(check.get("value")))
        return
    value = check.get("value")
    if isinstance(value, Mapping):
        yield from _of_chosen(value, known, CHOSEN_FOR[wants], path)
    elif wants != NOTHING:
        yield from ((path, error) for error in forms.violations(value, VALUES[wants], path, MEANING))
    if rule == AS_STRICT:
        yield from _of_order(check["order"], value, known, path)
    if wants == PATTERN and isinstance(value, str) and not _compiles(value):
        yield _problem(path, "a regular expression", shown(value))


def _of_order(order: list[str], value: Any, known: Mapping[str, Any], path: Path) -> Iterator[_Problem]:
    """Whatever can be wanted is in the order."""
    form = known.get(str(value.get("parameter")), {}) if isinstance(value, Mapping) else {"choices": [value]}
    if outside := [one for one in form.get("choices", ()) if one not in order]:
        yield _problem(path, f"one of the order ({', '.join(order)})", ", ".join(map(shown, outside)))
    if "choices" not in form:
        yield _problem(path, f"a parameter that is {model.CHOICE}", shown(form.get("type")))


def _of_probe(probe: Mapping[str, Any], known: Mapping[str, Any], here: Path) -> Iterator[_Problem]:
    asked = probe["kind"]
    kind = KINDS[asked]
    for name in kind.needs:
        if name not in probe:
            yield _problem((*here, name), f"there: a probe {asked} is asked with it", "nothing")
    for name in sorted(set(probe) - {"kind", *kind.needs, *kind.may}):
        arguments = ", ".join((*kind.needs, *kind.may)) or "nothing"
        wanted = f"left out: a probe {asked} is asked with {arguments}"
        yield _problem((*here, name), wanted, shown(probe[name]))
    for name, value in probe.items():
        if isinstance(value, Mapping):
            yield from _of_chosen(value, known, _ARGUMENTS, (*here, name))


_ARGUMENTS = (model.STRING, model.CHOICE, model.LIST, model.MAP)


def _of_chosen(
    value: Mapping[str, Any], known: Mapping[str, Any], kinds: tuple[str, ...], path: Path
) -> Iterator[_Problem]:
    name = value.get("parameter")
    if set(value) != {"parameter"} or not isinstance(name, str):
        yield _problem(path, "a literal, or {parameter: NAME}", "a table with other keys")
    elif name not in known:
        yield _problem(path, f"a parameter of the control ({', '.join(known) or 'it has none'})", name)
    elif known[name].get("type") not in kinds:
        found = f"{name}, which is {shown(known[name].get('type'))}"
        yield _problem(path, f"a parameter that is {' or '.join(kinds)}", found)


# -- the control: only of data that has its form and does not contradict itself -----------------------------------


def _control(data: Mapping[str, Any]) -> Control:
    return Control(
        id=data["id"],
        area=data["area"],
        role=data["role"],
        title=Words(**data["title"]),
        reason=Words(**data["reason"]),
        severity=data["severity"],
        references=tuple(model.Source(**one) for one in data["references"]),
        platforms=tuple(data["platforms"]),
        parameters={name: _parameter(form) for name, form in data.get("parameters", {}).items()},
        checks=tuple(_check(one) for one in data["checks"]),
        not_applicable_when=tuple(
            Condition(_check(one), Words(**one["because"])) for one in data.get("not_applicable_when", ())
        ),
        lockout=data.get("lockout", ""),
        minutes=data["minutes"],
        decide_when=tuple(
            Decision(_check(one), Words(**one["because"]), one.get("unless_chosen", ""))
            for one in data.get("decide_when", ())
        ),
        together=tuple(data.get("together", ())),
        waived_with=data.get("waived_with", ""),
        enforce_unmeasured=data.get("enforce_unmeasured", False),
        enforced_if=data.get("enforced_if", ""),
        by_hand=data.get("by_hand", False),
    )


def _parameter(form: Mapping[str, Any]) -> Parameter:
    return Parameter(
        kind=form["type"],
        default=form.get("default"),
        minimum=form.get("minimum"),
        maximum=form.get("maximum"),
        choices=tuple(form.get("choices", ())),
        pattern=form.get("pattern"),
        items=_parameter(form["items"]) if "items" in form else None,
        unique=form.get("unique", False),
        values=_parameter(form["values"]) if "values" in form else None,
        keys=form.get("keys"),
        form=form.get("form", ""),
    )


def _check(data: Mapping[str, Any]) -> Check:
    probe = {name: _chosen(value) for name, value in data["probe"].items()}
    value = _chosen(data.get("value"))
    if data["rule"] == AS_STRICT:
        value = Strictness(tuple(data["order"]), value)
    return Check(probe, data.get("field", ""), data["rule"], value)


def _chosen(value: Any) -> Any:
    return Chosen(value["parameter"]) if isinstance(value, Mapping) else value
