"""Faster arithmetic for an edit pipeline, without approximation.

Two classes of levers. Bit-exact ones leave every output bit as the reference has it. Numeric ones
are the same mathematics with other rounding: fused kernels keep more digits between two steps than
the reference, which rounds after each. Written for ``QwenImageTransformer2DModel`` of diffusers
0.42, whose parameters keep their names.
"""

from __future__ import annotations

import copy
import logging
import math
import os
import time
from collections import OrderedDict
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from edit_benchmark.errors import UserError

logger = logging.getLogger(__name__)

#: Time steps whose modulation is kept; 4.4 MB each for the full-size model, 6.6 with zero_cond_t.
#: In bfloat16 the steps of different schedules coincide often, so this serves many pictures.
KEPT_STEPS = 256
#: Token grids and text length of the warming forward: one source, 1 MP, a picture-aware prompt.
WARM_UP_GRIDS = [(1, 64, 64), (1, 64, 64)]
WARM_UP_TEXT = 1400
#: Pipelines that take the first tokens of the transformer's output, the picture's own, and drop the
#: sources'.
_READ_ONLY_WHAT_THEY_MAKE = {"QwenImageEditPipeline", "QwenImageEditPlusPipeline"}


def compile_cache_dir() -> Path:
    """Where compiled kernels are kept between jobs and runs, made known to PyTorch and Triton.

    ``TORCHINDUCTOR_CACHE_DIR`` if it is set, else a folder of the user's cache. What is kept there
    is keyed by versions, GPU and code, so that one folder serves all.
    """
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    default = base / "edit-benchmark" / "kernels"
    path = Path(os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(default)))
    path.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("TRITON_CACHE_DIR", str(path / "triton"))
    return path


def apply(pipeline: Any, exact: Literal["bitwise", "numeric"]) -> list[str]:
    """Put the levers into a loaded pipeline and name them.

    Call it once, after weights and adapters are loaded and on their device: weights that change
    afterwards would leave remembered modulations behind. A transformer that is unknown here is
    left as it is (bitwise) or gets its repeated blocks compiled (numeric, on a GPU).

    Returns
    -------
    list[str]
        Names for the record of how a picture was made: ``vision_cache`` and ``modulation_cache``
        (bit-exact), ``fused_blocks`` and ``regional_compile`` (numeric).
    """
    transformer: Any = getattr(pipeline, "transformer", None)
    levers: list[str] = []
    encoder: Any = getattr(pipeline, "text_encoder", None)
    if type(encoder).__name__ == "Qwen2_5_VLForConditionalGeneration":
        remember_vision(encoder)
        levers.append("vision_cache")
    if transformer is not None:
        compile_cache_dir()
        weight = next(transformer.parameters())
        on_gpu = weight.device.type == "cuda"
        is_known = type(transformer).__name__ == "QwenImageTransformer2DModel"
        if is_known:
            cache_modulation(transformer)
            levers.append("modulation_cache")
        if exact == "numeric" and on_gpu:
            if (
                "modulation_cache" in levers
                and weight.dtype == torch.bfloat16
                and torch.version.cuda is not None
            ):
                fuse_blocks(transformer, type(pipeline).__name__ in _READ_ONLY_WHAT_THEY_MAKE)
                levers.append("fused_blocks")
            elif getattr(transformer, "_repeated_blocks", None):
                compile_blocks(transformer)
                levers.append("regional_compile")
    name = type(transformer).__name__
    logger.info("acceleration of %s: %s", name, ", ".join(levers) or "none, left as it is")
    return levers


def compile_blocks(transformer: Any) -> None:
    """Numeric: compile the blocks that a model repeats, once for all token counts.

    Deterministic: no choice that changes bits hangs on a measurement, so that two processes, and
    a run resumed on the same GPU model, agree.
    """
    transformer.compile_repeated_blocks(dynamic=True, options={"deterministic": True})


