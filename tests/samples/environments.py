"""Doorkey as other projects get it: a wheel, and virtual environments that know nothing of this repository.

Called by conftest.py for test_samples.py and test_wheel.py; calls pip, which keeps what it downloads in
its own cache.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PATIENCE = 300.0
AT_ONCE = 2
"""Installations beside one another; pip is busy with the processor more than with the network."""


@dataclass(frozen=True)
class Environment:
    """A virtual environment in `folder`."""

    folder: Path

    def run(self, *command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        """A program of this environment, or `python`; whatever its exit code."""
        return _run([str(self.folder / "bin" / command[0]), *command[1:]], cwd)


def build_wheel(folder: Path) -> Path:
    """The wheel of the working tree, in `folder`; the working tree stays as it is."""
    _succeed([sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", str(folder), str(ROOT)], folder)
    (wheel,) = folder.glob("doorkey-*.whl")
    return wheel


@contextmanager
def environments(wheel: Path, folder: Path, samples: Sequence[str]) -> Iterator[Callable[[str], Environment]]:
    """Makes an environment for each sample in the background; what it gives waits for one of them."""
    pip = Pip(wheel, _pins(folder))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        seed = pool.submit(_make_seed, pip, folder / "seed")
        made = {name: pool.submit(_make, pip, seed, folder / name, HERE / name) for name in samples}
        try:
            yield lambda name: made[name].result()
        finally:
            pool.shutdown(cancel_futures=True)


def _pins(folder: Path) -> Path:
    """The versions that everything here is tested with; the wheel itself leaves more room."""
    files = [ROOT / "requirements.txt", ROOT / "requirements-dev.txt"]
    lines = [line for file in files for line in file.read_text().splitlines() if "==" in line]
    pins = folder / "constraints.txt"
    pins.write_text("\n".join(lines))
    return pins


@dataclass(frozen=True)
class Pip:
    """Installs Doorkey's wheel with the extra `pytest`, and more, in the versions of `pins`."""

    wheel: Path
    pins: Path

    def install(self, folder: Path, *more: str) -> None:
        pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "install"]
        wanted = [f"doorkey[pytest] @ {self.wheel.as_uri()}", *more]
        _succeed([*pip, "--no-input", "--quiet", *wanted, "--constraint", str(self.pins)], folder)


def _make_seed(pip: Pip, folder: Path) -> Path:
    """What the wheel says that it needs, installed and compiled once; where it is."""
    _make_empty(folder)
    pip.install(folder)
    return _packages(folder)


def _make(pip: Pip, seed: "Future[Path]", folder: Path, sample: Path) -> Environment:
    """From the seed, but with Doorkey and pytest installed for itself: their commands name their own Python."""
    _make_empty(folder)
    own = shutil.ignore_patterns("doorkey*", "pytest*")
    shutil.copytree(seed.result(), _packages(folder), copy_function=os.link, ignore=own, dirs_exist_ok=True)
    pip.install(folder, "--requirement", str(sample / "requirements.txt"))
    return Environment(folder)


def _make_empty(folder: Path) -> None:
    """Without a pip of its own, which would take longer to install than everything else."""
    _succeed([sys.executable, "-m", "venv", "--without-pip", str(folder)], folder.parent)


def _packages(folder: Path) -> Path:
    (found,) = folder.glob("lib/python3*/site-packages")
    return found


def _succeed(command: Sequence[str], cwd: Path) -> None:
    done = _run(command, cwd)
    assert done.returncode == 0, f"{' '.join(command)} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"


def _run(command: Sequence[str], cwd: Path) -> subprocess.CompletedProcess[str]:
    """With the caller's settings for pip, and nothing that leads Python or pytest back to this repository."""
    ours = ("PYTHON", "PYTEST", "DOORKEY", "COVERAGE", "VIRTUAL_ENV")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return subprocess.run(
        command,
        cwd=cwd,
        env={**environ, "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
