"""An autoencoder that is computed instead of trained, in the real class.

Encoder: an exact linear code. Residual branches are zero, so what is left between pictures and the
last norm are the strided convolutions; these take a picture of one megapixel back to 256 pixels a
side and then project blocks on principal components, 2 x 2, 4 x 4 and at last 8 x 8 pixels (the
blocks of 32 pixels of the megapixel). A large constant channel holds the last norm, and numbers so
small that SiLU is a line there pass it.

Decoder: a start only. It repeats each number twice and convolves with one kernel, so that equal
latents give one colour everywhere: no decoder of this class can undo the blocks exactly. Each stage
is the least-squares estimate of the components of the blocks half its size; training adds the
residual branches. From 256 pixels to the megapixel it interpolates, and SiLU passes the colours as
silu(x) - silu(-x) = x.
"""

from __future__ import annotations

from typing import Any

import torch
from diffusers import AutoencoderKLQwenImage
from torch import Tensor, nn
from torch.nn import functional

from demo.train.code import CHANNELS, Code, Pictures, Projection, blocks, scaled
from demo.train.one_frame import fill

WIDTHS = (8, 8, 16, 32, 56, 56)
# Of the constant channel: the last norm then varies by less than 0.1 %.
_HOLD_ENCODER, _HOLD_DECODER = 512.0, 64.0
# Of one standard deviation before SiLU, which is x / 2 (1 + x / 2 ...): off by 0.1 %.
_SMALL = 0.002
# Taps of the filter that gives each of the 256 pixels from four of 1024, (-s, .5 + s, .5 + s, -s);
# s is what best undoes the pipeline's Lanczos enlargement (65 dB).
_SHARPEN = 0.05
#: Taps of the two interpolations after each number was repeated: k, 1 - 2 k, k. Of those tried the
#: nearest to the Lanczos enlargement (47 dB).
INTERPOLATION = (0.15, 0.25)
# Of the encoder: pipelines take the mode, whatever its variance.
_LOG_VARIANCE = -12.0
# So many of the first components are seen from the four neighbours too.
_SHARED = 5


def fitted_code(pictures: Pictures) -> Code:
    return Code.fitted(pictures, middle=WIDTHS[3] - 1, wide=WIDTHS[4] - 1)


