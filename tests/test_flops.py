"""What an edit costs in arithmetic, and the rate that it is held against."""

from __future__ import annotations

import pytest
import torch

import flops
from qwen_transformer import IMAGE_TOKENS, inputs, transformer

FULL = {
    "patch_size": 2,
    "in_channels": 64,
    "out_channels": 16,
    "num_layers": 60,
    "attention_head_dim": 128,
    "num_attention_heads": 24,
    "joint_attention_dim": 3584,
}


def test_a_forward_at_one_megapixel_is_198_tflop() -> None:
    assert flops.forward_flops(FULL, 8192, 1400) == pytest.approx(198.2e12, rel=1e-3)


@pytest.mark.parametrize("zero_cond_t", [False, True])
def test_flops_are_those_of_the_products_that_really_run(zero_cond_t: bool) -> None:
    from torch.utils.flop_counter import FlopCounterMode

    model = transformer(zero_cond_t, torch.float32)
    given = inputs(torch.float32, 7, 0.5)
    # The counter knows the plain form of attention; the CPU's fused kernel it does not see.
    with (
        torch.no_grad(),
        torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH),
        FlopCounterMode(display=False) as counter,
    ):
        model(**given)
    assert counter.get_total_flops() == flops.forward_flops(model.config, IMAGE_TOKENS, 7)


@torch.no_grad()
def test_every_forward_is_counted_with_its_own_lengths() -> None:
    model = transformer(False, torch.float32)
    with flops.counted(model) as count:
        for text in (5, 9):
            model(**inputs(torch.float32, text, 0.5))
    model(**inputs(torch.float32, 30, 0.5))
    assert count.forwards == 2
    expected = [flops.forward_flops(model.config, IMAGE_TOKENS, text) for text in (5, 9)]
    assert count.flops == sum(expected)


def test_the_rate_is_the_median_over_long_and_not_the_burst(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spans = iter([[0.1] * 9, [2.0, 4.0, 400.0]])  # warming up, then what counts
    monkeypatch.setattr(flops, "_timed", lambda *_: next(spans))
    assert flops.sustained_rate("cpu", size=8) == 2 * 8**3 / 4.0


def test_timing_goes_on_for_as_long_as_asked() -> None:
    calls: list[int] = []
    times = flops._timed(lambda: calls.append(1), "cpu", seconds=0.002)
    assert len(times) == len(calls)
    assert sum(times) >= 0.002


def test_utilisation_is_the_share_of_the_rate() -> None:
    assert flops.utilisation(flops=50.0, seconds=2.0, rate=100.0) == 0.25
