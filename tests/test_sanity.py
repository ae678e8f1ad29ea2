"""`ansible-test sanity` of the collection, with no ignores but those that say why."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
COLLECTION = ROOT / "collections" / "ansible_collections" / "msp" / "ops"
IGNORES = COLLECTION / "tests" / "sanity"

# ansible-test would download a script that bootstraps pip; the one that ships with Python serves. It does so in nine
# environments, one for each test with needs of its own: the first gets a pip that the others get copied, compiled.
GET_PIP = """\
import shutil
import sysconfig
from pathlib import Path

packages, kept = Path(sysconfig.get_path("purelib")), Path(__file__).with_name("pip")
if kept.exists():
    shutil.copytree(kept, packages, dirs_exist_ok=True)
else:
    import ensurepip

    ensurepip.bootstrap(default_pip=True)
    for part in packages.glob("pip*"):
        shutil.copytree(part, kept / part.name)
"""


@pytest.fixture
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home of its own, so that nothing of the user's is used or changed."""
    home = tmp_path_factory.mktemp("home")
    cache = home / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True)
    import ansible_test

    source = Path(next(iter(ansible_test.__path__))) / "_util" / "target" / "setup" / "bootstrap.sh"
    assert source.exists(), "ansible-test is laid out differently: look where it keeps get_pip"
    (cache / "get_pip_25_2.py").write_text(GET_PIP)
    return home


@pytest.mark.slow
def test_the_collection_passes_every_sanity_test(home: Path) -> None:
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    tool = shutil.which("ansible-test", path=str(Path(sys.executable).parent))
    assert tool, "ansible-test comes with ansible-core"

    done = subprocess.run(
        [tool, "sanity", "--color", "no", "--local", "--requirements", "--python", python],
        cwd=COLLECTION,
        env={**os.environ, "HOME": str(home), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )

    told = [line for line in done.stdout.splitlines() if line.startswith("ERROR")]
    assert done.returncode == 0, "\n".join([*told, done.stdout[-2000:], done.stderr[-2000:]])


def test_every_sanity_ignore_says_why() -> None:
    for path in IGNORES.glob("ignore-*.txt"):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            assert "#" in line, f"{path.name}:{number}: an ignore needs its reason behind a #"