@torch.no_grad()
def warm_up(pipeline: Any) -> float:
    """Run a Qwen-Image transformer once on random data, always of the same shape; returns seconds.

    Kernels are compiled here, not in the first picture's time. The fixed shape matters for more
    than that: a compiler takes hints from the first shape it sees, and a picture's bits must not
    depend on which picture came before it. Does nothing on a CPU and for other transformers.

    Raises
    ------
    UserError
        If kernels cannot be compiled on this machine.
    """
    transformer: Any = getattr(pipeline, "transformer", None)
    if type(transformer).__name__ != "QwenImageTransformer2DModel":
        return 0.0
    weight = transformer.img_in.weight
    if weight.device.type != "cuda":
        return 0.0
    start = time.perf_counter()
    place: dict[str, Any] = {"device": weight.device, "dtype": weight.dtype}
    tokens = sum(frames * height * width for frames, height, width in WARM_UP_GRIDS)
    text = (1, WARM_UP_TEXT, transformer.config.joint_attention_dim)
    try:
        transformer(
            hidden_states=torch.randn(1, tokens, transformer.config.in_channels, **place),
            encoder_hidden_states=torch.randn(text, **place),
            timestep=torch.full((1,), 0.5, **place),
            img_shapes=[WARM_UP_GRIDS],
            return_dict=False,
        )
    except RuntimeError as error:
        if isinstance(error, torch.OutOfMemoryError | torch.AcceleratorError):
            raise
        raise UserError(
            f"kernels could not be compiled ({str(error).splitlines()[0]}); install a C compiler, "
            "or set exact: bitwise for this model to run without compilation."
        ) from error
    torch.cuda.synchronize()
    return time.perf_counter() - start


class CachedModulation(nn.Sequential):
    """A block's ``img_mod`` or ``txt_mod`` that answers with rows computed beforehand."""

    rows: torch.Tensor

    def __init__(self, original: nn.Sequential) -> None:
        super().__init__(*original)
        # A buffer, filled in place, is one more input to a compiled block, not a constant of it.
        self.register_buffer("rows", torch.empty(0), persistent=False)

    def compute(self, temb: torch.Tensor) -> torch.Tensor:
        """The original layer: (rows, D) to (rows, 6 D)."""
        return super().forward(temb)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return self.rows


class ModulationCache:
    """Modulation of all blocks, computed once for each time step's embedding.

    The layers read a third of the model's weights to make one or two rows, for the conditional and
    the unconditional forward alike, and again for each picture. Their only input is ``temb``,
    which is the same for both and depends on nothing but the time step; the cache is keyed by its
    bits and filled by the same layers on the same input, so the result is the same to the bit.
    Reading the key waits for the device once a forward, which costs less than the 1 to 3 ms saved.
    """

    def __init__(self, transformer: Any) -> None:
        for block in transformer.transformer_blocks:
            block.img_mod = CachedModulation(block.img_mod)
            block.txt_mod = CachedModulation(block.txt_mod)
        self._blocks = transformer.transformer_blocks
        self._zero_cond_t = transformer.zero_cond_t
        self._current = torch.empty(0)
        self._kept: OrderedDict[bytes, torch.Tensor] = OrderedDict()

    def __call__(self, _module: nn.Module, _args: Any, temb: torch.Tensor) -> None:
        """Forward hook of ``time_text_embed``; ``temb`` is (B, D), with zero_cond_t (2 B, D)."""
        key = temb.contiguous().view(torch.uint8).cpu().numpy().tobytes()
        self._bind(temb)
        rows = self._kept.get(key)
        if rows is None:
            rows = torch.stack([self._compute(block, temb) for block in self._blocks])
            if len(self._kept) == KEPT_STEPS:
                self._kept.popitem(last=False)
            self._kept[key] = rows
        self._kept.move_to_end(key)
        self._current.copy_(rows)

    def _text_rows(self, temb: torch.Tensor) -> torch.Tensor:
        return temb.chunk(2)[0] if self._zero_cond_t else temb

    def _compute(self, block: Any, temb: torch.Tensor) -> torch.Tensor:
        return torch.cat(
            [block.img_mod.compute(temb), block.txt_mod.compute(self._text_rows(temb))]
        )

    def _bind(self, temb: torch.Tensor) -> None:
        """Give every layer its view of one buffer, anew if the batch, device or type changed."""
        images = len(temb)
        shape = (len(self._blocks), images + len(self._text_rows(temb)), 6 * temb.shape[1])
        current = self._current
        if (current.shape, current.device, current.dtype) == (shape, temb.device, temb.dtype):
            return
        self._current = temb.new_empty(shape)
        for block, rows in zip(self._blocks, self._current, strict=True):
            block.modulation = rows
            block.img_mod.rows, block.txt_mod.rows = rows[:images], rows[images:]


