"""Triton kernels of the fused blocks, each a pass over the tokens.

All compute in float32 and round once. Arrays are contiguous, tokens first; a modulation is
(rows, 6 D), for each half of a block the shift, scale and gate.
"""

# Triton reads the kernels' annotations; capitals mark what it knows when it compiles.
# ruff: noqa: N803
# mypy: disable-error-code="no-untyped-def, untyped-decorator"

from __future__ import annotations

import torch
import triton
import triton.language as tl


@triton.jit(do_not_specialize=["text_tokens"])
def update_kernel(
    tokens,
    branch,
    gate_modulation,
    norm_modulation,
    stream_rows,
    updated,
    normed,
    text_tokens,
    epsilon,
    GATE_AT: tl.constexpr,
    SHIFT_AT: tl.constexpr,
    WIDTH: tl.constexpr,
    BLOCK: tl.constexpr,
    TEXT_ROW: tl.constexpr,
    WITH_RESIDUAL: tl.constexpr,
    WITH_NORM: tl.constexpr,
):
    """One token: updated = tokens + gate * branch; normed = (1 + scale) * norm(updated) + shift.

    Without the residual, updated is tokens. The norm is a layer norm over the token's channels.
    """
    token = tl.program_id(0)
    column = tl.arange(0, BLOCK)
    inside = column < WIDTH
    at = token * WIDTH + column
    if TEXT_ROW == 1:
        row = tl.where(token < text_tokens, 1, 0)
    else:
        row = tl.load(stream_rows + token - text_tokens, mask=token >= text_tokens, other=TEXT_ROW)
    gate_modulation += row * 6 * WIDTH
    norm_modulation += row * 6 * WIDTH
    value = tl.load(tokens + at, inside, other=0.0).to(tl.float32)
    if WITH_RESIDUAL:
        gate = tl.load(gate_modulation + GATE_AT * WIDTH + column, inside, other=0.0).to(tl.float32)
        value += gate * tl.load(branch + at, inside, other=0.0).to(tl.float32)
        rounded = value.to(updated.dtype.element_ty)
        tl.store(updated + at, rounded, inside)
        value = rounded.to(tl.float32)
    if WITH_NORM:
        shift = tl.load(norm_modulation + SHIFT_AT * WIDTH + column, inside, other=0.0)
        scale = tl.load(norm_modulation + (SHIFT_AT + 1) * WIDTH + column, inside, other=0.0)
        mean = tl.sum(value) / WIDTH
        centred = tl.where(inside, value - mean, 0.0)
        variance = tl.sum(centred * centred) / WIDTH
        result = centred * tl.rsqrt(variance + epsilon)
        result = result * (1.0 + scale.to(tl.float32)) + shift.to(tl.float32)
        tl.store(normed + at, result.to(normed.dtype.element_ty), inside)


@triton.jit(do_not_specialize=["tokens", "text_tokens"])
def turn_kernel(
    queries_keys,
    weights,
    cosines,
    sines,
    tokens,
    text_tokens,
    epsilon,
    HEADS: tl.constexpr,
    GROUP: tl.constexpr,
    HALF: tl.constexpr,
):
    """A group of heads of one token, in place: RMS norm, then rotary embedding of pairs."""
    token = tl.program_id(0)
    group = tl.program_id(1)
    is_key = group // (HEADS // GROUP)
    first_head = (group % (HEADS // GROUP)) * GROUP
    size: tl.constexpr = 2 * HALF
    at = ((is_key * tokens + token) * HEADS + first_head) * size + tl.arange(0, GROUP * size)
    stream = tl.where(token < text_tokens, 0, 1)
    weight = tl.load(weights + (stream * 2 + is_key) * size + tl.arange(0, size)).to(tl.float32)
    x = tl.reshape(tl.load(queries_keys + at).to(tl.float32), (GROUP, size))
    x = x * tl.rsqrt(tl.sum(x * x, 1) / size + epsilon)[:, None] * weight[None, :]
    even, odd = tl.split(tl.reshape(x, (GROUP, HALF, 2)))
    angle = token * HALF + tl.arange(0, HALF)
    cosine, sine = tl.load(cosines + angle)[None, :], tl.load(sines + angle)[None, :]
    turned = tl.join(even * cosine - odd * sine, odd * cosine + even * sine)
    turned = tl.reshape(turned, (GROUP * size,))
    tl.store(queries_keys + at, turned.to(queries_keys.dtype.element_ty))


@triton.jit(do_not_specialize=["asking", "padding"])
def unpad_kernel(
    attended,
    logarithms,
    queries,
    last_key,
    asking,
    padding,
    scale,
    HEADS: tl.constexpr,
    SIZE: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """One token, in place: attention as if the copies of the last key had not been there."""
    token = tl.program_id(0)
    head = tl.arange(0, BLOCK)
    inside = head < HEADS
    at = head[:, None] * SIZE + tl.arange(0, SIZE)[None, :]
    cells = inside[:, None] & (tl.arange(0, SIZE) < SIZE)[None, :]
    query = tl.load(queries + token * HEADS * SIZE + at, cells, other=0.0).to(tl.float32)
    key = tl.load(last_key + at, cells, other=0.0).to(tl.float32)
    logarithm = tl.load(logarithms + head * asking + token, inside, other=0.0)
    share = padding * tl.exp(tl.sum(query * key, 1) * scale - logarithm)
    attended += token * HEADS * SIZE
    value = tl.load(attended + at, cells, other=0.0).to(tl.float32)
    value = value / (1.0 - share)[:, None]
    tl.store(attended + at, value.to(attended.dtype.element_ty), cells)


@triton.jit
def float8_kernel(
    rows,
    values,
    scales,
    largest,
    least,
    WIDTH: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """One row: its float8 values and their scale, so that its largest number becomes largest."""
    row = tl.program_id(0).to(tl.int64)
    column = tl.arange(0, BLOCK)
    inside = column < WIDTH
    x = tl.load(rows + row * WIDTH + column, inside, other=0.0).to(tl.float32)
    scale = tl.maximum(tl.max(tl.abs(x)) / largest, least)
    tl.store(values + row * WIDTH + column, (x / scale).to(values.dtype.element_ty), inside)
    tl.store(scales + row, scale)


def row_to_float8(rows, largest, least):
    """(N, D) contiguous to float8 values (N, D) and float32 scales (N, 1)."""
    count, width = rows.shape
    values = torch.empty_like(rows, dtype=torch.float8_e4m3fn)
    scales = rows.new_empty(count, 1, dtype=torch.float32)
    float8_kernel[(count,)](
        rows, values, scales, largest, least,
        WIDTH=width, BLOCK=triton.next_power_of_2(width), num_warps=8,
    )  # fmt: skip
    return values, scales
