"""Devices that this machine has not: torch is told that it has them."""

import pytest
import torch

from tvdenoise.devices import WORTH, pick_device
from tvdenoise.errors import DeviceError

CPU = torch.device("cpu")


@pytest.fixture
def machine(monkeypatch):
    def has(kind: str | None, count: int = 1) -> None:
        device = None if kind is None else torch.device(kind)
        monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda check_available: device)
        monkeypatch.setattr(torch.accelerator, "device_count", lambda: count)

    return has


def test_auto_is_the_accelerator_if_there_is_one(machine):
    machine(None)
    assert pick_device("auto", CPU, torch.float32, WORTH) == CPU
    machine("cuda")
    assert pick_device("auto", CPU, torch.float64, WORTH).type == "cuda"


def test_auto_leaves_small_pictures_to_the_cpu(machine):
    machine("cuda")
    assert pick_device("auto", CPU, torch.float32, WORTH - 1) == CPU
    assert pick_device("auto", torch.device("cuda"), torch.float32, 1).type == "cuda"
    assert pick_device("cuda", CPU, torch.float32, 1).type == "cuda"


def test_auto_stays_where_a_tensor_is(machine):
    machine("cuda", 2)
    assert pick_device("auto", torch.device("cuda:1"), torch.float32, WORTH) == torch.device("cuda:1")


def test_named_devices_must_be_there(machine):
    machine("cuda", 2)
    assert pick_device("cpu", torch.device("cuda:0"), torch.float64, WORTH) == CPU
    assert pick_device("cuda:1", CPU, torch.float64, WORTH) == torch.device("cuda:1")
    for name in ("cuda:2", "xpu", "gpu"):
        with pytest.raises(DeviceError, match=f"{name}: torch .* use auto, cpu or cuda"):
            pick_device(name, CPU, torch.float32, WORTH)


def test_float64_is_not_asked_of_a_device_that_has_none(machine):
    machine("mps")
    assert pick_device("auto", CPU, torch.float32, WORTH).type == "mps"
    assert pick_device("auto", torch.device("mps"), torch.float64, WORTH) == CPU
    with pytest.raises(DeviceError, match="mps: it computes in float32 at most"):
        pick_device("mps", CPU, torch.float64, WORTH)