def cache_modulation(transformer: Any) -> None:
    """Bit-exact: modulation once for each time step instead of once for each forward."""
    transformer.time_text_embed.register_forward_hook(ModulationCache(transformer))


class RememberedVision:
    """The vision tower of a text encoder, not run again for the picture that it saw last.

    An edit pipeline encodes its prompt and its negative prompt, each with the same source. The key
    is every bit of the tower's input, so the result is the same to the bit.
    """

    def __init__(self, tower: Any) -> None:
        self._compute = tower.forward
        self._seen: tuple[torch.Tensor, torch.Tensor, Any] | None = None

    def __call__(self, pixels: torch.Tensor, grid_thw: torch.Tensor, **kwargs: Any) -> Any:
        """The tower's forward: patches (N, C) and their grids (pictures, 3)."""
        # Meant for the language model: nobody reads the tower's, half a gigabyte at 1 MP.
        kwargs.pop("output_hidden_states", None)
        if kwargs:
            return self._compute(pixels, grid_thw=grid_thw, **kwargs)
        seen = self._seen
        if seen is None or not (torch.equal(seen[0], pixels) and torch.equal(seen[1], grid_thw)):
            found = self._compute(pixels, grid_thw=grid_thw)
            self._seen = seen = (pixels.clone(), grid_thw.clone(), found)
        # The caller puts its own tensors into the output.
        return copy.copy(seen[2])


def remember_vision(text_encoder: Any) -> None:
    """Bit-exact: a source is seen once for prompt and negative prompt."""
    tower = text_encoder.model.visual
    tower.forward = RememberedVision(tower)


class RealRope(nn.Module):
    """``pos_embed`` that answers with cosines and sines of all tokens, the text's first.

    Each is (tokens, head_dim / 2) in float32, the reference's complex numbers taken apart.
    """

    def __init__(self, original: nn.Module) -> None:
        super().__init__()
        self.original = original
        self._made = 0

    def made(self) -> int:
        """Image tokens of the picture that the last forward made; its sources' come after them."""
        return self._made

    def forward(
        self, grids: list[list[tuple[int, int, int]]], *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        self._made = math.prod(grids[0][0])
        image, text = self.original(grids, *args, **kwargs)
        turns = torch.cat([text, image])
        return turns.real.contiguous(), turns.imag.contiguous()


def fuse_blocks(transformer: Any, only_made: bool = False) -> None:
    """Numeric: blocks with own kernels, see ``fused_blocks``; modulation must be cached.

    With ``only_made`` the last block computes the tokens of the picture that is made and no others:
    for a pipeline that reads no others.
    """
    from edit_benchmark.editing.qwen_image.fused_blocks import (
        FusedBlock,  # needs Triton, which not every machine has
    )

    transformer.pos_embed = rope = RealRope(transformer.pos_embed)
    after = None
    for block in reversed(transformer.transformer_blocks):
        made = rope.made if only_made and after is None else None
        block.forward = after = FusedBlock(block, after, made)
