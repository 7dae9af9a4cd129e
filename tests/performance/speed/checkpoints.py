"""Checkpoints of Qwen-Image-Edit to measure with: released shapes or tiny ones, random weights.

Random weights compute as long as released ones. What they cannot show is how good a picture is, how
often a cache hits, and how long reading from a real disk takes.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
import yaml
from safetensors.torch import save_file

from demo import models as tiny_models
from edit_benchmark.config.resolve import SCHEMA

#: The configurations of the released Qwen-Image-Edit.
TRANSFORMER = {
    "patch_size": 2, "in_channels": 64, "out_channels": 16, "num_layers": 60,
    "attention_head_dim": 128, "num_attention_heads": 24, "joint_attention_dim": 3584,
    "guidance_embeds": False, "axes_dims_rope": (16, 56, 56),
}  # fmt: skip
_TEXT = {
    "hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28,
    "num_attention_heads": 28, "num_key_value_heads": 4, "max_position_embeddings": 128000,
    "rope_parameters": {
        "rope_type": "default", "mrope_section": [16, 24, 24], "rope_theta": 1e6,
    },
    "vocab_size": 152064,
}  # fmt: skip
_VISION = {
    "depth": 32, "hidden_size": 1280, "intermediate_size": 3420, "num_heads": 16,
    "out_hidden_size": 3584, "patch_size": 14, "window_size": 112,
    "fullatt_block_indexes": [7, 15, 23, 31],
}  # fmt: skip
_RELEASED_PIXELS = 12_845_056
_LORA_RANK = 64
_LORA_LAYERS = ("attn.to_q", "attn.to_k", "attn.to_v", "attn.to_out.0")


def save_edit_pipeline(folder: Path, device: str, full_size: bool) -> None:
    """Save a Qwen-Image-Edit pipeline; 54 GiB at full size, made on ``device``."""
    tiny_models.save_edit_pipeline(folder, "edit")
    if not full_size:
        return
    for part in ("transformer", "text_encoder", "vae"):
        for file in (folder / part).glob("*.safetensors"):
            file.unlink()
    own = json.loads((folder / "text_encoder" / "config.json").read_text(encoding="utf-8"))
    tokens = {key: value for key, value in own.items() if key.endswith("_token_id")}
    with _bfloat16():
        with torch.device(device):
            transformer = diffusers.QwenImageTransformer2DModel(**TRANSFORMER)
        transformer.save_pretrained(folder / "transformer")
        del transformer
        torch.cuda.empty_cache()
        with torch.device(device):
            encoder = transformers.Qwen2_5_VLForConditionalGeneration(
                transformers.Qwen2_5_VLConfig(text_config=_TEXT, vision_config=_VISION, **tokens)
            )
        encoder.save_pretrained(folder / "text_encoder")
        del encoder
        torch.cuda.empty_cache()
        vae = diffusers.AutoencoderKLQwenImage()
        tiny_models.keep_variance(vae)
        vae.save_pretrained(folder / "vae")
    for path in (folder / "processor").glob("*.json"):
        text = path.read_text(encoding="utf-8")
        pixels = str(tiny_models.MAX_PIXELS)
        path.write_text(text.replace(pixels, str(_RELEASED_PIXELS)), encoding="utf-8")


def save_plus(edit: Path, plus: Path) -> None:
    """The same weights as a checkpoint of the Plus pipeline (2509), by links to their files."""
    for file in edit.rglob("*"):
        link = plus / file.relative_to(edit)
        if file.is_file() and not link.exists():
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(file.resolve())
    index = json.loads((edit / "model_index.json").read_text(encoding="utf-8"))
    index["_class_name"] = "QwenImageEditPlusPipeline"
    (plus / "model_index.json").unlink()
    (plus / "model_index.json").write_text(json.dumps(index), encoding="utf-8")


def save_lora(path: Path, config: Mapping[str, Any]) -> None:
    """A LoRA of random weights for a transformer of ``config``, named as Lightning's are."""
    width = config["num_attention_heads"] * config["attention_head_dim"]
    generator = torch.Generator().manual_seed(0)
    state = {}
    for block in range(config["num_layers"]):
        for layer in _LORA_LAYERS:
            for name, shape in (("A", (_LORA_RANK, width)), ("B", (width, _LORA_RANK))):
                values = torch.randn(shape, generator=generator) / width
                key = f"transformer.transformer_blocks.{block}.{layer}.lora_{name}.weight"
                state[key] = values.to(torch.bfloat16)
    save_file(state, path)


def settings(checkpoint: Path, full_size: bool, **changes: Any) -> dict[str, Any]:
    """A model of the configuration, as the README's: 50 steps with guidance; tiny ones take 2."""
    size = {} if full_size else {"height": 64, "width": 64}
    return defaults("model") | size | {
        "editor": "diffusers",
        "checkpoint": str(checkpoint),
        "dtype": "bfloat16" if full_size else "float32",
        "num_inference_steps": 50 if full_size else 2,
        "true_cfg_scale": 4.0,
        "negative_prompt": " ",
    } | changes  # fmt: skip


def defaults(kind: str) -> dict[str, Any]:
    """What the schema gives a ``model`` or a ``judge`` by default; None where it gives nothing."""
    definitions = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))["$defs"]
    return {
        name: (definitions[part["$ref"].rpartition("/")[2]] if "$ref" in part else part).get(
            "default"
        )
        for name, part in definitions[kind]["properties"].items()
    }


def remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _bfloat16() -> Iterator[None]:
    usual = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    torch.manual_seed(0)  # so that the pictures of two machines can be compared
    try:
        yield
    finally:
        torch.set_default_dtype(usual)
