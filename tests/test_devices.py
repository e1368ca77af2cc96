"""Devices that this machine has not: torch is told that it has them."""

from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from tvdenoise import denoise
from tvdenoise.errors import DeviceError, PictureError, PrecisionError
from tvdenoise.files.attempt import attempt
from tvdenoise.files.job import Job
from tvdenoise.machine import devices, remarks
from tvdenoise.machine.devices import MIN_VALUES_FOR_ACCELERATOR as ENOUGH
from tvdenoise.machine.devices import knows_float64, pick_device, set_worker_index
from tvdenoise.options.settings import Settings

CPU = torch.device("cpu")


@pytest.fixture
def machine(monkeypatch):
    # Accelerators that are not there can only be made up where torch looks for them.
    def has(kind: str | None, count: int = 1) -> None:
        device = None if kind is None else torch.device(kind)
        monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda check_available: device)
        monkeypatch.setattr(torch.accelerator, "device_count", lambda: count)

    return has


@pytest.fixture
def move(monkeypatch):
    """Replace what happens when torch moves a tensor to CUDA: the device is given, and that which takes it returned."""
    to = torch.Tensor.to

    def replaced(choose):
        def moved(tensor, target, *others, **options):
            if isinstance(target, torch.device) and target.type == "cuda":
                target = choose(target)
            return to(tensor, target, *others, **options)

        monkeypatch.setattr(torch.Tensor, "to", moved)

    return replaced


@pytest.fixture
def any_size(monkeypatch):
    """Let "auto" take the accelerator for small pictures too; large ones would take minutes on some machines."""
    monkeypatch.setattr(devices, "MIN_VALUES_FOR_ACCELERATOR", 1)


def test_auto_is_the_accelerator_if_there_is_one(machine):
    machine(None)
    assert pick_device("auto", CPU, torch.float32, ENOUGH) == CPU
    machine("cuda")
    assert pick_device("auto", CPU, torch.float64, ENOUGH).type == "cuda"


def test_auto_leaves_small_pictures_to_the_cpu(machine):
    machine("cuda")
    assert pick_device("auto", CPU, torch.float32, ENOUGH - 1) == CPU
    assert pick_device("auto", torch.device("cuda"), torch.float32, 1).type == "cuda"
    assert pick_device("cuda", CPU, torch.float32, 1).type == "cuda"


def test_auto_stays_where_a_tensor_is(machine):
    machine("cuda", 2)
    assert pick_device("auto", torch.device("cuda:1"), torch.float32, ENOUGH) == torch.device("cuda:1")


def test_named_devices_must_be_there(machine):
    machine("cuda", 2)
    assert pick_device("cpu", torch.device("cuda:0"), torch.float64, ENOUGH) == CPU
    assert pick_device("cuda:1", CPU, torch.float64, ENOUGH) == torch.device("cuda:1")
    for name in ("cuda:2", "xpu", "gpu"):
        with pytest.raises(DeviceError, match=f"{name}: torch .* use auto, cpu or cuda"):
            pick_device(name, CPU, torch.float32, ENOUGH)


def test_float64_is_not_asked_of_a_device_that_has_none(machine):
    machine("mps")
    assert pick_device("auto", CPU, torch.float32, ENOUGH).type == "mps"
    assert pick_device("auto", torch.device("mps"), torch.float64, ENOUGH) == CPU
    with pytest.raises(PrecisionError, match="image: mps computes in float32 at most"):
        pick_device("mps", CPU, torch.float64, ENOUGH)


@pytest.mark.parametrize("has_fp64", [True, False])
def test_some_of_intels_have_float64(machine, monkeypatch, has_fp64):
    machine("xpu")
    monkeypatch.setattr(torch.xpu, "get_device_properties", lambda _: SimpleNamespace(has_fp64=has_fp64))
    assert knows_float64(torch.device("xpu")) == has_fp64
    assert pick_device("auto", CPU, torch.float64, ENOUGH).type == ("xpu" if has_fp64 else "cpu")


