"""Fixtures that the tests share."""

import os
import resource
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from problems import KINDS

from tvdenoise.cli import main

workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))  # processes that share the cores
torch.set_num_threads(max(1, torch.get_num_threads() // workers))

if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"  # is read when Triton is first imported, whoever does it


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Let random numbers be the same whenever a test is run."""
    torch.manual_seed(0)


@pytest.fixture(params=KINDS)
def tv(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def noisy() -> np.ndarray:
    """A gray uint8 picture of 40 x 48: a disc on a ramp, with noise."""
    y, x = np.mgrid[:40, :48]
    clean = 0.2 + 0.4 * x / 48 + 0.3 * ((x - 20) ** 2 + (y - 20) ** 2 < 120)
    noise = np.random.default_rng(0).normal(0, 0.08, clean.shape)
    return np.rint(np.clip(clean + noise, 0, 1) * 255).astype(np.uint8)


@pytest.fixture
def here(tmp_path, monkeypatch, noisy) -> Path:
    """A folder with ``in.png`` and ``clean.png``, which is the working directory."""
    monkeypatch.chdir(tmp_path)
    Image.fromarray(noisy).save("in.png")
    Image.fromarray(np.sort(noisy)).save("clean.png")
    return tmp_path


@pytest.fixture
def full_disk():
    """Let no file grow beyond so many bytes: a real limit of the operating system."""

    @contextmanager
    def limited(size: int) -> Iterator[None]:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return limited


@pytest.fixture
def run(here, capsys, monkeypatch):
    """Run the command in this process; return its exit code, stdout and stderr, without lines about progress."""
    monkeypatch.setattr("tvdenoise.cli.messages.SECONDS_A_LINE", np.inf)  # which a busy machine would have time for

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["tvdenoise", *map(str, arguments)])
        handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
        monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
        with pytest.raises(SystemExit) as exit_:
            main()
        for number, handler in handlers.items():
            signal.signal(number, handler)
        captured = capsys.readouterr()
        return exit_.value.code or 0, captured.out, captured.err

    return call
