"""The first record may be read by twenty threads at once: msgspec must have seen its type before."""

import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "doorkey"
TOGETHER = """
import sys, threading
sys.setswitchinterval(1e-6)
from doorkey.sessions.record import Record
from doorkey.sessions.summary import Summary
barrier = threading.Barrier(16)
def read():
    barrier.wait()
    Record.from_bytes(b"\\x80")
threads = [threading.Thread(target=read) for _ in range(16)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


def test_threads_that_read_the_first_record_together_do_not_crash() -> None:
    """They did, with a segmentation fault, whenever the decoder was made by whoever came first."""
    for _ in range(3):
        assert subprocess.run([sys.executable, "-c", TOGETHER], cwd=PACKAGE.parent, check=False).returncode == 0


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.name)
def test_every_decoder_is_made_before_there_are_threads(path: Path) -> None:
    """`decode(..., type=...)` makes one when it is called."""
    text = path.read_text(encoding="utf-8")
    assert not any(f"msgspec.{kind}.decode(" in text for kind in ("msgpack", "json"))
    assert "msgspec.convert(" not in text
