"""Reads every playbook and role: what touches a host runs on what the scope guard let in (DESIGN rule 1).

Reads files only, runs nothing. The reader itself is tested on playbooks that are wrong in every way we know.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.task import Task

ROOT = Path(__file__).resolve().parents[2]
GUARD = "msp_scope_guard"
TARGETS = "msp_targets"
READ_ONLY = f"{GUARD}_read_only"
OFFBOARDING = f"{GUARD}_offboarding"
# All that may be done to a host that is no customer's any more, besides looking at it.
WITHDRAWS = {"msp.ops.access_withdrawal"}
# Modules that only look at a host, or touch nothing but the run's own variables.
LOOKS = {
    "msp.ops.asset_audit",
    "msp.ops.control_facts",
    "msp.ops.standard_scan",
    "msp.ops.access_scan",
    *(
        f"ansible.builtin.{name}"
        for name in (
            "setup",
            "ping",
            "stat",
            "slurp",
            "getent",
            "package_facts",
            "service_facts",
            "wait_for_connection",
        )
    ),
    *(f"ansible.builtin.{name}" for name in ("debug", "assert", "fail", "set_fact", "meta")),
}
TASK_FILES = {"ansible.builtin.import_tasks", "ansible.builtin.include_tasks"}
ROLES = {"ansible.builtin.import_role", "ansible.builtin.include_role"}
SECTIONS = ("pre_tasks", "tasks", "post_tasks", "handlers")
KEYWORDS = set(Task.fattributes) | {"block", "rescue", "always", "local_action", "action", "args"}


class Reader:
    """Finds what is wrong in the playbooks and roles below one directory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.loader = DataLoader()

    def load(self, path: Path) -> Any:
        return self.loader.load_from_file(str(path), cache="none") or []

    def problems(self) -> list[str]:
        found = [line for path in sorted(self.root.glob("playbooks/**/*.y*ml")) for line in self.playbook(path)]
        for role in sorted(path for path in self.root.glob("roles/*") if path.is_dir()):
            for section in ("tasks", "handlers"):
                for path in sorted((role / section).rglob("*.y*ml")):
                    for task in flatten(self.load(path)):
                        found += [f"{path.relative_to(self.root)}: {line}" for line in wrong_task(task, role.name)]
        return found

    def playbook(self, path: Path) -> Iterator[str]:
        guard: dict[str, Any] | None = None
        for number, play in enumerate(self.load(path), 1):
            where = f"{path.relative_to(self.root)}: play {number}"
            if "import_playbook" in play or "ansible.builtin.import_playbook" in play:
                target = play.get("import_playbook") or play.get("ansible.builtin.import_playbook")
                if not (path.parent / str(target)).resolve().is_relative_to(self.root / "playbooks"):
                    yield f"{where} imports {target}, which is not among the playbooks read here"
                continue
            if is_guard(play):
                yield from (f"{where} {line}" for line in wrong_guard(play))
                guard = entry(play["roles"][0])
                continue
            yield from (f"{where} {line}" for task in play_tasks(play) for line in wrong_task(task, ""))
            if play.get("hosts") == "localhost" and play.get("connection") == "local":
                continue
            if not on_targets(play.get("hosts")):
                yield f"{where} runs on {play.get('hosts')!r}; expected {TARGETS}, or localhost with connection local"
            elif guard is None:
                yield f"{where} runs on {TARGETS}, but no guard comes before it in this file"
            elif guard.get(READ_ONLY) is not False:
                yield from (f"{where} {line}" for line in self.changes(play))
            elif OFFBOARDING in guard:
                yield from (f"{where} {line}" for line in more_than_withdraws(play))

    def changes(self, play: dict[str, Any]) -> Iterator[str]:
        """Tasks of a play behind a read-only guard that may do more than look."""
        for role in play.get("roles") or []:
            yield from self.role_changes(entry(role)["role"])
        for task in play_tasks(play):
            yield from self.task_changes(task, self.root / "playbooks")

    def role_changes(self, name: str) -> Iterator[str]:
        files = [
            path for section in ("tasks", "handlers") for path in (self.root / "roles" / name / section).rglob("*.y*ml")
        ]
        if not files:
            yield f"is read-only, but uses the role {name}, which can't be read"
        for path in sorted(files):
            for task in flatten(self.load(path)):
                yield from self.task_changes(task, path.parent)

    def task_changes(self, task: dict[str, Any], directory: Path) -> Iterator[str]:
        module = module_of(task)
        argument = task.get(module)
        if module in ROLES:
            name = argument.get("name") if isinstance(argument, dict) else None
            yield from self.role_changes(str(name))
        elif module in TASK_FILES:
            path = directory / str(argument.get("file") if isinstance(argument, dict) else argument)
            if not path.is_file():
                yield f"is read-only, but includes {argument}, which can't be read"
            else:
                for included in flatten(self.load(path)):
                    yield from self.task_changes(included, path.parent)
        elif module not in LOOKS:
            yield f"is read-only, but uses {module}"


