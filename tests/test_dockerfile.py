"""No container engine is needed to see that the image has all it needs: its steps are followed in a folder."""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.servers import free_port

ROOT = Path(__file__).parent.parent
LINES = (ROOT / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
LAST_STAGE = LINES[max(number for number, line in enumerate(LINES) if line.startswith("FROM")) :]


def _value(instruction: str) -> str:
    return next(line.removeprefix(instruction).strip() for line in LAST_STAGE if line.startswith(instruction))


def _environment() -> dict[str, str]:
    return dict(re.findall(r"(\w+)=(\S+)", _value("ENV ")))


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """The folder that the COPY lines of the last stage make."""
    folder = tmp_path / "app"
    folder.mkdir()
    for source, target in re.findall(r"^COPY (?!--from)(\S+) (\S+)$", "\n".join(LAST_STAGE), re.MULTILINE):
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, folder / target)
        else:
            shutil.copy(ROOT / source, folder / target)
    return folder


def test_it_does_not_run_as_root_and_checks_its_health() -> None:
    assert _value("USER ") == "10001"  # a number, so that an orchestrator can see that it is not root
    assert "/healthz" in _value("HEALTHCHECK ")


def test_what_it_copies_is_not_ignored() -> None:
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = set(re.findall(r"^COPY (?!--from)(\S+) ", "\n".join(LINES), re.MULTILINE))
    assert copied <= kept


def test_the_copied_files_start_and_are_healthy(image: Path, tmp_path: Path) -> None:
    environment = {
        **_environment(),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PORT": str(free_port()),
        "DOORKEY_INSTANCE": str(tmp_path / "data"),
        "DOORKEY_INSECURE_DEV_PROVIDER": "on",
    }
    command = re.findall(r'"([^"]+)"', _value("CMD "))
    probe = re.findall(r'"((?:[^"\\]|\\.)*)"', _value("HEALTHCHECK "))
    with subprocess.Popen(command, cwd=image, env=environment) as process:
        try:
            deadline = time.monotonic() + 20
            while subprocess.run(probe, env=environment, timeout=10, capture_output=True).returncode:
                assert time.monotonic() < deadline, "it never became healthy"
        finally:
            process.terminate()
        assert process.wait(20) == 0


def test_it_refuses_to_offer_the_development_provider_to_the_network(image: Path) -> None:
    environment = {**_environment(), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(["python", "app.py"], cwd=image, env=environment, capture_output=True, text=True, timeout=20)
    assert done.returncode == 2
    assert "DOORKEY_INSECURE_DEV_PROVIDER" in done.stderr
