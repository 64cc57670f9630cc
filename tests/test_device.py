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
)


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


def test_variable_wins_over_cuda_and_takes_a_device_number(bare_cpu):
    bare_cpu.setattr(torch.cuda, "is_available", lambda: True)
    bare_cpu.setattr(torch.cuda, "device_count", lambda: 2)
    bare_cpu.setenv("LAB_DEVICE", "CPU")
    assert default_device() == torch.device("cpu")
    bare_cpu.setenv("LAB_DEVICE", "cuda:1")
    assert default_device() == torch.device("cuda:1")
    bare_cpu.setenv("LAB_DEVICE", "cuda:2")
    with pytest.raises(ValueError, match="finds only cpu, cuda"):
        default_device()


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
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: dict(flags), raising=False)
    device_module._cpu_has_bf16_units.cache_clear()
    found = precision_for("cpu")
    device_module._cpu_has_bf16_units.cache_clear()
    assert found == expected


@pytest.mark.parametrize(("limit", "expected"), [("AVX2", "fp32"), ("avx512_core", "fp32"), ("DEFAULT", "bf16")])
def test_cpu_uses_no_bf16_units_that_onednn_may_not_use(monkeypatch, limit, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": True}, raising=False)
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", limit)
    device_module._cpu_has_bf16_units.cache_clear()
    assert precision_for("cpu") == expected
    device_module._cpu_has_bf16_units.cache_clear()


@pytest.mark.parametrize(("capability", "expected"), [((7, 5), "fp32"), ((8, 0), "bf16"), ((9, 0), "bf16")])
def test_cuda_uses_bf16_from_ampere_on_and_mps_never(monkeypatch, capability, expected):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert precision_for(torch.device("cuda:0")) == expected
    assert precision_for("mps") == "fp32"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_default_device_computes_in_its_precision(monkeypatch):
    monkeypatch.delenv("LAB_DEVICE", raising=False)
    device = default_device()
    assert device.type == "cuda"
    assert precision_for(device) in PRECISIONS
    (torch.ones(2, 2, device=device) @ torch.ones(2, 2, device=device)).cpu()


def test_seeded_block_repeats_and_leaves_the_random_numbers_alone_even_after_an_error():
    def draw_and_fail():
        with seeded(3, "cpu"):
            draws.append(torch.rand(4))
            raise KeyError

    before, draws = torch.get_rng_state(), []
    for _ in range(2):
        with pytest.raises(KeyError):
            draw_and_fail()
    assert torch.equal(*draws)
    assert torch.equal(torch.get_rng_state(), before)
    with seeded(None, "cpu"):
        torch.rand(1)
    assert not torch.equal(torch.get_rng_state(), before)


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