def entry(role: Any) -> dict[str, Any]:
    return role if isinstance(role, dict) else {"role": role}


def is_guard(play: dict[str, Any]) -> bool:
    return any(entry(role).get("role") == GUARD for role in play.get("roles") or [])


def wrong_guard(play: dict[str, Any]) -> Iterator[str]:
    role = entry(play["roles"][0])
    if len(play["roles"]) != 1 or play_tasks(play):
        yield "does more than guard"
    if play.get("hosts") != "all:localhost":
        yield f"guards {play.get('hosts')!r}; expected all:localhost"
    if play.get("gather_facts") is not False:
        yield "gathers facts before the guard has decided"
    if role.get("run_once") is not True:
        yield f"runs {GUARD} without run_once: true"
    if not isinstance(role.get(READ_ONLY), bool):
        yield f"does not write {READ_ONLY} out beside the role as true or false"
    if "when" in role or "when" in play:
        yield "guards under a condition"
    if OFFBOARDING in role and (role[OFFBOARDING] is not True or role.get(READ_ONLY) is not False):
        yield f"does not write {OFFBOARDING} out as true, beside {READ_ONLY} as false"


def more_than_withdraws(play: dict[str, Any]) -> Iterator[str]:
    """What a play behind a guard for off-boarding does to a host, other than to withdraw access."""
    modules = [module_of(task) for task in play_tasks(play)]
    for name in [*(f"the role {entry(role)['role']}" for role in play.get("roles") or []), *modules]:
        if name not in LOOKS | WITHDRAWS:
            yield f"is for off-boarding, but uses {name}"


def on_targets(hosts: Any) -> bool:
    """The target group, narrowed perhaps: never widened. What ends in &msp_targets is in it whatever stands before."""
    first, *rest = str(hosts).split(":")
    return (first == TARGETS and all(part[:1] in ("&", "!") for part in rest)) or rest[-1:] == [f"&{TARGETS}"]


def play_tasks(play: dict[str, Any]) -> list[dict[str, Any]]:
    return [task for section in SECTIONS for task in flatten(play.get(section) or [])]


