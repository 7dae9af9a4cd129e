"""Triton kernels of the fused blocks, each a pass over the tokens.

All compute in float32 and round once. Arrays are contiguous, tokens first; a modulation is
(rows, PARTS D), its parts the shifts, scales and gates of a block.
"""

# Triton reads the kernels' annotations; capitals mark what it knows when it compiles.
# ruff: noqa: N803
# mypy: disable-error-code="no-untyped-def, untyped-decorator"

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit(do_not_specialize=["text_tokens"])
def residual_norm_kernel(
    tokens,
    branch,
    gate_modulation,
    norm_modulation,
    image_rows,
    updated,
    normed,
    text_tokens,
    epsilon,
    PARTS: tl.constexpr,
    GATE_PART: tl.constexpr,
    SHIFT_PART: tl.constexpr,
    SCALE_PART: tl.constexpr,
    WIDTH: tl.constexpr,
    BLOCK: tl.constexpr,
    TEXT_ROW: tl.constexpr,
    WITH_RESIDUAL: tl.constexpr,
    WITH_NORM: tl.constexpr,
):
    """One token: updated = tokens + gate * branch; normed = (1 + scale) * norm(updated) + shift.

    Without the residual, updated is tokens. The norm is a layer norm over the token's channels; a
    negative SHIFT_PART says that there is no shift. ``image_rows`` has the modulation row of each
    image token.
    """
    token = tl.program_id(0)
    channel = tl.arange(0, BLOCK)
    mask = channel < WIDTH
    offsets = token * WIDTH + channel
    if TEXT_ROW == 1:
        row = tl.where(token < text_tokens, 1, 0)
    else:
        row = tl.load(image_rows + token - text_tokens, mask=token >= text_tokens, other=TEXT_ROW)
    gate_modulation += row * PARTS * WIDTH
    norm_modulation += row * PARTS * WIDTH
    value = tl.load(tokens + offsets, mask, other=0.0).to(tl.float32)
    if WITH_RESIDUAL:
        gate = tl.load(gate_modulation + GATE_PART * WIDTH + channel, mask, other=0.0)
        gate = gate.to(tl.float32)
        value += gate * tl.load(branch + offsets, mask, other=0.0).to(tl.float32)
        rounded = value.to(updated.dtype.element_ty)
        tl.store(updated + offsets, rounded, mask)
        value = rounded.to(tl.float32)
    if WITH_NORM:
        scale = tl.load(norm_modulation + SCALE_PART * WIDTH + channel, mask, other=0.0)
        mean = tl.sum(value) / WIDTH
        centred = tl.where(mask, value - mean, 0.0)
        variance = tl.sum(centred * centred) / WIDTH
        result = centred * tl.rsqrt(variance + epsilon)
        result = result * (1.0 + scale.to(tl.float32))
        if SHIFT_PART >= 0:
            shift = tl.load(norm_modulation + SHIFT_PART * WIDTH + channel, mask, other=0.0)
            result += shift.to(tl.float32)
        tl.store(normed + offsets, result.to(normed.dtype.element_ty), mask)


@triton.jit(do_not_specialize=["tokens", "text_tokens"])
def norm_rope_kernel(
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
    STRIDE: tl.constexpr,
):
    """A group of heads of one token, in place: RMS norm, then rotary embedding of pairs.

    STRIDE is the distance between the cosines (and sines) of two tokens.
    """
    token = tl.program_id(0)
    group = tl.program_id(1)
    is_key = group // (HEADS // GROUP)
    first_head = (group % (HEADS // GROUP)) * GROUP
    size: tl.constexpr = 2 * HALF
    offsets = ((is_key * tokens + token) * HEADS + first_head) * size + tl.arange(0, GROUP * size)
    stream = tl.where(token < text_tokens, 0, 1)
    weight = tl.load(weights + (stream * 2 + is_key) * size + tl.arange(0, size)).to(tl.float32)
    x = tl.reshape(tl.load(queries_keys + offsets).to(tl.float32), (GROUP, size))
    x = x * tl.rsqrt(tl.sum(x * x, 1) / size + epsilon)[:, None] * weight[None, :]
    even, odd = tl.split(tl.reshape(x, (GROUP, HALF, 2)))
    angle = token * STRIDE + tl.arange(0, HALF)
    cosine, sine = tl.load(cosines + angle)[None, :], tl.load(sines + angle)[None, :]
    rotated = tl.join(even * cosine - odd * sine, odd * cosine + even * sine)
    rotated = tl.reshape(rotated, (GROUP * size,))
    tl.store(queries_keys + offsets, rotated.to(queries_keys.dtype.element_ty))


@triton.jit
def gated_unit_kernel(gates, values, WIDTH: tl.constexpr, BLOCK: tl.constexpr):
    """A block of one token's channels, in place: values = SiLU(gates) * values."""
    channel = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    mask = channel < WIDTH
    offsets = tl.program_id(0) * WIDTH + channel
    gate = tl.load(gates + offsets, mask, other=0.0).to(tl.float32)
    result = gate * tl.sigmoid(gate) * tl.load(values + offsets, mask, other=0.0).to(tl.float32)
    tl.store(values + offsets, result.to(values.dtype.element_ty), mask)


@triton.jit(do_not_specialize=["query_count", "padding"])
def remove_padding_kernel(
    attended,
    log_sum_exp,
    queries,
    last_key,
    query_count,
    padding,
    scale,
    HEADS: tl.constexpr,
    SIZE: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """One token, in place: attention as if the copies of the last key had not been there."""
    token = tl.program_id(0)
    head = tl.arange(0, BLOCK)
    head_mask = head < HEADS
    offsets = head[:, None] * SIZE + tl.arange(0, SIZE)[None, :]
    mask = head_mask[:, None] & (tl.arange(0, SIZE) < SIZE)[None, :]
    query = tl.load(queries + token * HEADS * SIZE + offsets, mask, other=0.0).to(tl.float32)
    key = tl.load(last_key + offsets, mask, other=0.0).to(tl.float32)
    logarithm = tl.load(log_sum_exp + head * query_count + token, head_mask, other=0.0)
    padding_share = padding * tl.exp(tl.sum(query * key, 1) * scale - logarithm)
    attended += token * HEADS * SIZE
    value = tl.load(attended + offsets, mask, other=0.0).to(tl.float32)
    value = value / (1.0 - padding_share)[:, None]
    tl.store(attended + offsets, value.to(attended.dtype.element_ty), mask)
