import pytest
import torch

from lab_utils import device as device_module
from lab_utils.device import (
    PRECISIONS,
    default_device,
    one_thread,
    precision_for,
    rng_state,
    seeded,
    set_rng_state,
    synchronize,
)
from tests.refusals import refuses


@pytest.fixture
def bare_cpu(monkeypatch):
    """A machine with neither CUDA nor MPS, and no LAB_DEVICE."""
    monkeypatch.delenv("LAB_DEVICE", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    return monkeypatch


def test_cuda_comes_before_mps_and_mps_before_cpu(bare_cpu):
    assert default_device().type == "cpu"
    bare_cpu.setattr(torch.backends.mps, "is_available", lambda: True)
    assert default_device().type == "mps"
    bare_cpu.setattr(torch.cuda, "is_available", lambda: True)
    assert default_device().type == "cuda"


def test_variable_wins_over_cuda(bare_cpu):
    bare_cpu.setattr(torch.cuda, "is_available", lambda: True)
    bare_cpu.setenv("LAB_DEVICE", "CPU")
    assert default_device() == torch.device("cpu")


def test_variable_takes_a_device_number(bare_cpu):
    bare_cpu.setattr(torch.cuda, "is_available", lambda: True)
    bare_cpu.setattr(torch.cuda, "device_count", lambda: 2)
    bare_cpu.setenv("LAB_DEVICE", "cuda:1")
    assert default_device() == torch.device("cuda:1")
    bare_cpu.setenv("LAB_DEVICE", "cuda:2")
    refuses("finds only cpu, cuda", default_device)


@pytest.mark.parametrize(("name", "hint"), [("cudda", "'cuda'"), ("gpu", "cpu, cuda"), ("cuda:x", "'cuda'")])
def test_unknown_name_suggests_the_nearest(bare_cpu, name, hint):
    bare_cpu.setenv("LAB_DEVICE", name)
    refuses(hint, default_device)


@pytest.mark.parametrize("name", ["cuda", "mps"])
def test_device_that_is_not_there_says_what_is(bare_cpu, name):
    bare_cpu.setenv("LAB_DEVICE", name)
    refuses("finds only cpu on this machine", default_device)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({"avx512_f": True, "avx512_bf16": False, "amx_bf16": False}, "fp32"),
        ({"avx512_bf16": True}, "bf16"),
        ({"amx_bf16": True}, "bf16"),
        ({}, "fp32"),
    ],
)
def test_cpu_uses_bf16_only_with_bf16_units(monkeypatch, flags, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: dict(flags), raising=False)
    device_module._cpu_has_bf16_units.cache_clear()
    try:
        assert precision_for("cpu") == expected
    finally:
        device_module._cpu_has_bf16_units.cache_clear()


@pytest.mark.parametrize(("capability", "expected"), [((7, 5), "fp32"), ((8, 0), "bf16"), ((9, 0), "bf16")])
def test_cuda_uses_bf16_from_ampere_on(monkeypatch, capability, expected):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert precision_for(torch.device("cuda:0")) == expected


def test_mps_stays_in_fp32():
    assert precision_for("mps") == "fp32"


def test_synchronize_is_harmless_on_the_cpu():
    synchronize("cpu")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_default_device_computes_in_its_precision(monkeypatch):
    monkeypatch.delenv("LAB_DEVICE", raising=False)
    device = default_device()
    assert device.type == "cuda"
    assert precision_for(device) in PRECISIONS
    torch.ones(2, 2, device=device) @ torch.ones(2, 2, device=device)
    synchronize(device)


def test_seeded_block_repeats_and_leaves_the_random_numbers_alone():
    before = torch.get_rng_state()
    draws = []
    for _ in range(2):
        with seeded(3, "cpu"):
            draws.append(torch.rand(4))
    assert torch.equal(*draws)
    assert torch.equal(torch.get_rng_state(), before)


def test_seeded_block_restores_after_an_error():
    before = torch.get_rng_state()

    def draw_and_fail():
        with seeded(3, "cpu"):
            torch.rand(4)
            raise KeyError

    with pytest.raises(KeyError):
        draw_and_fail()
    assert torch.equal(torch.get_rng_state(), before)


def test_rng_state_continues_where_it_was_taken():
    with seeded(0, "cpu"):
        state = rng_state("cpu")
        first = torch.rand(3)
        set_rng_state(state, "cpu")
        assert torch.equal(torch.rand(3), first)


def test_one_thread_holds_inside_the_block_and_ends_with_it_even_on_an_error():
    def fail():
        with one_thread():
            assert torch.get_num_threads() == 1
            raise KeyError

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with pytest.raises(KeyError):
            fail()
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
