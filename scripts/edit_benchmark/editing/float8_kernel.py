"""Triton kernel of the 8-bit layers: a row of numbers to float8 values and their scale."""

# Triton reads the kernel's annotations; capitals mark what it knows when it compiles.
# ruff: noqa: N803
# mypy: disable-error-code="no-untyped-def, untyped-decorator"

from __future__ import annotations

import torch
import triton
import triton.language as tl


@triton.jit
def float8_kernel(
    rows,
    values,
    scales,
    LARGEST: tl.constexpr,
    LEAST: tl.constexpr,
    WIDTH: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """One row: its float8 values and their scale, so that its largest number becomes LARGEST.

    Both limits are constants: a compiled block would hand a number over in 64 bits, and from those
    there is no way to float8.
    """
    row = tl.program_id(0).to(tl.int64)
    column = tl.arange(0, BLOCK)
    mask = column < WIDTH
    x = tl.load(rows + row * WIDTH + column, mask, other=0.0).to(tl.float32)
    scale = tl.maximum(tl.max(tl.abs(x)) / LARGEST, LEAST)
    tl.store(values + row * WIDTH + column, (x / scale).to(values.dtype.element_ty), mask)
    tl.store(scales + row, scale)


def rows_to_float8(
    rows: torch.Tensor, largest: float, least: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """(N, D) contiguous to float8 values (N, D) and float32 scales (N, 1)."""
    count, width = rows.shape
    values = torch.empty_like(rows, dtype=torch.float8_e4m3fn)
    scales = rows.new_empty(count, 1, dtype=torch.float32)
    float8_kernel[(count,)](
        rows, values, scales, LARGEST=largest, LEAST=least,
        WIDTH=width, BLOCK=triton.next_power_of_2(width), num_warps=8,
    )  # fmt: skip
    return values, scales
