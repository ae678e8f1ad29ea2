"""Runs podman with the settings this machine needs. Never touches a container, network or image it is not told of."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from lab import paths

CAP_SYS_RESOURCE = 1 << 24
TIMEOUT = 600


def settings(*, unified_cgroups: bool, ceilings: Mapping[str, int] | None) -> str:
    """A containers.conf for what differs from an ordinary machine; empty where podman's defaults work.

    Under cgroups v1 systemd in a container needs runc with cgroupfs; without CAP_SYS_RESOURCE podman's default
    limits are higher than the ones it may set, so it gets this process's own ceilings (None: it may set any). Not
    lower ones: `nproc` counts every process of the user on the whole machine, and when others use it up, a host's
    services cannot fork.
    """
    lines = []
    if ceilings is not None:
        limits = ", ".join(f'"{name}={ceiling}:{ceiling}"' for name, ceiling in ceilings.items())
        lines += ["[containers]", f"default_ulimits = [{limits}]"]
    if not unified_cgroups:
        lines += ["[engine]", 'runtime = "runc"', 'cgroup_manager = "cgroupfs"']
    return "".join(f"{line}\n" for line in lines)


def machine_settings() -> str:
    """The settings for the machine this runs on."""
    status = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    permitted = int(next(line.split()[1] for line in status if line.startswith("CapPrm:")), 16)
    return settings(
        unified_cgroups=Path("/sys/fs/cgroup/cgroup.controllers").exists(),
        ceilings=None if permitted & CAP_SYS_RESOURCE else ceilings(),
    )


def ceilings() -> dict[str, int]:
    """The highest limits that podman may give to a host here; -1 is "unlimited", to podman as to Python.

    podman's monitor lowers its own number of processes to the kernel's highest process number, and can't go above.
    """
    highest = int(Path("/proc/sys/kernel/pid_max").read_text(encoding="ascii"))
    processes = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    return {
        "nofile": resource.getrlimit(resource.RLIMIT_NOFILE)[1],
        "nproc": highest if processes == resource.RLIM_INFINITY else min(processes, highest),
    }


@cache
def environment() -> dict[str, str]:
    """What a program that runs podman needs in its environment: nothing on most machines.

    Whoever set CONTAINERS_CONF has decided already.
    """
    text = machine_settings()
    if not text or "CONTAINERS_CONF" in os.environ:
        return {}
    path = paths.cache() / "containers.conf"
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        paths.write_private(path, text)
    return {"CONTAINERS_CONF": str(path)}


def available() -> str | None:
    """None where containers with systemd can run, else the reason, as a sentence for a person."""
    if not Path("/proc/self/status").exists():
        return "Hosts in containers need Linux."
    if os.geteuid() != 0:
        return "Hosts in containers need root: without it their addresses can't be reached by ssh."
    wanted = {"podman": "podman", "mmdebstrap": "mmdebstrap", "ssh-keygen": "openssh-client"}
    if "runc" in machine_settings():
        wanted["runc"] = "runc"
    if missing := [package for program, package in wanted.items() if shutil.which(program) is None]:
        return f"Hosts in containers need {' and '.join(missing)}: apt-get install {' '.join(missing)}."
    answer = attempt("info", "--format", "{{.Host.Security.Rootless}}")
    if answer.returncode:
        return f"podman does not work here: {last_line(answer.stderr)}"
    return None


def attempt(*arguments: str, stdin: str | None = None, timeout: float = TIMEOUT) -> subprocess.CompletedProcess[str]:
    """Run podman; the caller looks at the exit status."""
    return subprocess.run(
        ["podman", *arguments],
        env={**os.environ, **environment()},
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def run(*arguments: str) -> str:
    """Run podman and return what it printed; an error names the command and podman's own last words."""
    answer = attempt(*arguments)
    if answer.returncode:
        raise MspError(
            "MSP-LAB-030",
            f"podman {arguments[0]} to succeed",
            f"exit status {answer.returncode}: {last_line(answer.stderr)}",
            "run ./msp lab down and ./msp lab up; podman info shows whether podman itself works",
        )
    return answer.stdout


def rows(*arguments: str) -> list[dict[str, Any]]:
    """Run a podman command that lists things and return its JSON."""
    return list(json.loads(run(*arguments, "--format", "json") or "[]") or [])


def last_line(text: str) -> str:
    """The line of an error that says why: podman's and runc's last one."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "(nothing was printed)"
