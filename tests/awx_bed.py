"""What tests of AWX as code stand on: the stand-in, the collection awx.awx, and the tasks of the playbook run quickly.

apply() does what playbooks/awx.yml does, with the same task files and the unmodified modules of awx.awx, each in a
process forked from this one: a whole customer then takes seconds. That ansible-playbook does the same is what
tests/test_awx.py shows with a smaller AWX.
"""

from __future__ import annotations

import importlib
import io
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout, suppress
from pathlib import Path
from typing import Any

import yaml
from ansible.module_utils.testing import patch_module_args
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

from ansible_collections.msp.ops.plugins.plugin_utils.awx import planning
from ansible_collections.msp.ops.plugins.plugin_utils.awx.checking import Customer
from ansible_collections.msp.ops.plugins.plugin_utils.awx.client import Awx
from lab import awx as collection_of
from lab.progress import step
from tests.stand_in_awx import StandInAwx

ROOT = Path(__file__).resolve().parent.parent
DECLARED = ROOT / "awx"
TASKS = ROOT / "roles" / "msp_awx" / "tasks"
NAMES = ("netbox_token", "store_url", "sops_age_key", "machine_key", "desk_password")
JANSEN = Customer("bakkerij-jansen", "Bakkerij Jansen", "Europe/Amsterdam", "nl", "site-jansen", {}, {})
HARBOUR = Customer("harbour-dental", "Harbour Dental", "Europe/London", "en", None, {}, {})
Task = dict[str, Any]


def collections() -> Path:
    """Where awx.awx is, and from now on importable."""
    place = collection_of.collections(step)
    if str(place) not in sys.path:
        sys.path.append(str(place))
    return place


def playbooks() -> list[str]:
    """What AWX would find in the project."""
    return [str(path.relative_to(ROOT)) for path in sorted((ROOT / "playbooks").rglob("*.yml"))]


@contextmanager
def stand_in() -> Iterator[StandInAwx]:
    # Every request of a module reads the machine's authorities anew, for a server that has no certificate.
    before = os.environ.get("SSL_CERT_FILE")
    os.environ["SSL_CERT_FILE"] = os.devnull
    try:
        with StandInAwx(playbooks(), ("site-jansen",)) as awx:
            yield awx
    finally:
        os.environ.pop("SSL_CERT_FILE") if before is None else os.environ.update(SSL_CERT_FILE=before)


def secrets() -> dict[str, str]:
    """Made ones, each of which can be searched for."""
    return {name: f"made-up-{name}-9f3k" for name in NAMES}


def look(
    awx: StandInAwx, *customers: Customer, directory: Path = DECLARED, most_removed: int = 100
) -> planning.Outcome:
    with Awx({"controller_host": awx.url, "controller_oauthtoken": awx.token}) as client:
        return planning.look(client, str(directory), customers, most_removed=most_removed, secrets=NAMES, settled=False)


def apply(awx: StandInAwx, *customers: Customer, directory: Path = DECLARED) -> planning.Outcome:
    """Bring the stand-in to what is declared. Returns what was to do."""
    outcome = look(awx, *customers, directory=directory)
    for name, part in (("remove.yml", outcome.removals), ("apply.yml", outcome.steps)):
        for task in tasks(name):
            for module, arguments in calls(task, outcome, part):
                run(awx, module, arguments)
    return outcome


def tasks(name: str) -> list[Task]:
    return list(yaml.safe_load((TASKS / name).read_text()))


def calls(task: Task, outcome: planning.Outcome, part: Mapping[str, Any]) -> Iterator[tuple[str, Task]]:
    """The module and arguments of each turn of a task's loop, templated as Ansible does it."""
    module = next(key for key in task if key.startswith("awx.awx."))
    known = {
        "msp_awx_steps": outcome.steps,
        "msp_awx_removals": outcome.removals,
        "msp_awx_secrets": secrets(),
    }
    for item in templated(task["loop"], known):
        variables = {**known, "item": item}
        if "when" in task and not templated(f"{{{{ {task['when']} }}}}", variables):
            continue
        yield module.removeprefix("awx.awx."), templated(task[module], variables)


def templated(value: Any, variables: Mapping[str, Any]) -> Any:
    return Templar(DataLoader(), variables=dict(variables)).template(_trusted(value))


def _trusted(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _trusted(one) for name, one in value.items()}
    return trust_as_template(value) if isinstance(value, str) else value


def run(awx: StandInAwx, module: str, arguments: Task) -> Task:
    """One run of an unmodified module."""
    collections()
    main = importlib.import_module(f"ansible_collections.awx.awx.plugins.modules.{module}").main
    given = {**plain(arguments), "controller_host": awx.url, "controller_oauthtoken": awx.token}
    said = io.StringIO()
    with patch_module_args(given), redirect_stdout(said), suppress(SystemExit):
        main()
    result: Task = json.loads(said.getvalue().strip().splitlines()[-1])
    assert not result.get("failed"), f"{module} {arguments.get('name', arguments)}: {result['msg']}"
    return result


def argument_spec(module: str) -> Task:
    """The argument spec that a module gives itself, without those of the connection."""
    collections()
    code = importlib.import_module(f"ansible_collections.awx.awx.plugins.modules.{module}")
    seen: Task = {}

    class Told(Exception):
        pass

    def tell(argument_spec: Task, **_unused: Any) -> None:
        seen.update(argument_spec)
        raise Told

    original = code.ControllerAPIModule
    code.ControllerAPIModule = tell  # type: ignore[attr-defined]
    try:
        code.main()
    except Told:
        return seen
    finally:
        code.ControllerAPIModule = original  # type: ignore[attr-defined]
    raise AssertionError(module)


def plain(value: Any) -> Any:
    return json.loads(json.dumps(value, default=str))