def new(std: list[float] | None = None) -> AutoencoderKLQwenImage:
    """The class at the demo's sizes: compression 32-fold, every source 16 x 16 tokens."""
    return AutoencoderKLQwenImage(
        base_dim=8,
        z_dim=CHANNELS,
        dim_mult=[width // 8 for width in WIDTHS],
        num_res_blocks=1,
        temperal_downsample=[False] * 5,
        latents_mean=[0.0] * CHANNELS,
        latents_std=std or [1.0] * CHANNELS,
    ).eval()


def exact_start(code: Code, pictures: Pictures) -> AutoencoderKLQwenImage:
    """The model of a code, its decoder's start fitted to ``pictures`` (N, 256, 256, 3)."""
    model = new(code.std.tolist())
    part: Any
    for part in (model.encoder, model.decoder):
        for block in part.modules():
            if hasattr(block, "conv2"):
                _clear(block.conv2)
        _clear(part.mid_block.attentions[0].proj)
    _set_encoder(model.encoder, code)
    fill(model.quant_conv, _same(2 * CHANNELS))
    fill(model.post_quant_conv, _same(CHANNELS))
    _set_decoder(model.decoder, code, pictures)
    return model


def _set_encoder(encoder: Any, code: Code) -> None:
    a = -2 * _SHARPEN
    sharpen = torch.tensor([a, 1 - 2 * a, a])
    fill(encoder.conv_in, _spread(torch.eye(3), sharpen))
    downs = [layer.resample[1] for layer in encoder.down_blocks if hasattr(layer, "resample")]
    fill(downs[0], _spread(torch.eye(3), torch.tensor([0, 0.5, 0.5])))
    fill(downs[1], _spread(torch.eye(3), torch.tensor([1.0, 0, 0])))
    fill(downs[2], _gathered(torch.eye(12), 3))
    for convolution, projection in ((downs[3], code.middle), (downs[4], code.wide)):
        rows = torch.from_numpy(projection.rows)
        bias = _constant(convolution.out_channels, _HOLD_ENCODER)
        bias[: len(rows)] = -rows @ torch.from_numpy(projection.mean)
        fill(convolution, _gathered(rows, rows.shape[1] // 4), bias)
    for block in encoder.down_blocks:
        _pass_on(block)
    std = torch.from_numpy(code.std)
    gain = torch.ones(WIDTHS[5])
    gain[:CHANNELS] = _SMALL / std * _HOLD_ENCODER / WIDTHS[5] ** 0.5
    encoder.norm_out.gamma.data.copy_(gain.view(-1, 1, 1, 1))
    variance = torch.tensor([0.0, _LOG_VARIANCE]).repeat_interleave(CHANNELS)
    fill(
        encoder.conv_out, _spread(torch.diag(2 * std / _SMALL), torch.tensor([0.0, 1, 0])), variance
    )


def _set_decoder(decoder: Any, code: Code, pictures: Pictures) -> None:
    pixels = scaled(pictures)
    twos = blocks(pixels)
    fours = blocks(twos)
    half = Projection.fitted(fours, WIDTHS[4] // 2 - 1)
    targets = [
        torch.from_numpy(maps).permute(0, 3, 1, 2) for maps in (half.of(fours), twos, pixels)
    ]
    fill(decoder.conv_in, _neighbours(torch.from_numpy(code.std)), _constant(WIDTHS[5], 1.0))
    for block in decoder.up_blocks:
        for resnet in block.resnets:
            _pass_on(resnet)
    latents = torch.from_numpy(code.normalised(pictures) * code.std[:, None, None])
    features = functional.conv2d(latents, decoder.conv_in.weight[:, :, -1], padding=1)
    ups = [b.upsamplers[0].resample[1] for b in decoder.up_blocks if b.upsamplers is not None]
    for convolution, target in zip(ups, targets, strict=False):
        weight, bias = _regression(features, target)
        constants = _constant(convolution.out_channels, 1.0)
        constants[: len(bias)] = bias
        fill(convolution, weight, constants)
        features = functional.conv2d(_repeated(features), weight, bias, padding=1)
    for convolution, k in zip(ups[3:], INTERPOLATION, strict=True):
        kernel = _spread(torch.eye(3), torch.tensor([k, 1 - 2 * k, k]))
        fill(convolution, kernel, _constant(convolution.out_channels, 1.0))
    pairs = torch.cat([torch.eye(3), -torch.eye(3)])
    last = decoder.up_blocks[-1].resnets[0].conv_shortcut
    fill(last, pairs[:, :, None, None], _constant(WIDTHS[0], _HOLD_DECODER))
    decoder.norm_out.gamma.data.fill_(_HOLD_DECODER / WIDTHS[0] ** 0.5)
    fill(decoder.conv_out, _spread(pairs.T, torch.tensor([0.0, 1, 0])))


def _neighbours(std: Tensor) -> Tensor:
    """The kernel that normalises latents and adds the neighbours' first components as channels."""
    kernel = torch.zeros(WIDTHS[5], CHANNELS, 3, 3)
    kernel[:CHANNELS] = _spread(torch.diag(1 / std), torch.tensor([0.0, 1, 0]))
    shifted = kernel[CHANNELS:-1]
    for number, (y, x) in enumerate(((0, 1), (1, 0), (1, 2), (2, 1))):
        for component in range(_SHARED):
            shifted[number * _SHARED + component, component, y, x] = 1 / std[component]
    return kernel


def _regression(features: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """The 3 x 3 kernel and bias on the repeated ``features`` that best give ``target``."""
    moment, product = torch.zeros((), dtype=torch.float64), torch.zeros((), dtype=torch.float64)
    for one, wanted in zip(features, target, strict=True):
        window = functional.unfold(_repeated(one[None]), 3, padding=1)[0]
        window = torch.cat([window, torch.ones(1, window.shape[1])])
        # Some places are enough; a step coprime to the blocks' side meets all of theirs.
        step = 1 + 2 * (window.shape[1] // 8192)
        window = window[:, ::step].double()
        moment = moment + window @ window.T
        product = product + wanted.reshape(len(wanted), -1)[:, ::step].double() @ window.T
    # A little ridge: the kernel's taps see the same number twice.
    ridge = 1e-5 * torch.eye(len(moment), dtype=torch.float64) * moment.diagonal().mean()
    solved = torch.linalg.solve(moment + ridge, product.T).T.float()
    return solved[:, :-1].reshape(len(solved), -1, 3, 3), solved[:, -1]


def _repeated(maps: Tensor) -> Tensor:
    return functional.interpolate(maps, scale_factor=2, mode="nearest")


def _gathered(projection: Tensor, channels: int) -> Tensor:
    """The kernel of a strided convolution that is ``blocks`` followed by ``projection``."""
    kernel = torch.zeros(len(projection), channels, 3, 3)
    kernel[:, :, :2, :2] = projection.view(len(projection), 2, 2, channels).permute(0, 3, 1, 2)
    return kernel


def _spread(matrix: Tensor, taps: Tensor) -> Tensor:
    """The kernel that mixes channels by ``matrix`` and filters rows and columns with ``taps``."""
    return matrix[:, :, None, None] * torch.outer(taps, taps)


def _same(channels: int) -> Tensor:
    return torch.eye(channels)[:, :, None, None]


def _constant(channels: int, value: float) -> Tensor:
    """A bias that makes the last channel a constant."""
    bias = torch.zeros(channels)
    bias[-1] = value
    return bias


def _pass_on(block: Any) -> None:
    if isinstance(getattr(block, "conv_shortcut", None), nn.Conv3d):
        fill(block.conv_shortcut, _same(block.conv_shortcut.in_channels))


def _clear(layer: Any) -> None:
    fill(layer, torch.zeros(0, 0, 1, 1))