@pytest.fixture
def third_worker() -> Iterator[None]:
    set_worker_index(3)
    yield
    set_worker_index(None)


def test_processes_take_turns_where_no_number_is_told(machine, third_worker):
    machine("cuda", 2)
    for name, expected in (("auto", "cuda:1"), ("cuda", "cuda:1"), ("cuda:0", "cuda:0"), ("cpu", "cpu")):
        assert pick_device(name, CPU, torch.float32, ENOUGH) == torch.device(expected)


def test_a_file_that_is_too_fine_for_a_device_fails_alone(machine, run, here):
    machine("mps")
    np.save("fine.npy", np.zeros((9, 9)))
    code, _, err = run("fine.npy", "-o", "out.npy", "--device", "mps", "-l", "0.1")
    expected = "fine.npy: mps computes in float32 at most, too coarse for it or for the tolerance; use the device cpu"
    assert (code, err) == (1, f"tvdenoise: {expected}\n")
    outcome = attempt(Job(here / "fine.npy", here / "out.npy", Settings(0.1, device="mps")), overwrite=False)
    assert isinstance(outcome.error, PictureError)
    assert outcome.row.error == f"{here}/{expected}"


def test_what_fails_on_an_accelerator_nobody_asked_for_is_done_on_the_cpu(machine, move, any_size):
    def fail(_device):
        raise RuntimeError("no kernel image\nis available")

    machine("cuda")
    move(fail)
    f = torch.rand(20, 30)
    with remarks.capture() as said:
        assert torch.equal(denoise(f).image, denoise(f, device="cpu").image)
    assert said == ["the CPU did what cuda could not: no kernel image is available"]
    for asked in (f, "cuda"), (f.as_subclass(Elsewhere), "auto"):
        with pytest.raises(RuntimeError, match="no kernel image"):
            denoise(asked[0], device=asked[1])


@pytest.mark.parametrize("weight", [0.1, "auto"])
@pytest.mark.parametrize("device", ["auto", "cuda"])
@pytest.mark.parametrize(
    "message",
    [
        "CUDA out of memory. Tried to allocate",
        "Triton Error [CUDA]: out of memory",
        "level_zero backend failed with error: 39 (UR_RESULT_ERROR_OUT_OF_DEVICE_MEMORY)",
        "Invalid buffer size: 9.75 GB",
    ],
)
def test_a_picture_for_which_the_device_has_too_little_memory_goes_to_the_cpu(
    machine, move, any_size, weight, device, message
):
    def fail(_device):
        raise RuntimeError(message)

    machine("cuda")
    move(fail)
    f = torch.rand(20, 30)
    with remarks.capture() as said:
        result = denoise(f, weight, device=device)
    assert result.device == "cpu"
    assert torch.equal(result.image, denoise(f, weight, device="cpu").image)
    assert said == [f"the CPU did what cuda could not: {message}"]


def test_what_a_listener_raises_is_no_failure_of_the_accelerator(machine, move, any_size):
    machine("cuda")
    move(lambda _device: CPU)
    heard = []

    def stop(progress):
        heard.append(progress.step)
        raise RuntimeError("enough")

    with remarks.capture() as said, pytest.raises(RuntimeError, match="enough"):
        denoise(torch.rand(20, 30), 0.1, callback=stop)
    assert (heard, said) == ([0], [])


class Elsewhere(torch.Tensor):
    device = torch.device("cuda:1")


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_auto_stays_on_the_device_of_a_tensor_of_any_type(machine, move, dtype):
    class MovedError(Exception):
        pass

    def fail(device):
        raise MovedError(str(device))

    machine("cuda", 2)
    move(fail)
    with pytest.raises(MovedError, match="cuda:1"):
        denoise(torch.zeros(3, 3, dtype=dtype).as_subclass(Elsewhere), 0.1)