def flatten(tasks: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for task in tasks:
        if "block" in task:
            yield {key: value for key, value in task.items() if key == "delegate_to"}
            for section in ("block", "rescue", "always"):
                yield from flatten(task.get(section) or [])
        else:
            yield task


def module_of(task: dict[str, Any]) -> str:
    found = [key for key in task if key not in KEYWORDS and not key.startswith("with_")]
    if found:
        return str(found[0])
    # Only keywords: a block's own, kept for its delegate_to. action and local_action hide the module.
    return "ansible.builtin.meta" if not {"action", "local_action"} & set(task) else "action"


def wrong_task(task: dict[str, Any], role: str) -> Iterator[str]:
    target = task.get("delegate_to")
    if target not in (None, "localhost"):
        yield f"delegates {task.get('name', 'a task')!r} to {target!r}, which no guard let in"
    module = module_of(task)
    if role != GUARD and module.rpartition(".")[2] in ("add_host", "group_by"):
        yield f"changes the inventory with {module}: only {GUARD} may"


@pytest.mark.thorough
def test_every_play_that_touches_hosts_runs_on_what_the_guard_let_in() -> None:
    assert Reader(ROOT).problems() == []


def test_one_playbook_withdraws_access_and_every_other_keeps_to_contracted_hosts() -> None:
    reader = Reader(ROOT)

    assert [
        path.name
        for path in sorted((ROOT / "playbooks").glob("*.yml"))
        for play in reader.load(path)
        if is_guard(play) and OFFBOARDING in entry(play["roles"][0])
    ] == ["offboard.yml"]


def test_no_inventory_can_make_another_playbook_one_for_offboarding() -> None:
    # A role's own variables are stronger than those of hosts and groups; its defaults are not.
    assert Reader(ROOT).load(ROOT / "roles" / GUARD / "vars" / "main.yml")[OFFBOARDING] is False
    assert OFFBOARDING not in Reader(ROOT).load(ROOT / "roles" / GUARD / "defaults" / "main.yml")


def test_the_audit_is_guarded_and_read_only() -> None:
    plays = Reader(ROOT).load(ROOT / "playbooks" / "audit.yml")

    assert entry(plays[0]["roles"][0])[READ_ONLY] is True
    assert [play["hosts"] for play in plays[:2]] == ["all:localhost", TARGETS]


GOOD_GUARD = """
- hosts: all:localhost
  gather_facts: false
  roles:
    - {role: msp_scope_guard, run_once: true, msp_scope_guard_read_only: false}
"""
READ_ONLY_GUARD = GOOD_GUARD.replace("false}", "true}")
OFFBOARDING_GUARD = GOOD_GUARD.replace("false}", "false, msp_scope_guard_offboarding: true}")
WITHDRAWAL = """
- hosts: msp_targets
  tasks:
    - msp.ops.access_withdrawal: {keys: []}
    - ansible.builtin.debug: {msg: done}
"""
WORK = """
- hosts: msp_targets
  tasks:
    - ansible.builtin.apt: {upgrade: dist}
"""
LOOK = """
- hosts: msp_targets
  tasks:
    - msp.ops.asset_audit:
"""


def read(tmp_path: Path, text: str, **files: str) -> list[str]:
    for name, content in {"playbooks/p.yml": text, **files}.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return Reader(tmp_path).problems()


@pytest.mark.parametrize(
    "text",
    [
        GOOD_GUARD + WORK,
        READ_ONLY_GUARD + LOOK,
        OFFBOARDING_GUARD + WITHDRAWAL,
        GOOD_GUARD + WORK.replace("msp_targets", "msp_targets:&ring_pilot:!printers"),
        "- hosts: localhost\n  connection: local\n  tasks:\n    - ansible.builtin.apt: {}\n",
        GOOD_GUARD + WORK + "      delegate_to: localhost\n",
    ],
)
def test_a_playbook_written_right_is_left_alone(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (WORK, "no guard comes before it"),
        (WORK + GOOD_GUARD, "no guard comes before it"),
        (GOOD_GUARD + WORK.replace("msp_targets", "all"), "runs on 'all'"),
        (GOOD_GUARD + WORK.replace("msp_targets", "customer_x"), "runs on 'customer_x'"),
        (GOOD_GUARD + WORK.replace("msp_targets", "msp_targets:customer_x"), "runs on 'msp_targets:customer_x'"),
        (GOOD_GUARD + WORK.replace("msp_targets", '"{{ somewhere }}"'), "runs on '{{ somewhere }}'"),
        ("- hosts: localhost\n  tasks: []\n", "runs on 'localhost'"),
        (GOOD_GUARD.replace("all:localhost", "all") + WORK, "guards 'all'"),
        (GOOD_GUARD.replace("gather_facts: false", "gather_facts: true") + WORK, "gathers facts"),
        (GOOD_GUARD.replace("run_once: true, ", "") + WORK, "without run_once"),
        (GOOD_GUARD.replace("false}", '"{{ careful }}"}') + WORK, "does not write msp_scope_guard_read_only out"),
        (GOOD_GUARD.replace(", msp_scope_guard_read_only: false", "") + WORK, "does not write"),
        (GOOD_GUARD + "  when: now\n" + WORK, "under a condition"),
        (GOOD_GUARD + "  tasks:\n    - ansible.builtin.ping:\n" + WORK, "does more than guard"),
        (READ_ONLY_GUARD + WORK, "is read-only, but uses ansible.builtin.apt"),
        (OFFBOARDING_GUARD + WORK, "is for off-boarding, but uses ansible.builtin.apt"),
        (OFFBOARDING_GUARD + "- hosts: msp_targets\n  roles: [msp_tls]\n", "but uses the role msp_tls"),
        (OFFBOARDING_GUARD.replace("offboarding: true", "offboarding: false") + WITHDRAWAL, "out as true"),
        (OFFBOARDING_GUARD.replace("read_only: false", "read_only: true") + LOOK, "out as true"),
        (
            READ_ONLY_GUARD + LOOK.replace("msp.ops.asset_audit:", "action: ansible.builtin.command reboot"),
            "uses action",
        ),
        (
            READ_ONLY_GUARD + "- hosts: msp_targets\n  tasks:\n    - block:\n      - rescue: []\n        block:\n"
            "          - ansible.builtin.command: reboot\n",
            "is read-only, but uses ansible.builtin.command",
        ),
        (READ_ONLY_GUARD + LOOK + "  handlers:\n    - ansible.builtin.reboot:\n", "uses ansible.builtin.reboot"),
        (READ_ONLY_GUARD + "- hosts: msp_targets\n  roles: [unknown]\n", "the role unknown, which can't be read"),
        (
            READ_ONLY_GUARD + "- hosts: msp_targets\n  tasks:\n    - ansible.builtin.include_tasks: '{{ x }}'\n",
            "which can't be read",
        ),
        (GOOD_GUARD + WORK + "      delegate_to: '{{ item }}'\n", "delegates"),
        (
            GOOD_GUARD + "- hosts: msp_targets\n  tasks:\n    - delegate_to: other\n      block:\n"
            "        - ansible.builtin.ping:\n",
            "delegates",
        ),
        (
            GOOD_GUARD + WORK + "    - ansible.builtin.add_host: {name: x, groups: [msp_targets]}\n",
            "changes the inventory",
        ),
        ("- import_playbook: ../elsewhere.yml\n", "not among the playbooks read here"),
        ("- import_playbook: '{{ x }}/../../y.yml'\n", "not among the playbooks read here"),
    ],
)
def test_a_playbook_written_wrong_is_found(tmp_path: Path, text: str, found: str) -> None:
    problems = read(tmp_path, text)

    assert problems
    assert found in problems[0]


@pytest.mark.parametrize(
    ("task", "found"),
    [
        ("- ansible.builtin.ping:\n  delegate_to: backup01\n", "delegates"),
        ("- ansible.builtin.group_by: {key: msp_targets}\n", "changes the inventory"),
    ],
)
def test_a_role_that_reaches_past_its_host_is_found(tmp_path: Path, task: str, found: str) -> None:
    problems = read(tmp_path, GOOD_GUARD + WORK, **{"roles/r/tasks/deep/more.yml": task})

    assert len(problems) == 1
    assert found in problems[0]


def test_a_role_that_changes_something_is_found_behind_a_read_only_guard(tmp_path: Path) -> None:
    problems = read(
        tmp_path,
        READ_ONLY_GUARD + "- hosts: msp_targets\n  tasks:\n    - ansible.builtin.include_role: {name: r}\n",
        **{"roles/r/tasks/main.yml": "- ansible.builtin.copy: {dest: /etc/motd, content: x}\n"},
    )

    assert len(problems) == 1
    assert "ansible.builtin.copy" in problems[0]
