"""Checkpoints to measure with: released shapes or tiny ones, random weights.

Random weights compute as long as released ones. What they cannot show is how good an image is, how
often a cache hits, and how long reading from a real disk takes.
"""

from __future__ import annotations

import gc
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import diffusers
import torch
import transformers
from safetensors.torch import save_file

from demo import models
from edit_benchmark.config.editors import DiffusersEditorSettings
from edit_benchmark.config.judges import RUBRICS, TransformersJudgeSettings

# The configurations of the released Qwen-Image-Edit.
_TRANSFORMER = {
    "patch_size": 2, "in_channels": 64, "out_channels": 16, "num_layers": 60,
    "attention_head_dim": 128, "num_attention_heads": 24, "joint_attention_dim": 3584,
    "guidance_embeds": False, "axes_dims_rope": (16, 56, 56),
}  # fmt: skip
_EDIT_TEXT = {
    "hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28,
    "num_attention_heads": 28, "num_key_value_heads": 4, "max_position_embeddings": 128000,
    "rope_parameters": {
        "rope_type": "default", "mrope_section": [16, 24, 24], "rope_theta": 1e6,
    },
    "vocab_size": 152064,
}  # fmt: skip
_EDIT_VISION = {
    "depth": 32, "hidden_size": 1280, "intermediate_size": 3420, "num_heads": 16,
    "out_hidden_size": 3584, "patch_size": 14, "window_size": 112,
    "fullatt_block_indexes": [7, 15, 23, 31],
}  # fmt: skip
_EDIT_PIXELS = 12_845_056
_LORA_RANK = 64
_LORA_LAYERS = ("attn.to_q", "attn.to_k", "attn.to_v", "attn.to_out.0")
# The configurations of FLUX.2 [dev] that are not the classes' defaults.
_MISTRAL = {
    "model_type": "mistral", "hidden_size": 5120, "intermediate_size": 32768,
    "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 131072,
    "max_position_embeddings": 131072, "sliding_window": None,
}  # fmt: skip
_PIXTRAL = {
    "model_type": "pixtral", "hidden_size": 1024, "intermediate_size": 4096,
    "num_hidden_layers": 24, "num_attention_heads": 16, "image_size": 1540, "patch_size": 14,
}  # fmt: skip
# The configuration of Qwen3-VL-8B.
_JUDGE_TEXT = {
    "hidden_size": 4096, "intermediate_size": 12288, "num_hidden_layers": 36,
    "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 151936,
    "max_position_embeddings": 262144,
    "rope_parameters": {
        "rope_type": "default", "rope_theta": 5e6, "mrope_section": [24, 20, 20],
        "mrope_interleaved": True,
    },
}  # fmt: skip
_JUDGE_VISION = {
    "depth": 27, "hidden_size": 1152, "intermediate_size": 4304, "num_heads": 16,
    "out_hidden_size": 4096, "patch_size": 16, "deepstack_visual_indexes": [8, 16, 24],
    "num_position_embeddings": 2304,
}  # fmt: skip
_JUDGE_PIXELS = {"shortest_edge": 65_536, "longest_edge": 16_777_216}
# Large enough for whole words, as a released tokenizer has them.
_VOCABULARY = 4000
# Of the arithmetic at full size.
_FULL_SIZE_DTYPE: Literal["bfloat16", "float32"] = "bfloat16"


def save_edit_pipeline(folder: Path, device: str, full_size: bool) -> None:
    """Save a Qwen-Image-Edit pipeline; 54 GiB at full size, made on ``device``."""
    models.save_edit_pipeline(folder, "edit")
    if not full_size:
        return
    for part in ("transformer", "text_encoder", "vae"):
        for file in (folder / part).glob("*.safetensors"):
            file.unlink()
    own = json.loads((folder / "text_encoder" / "config.json").read_text(encoding="utf-8"))
    tokens = {key: value for key, value in own.items() if key.endswith("_token_id")}
    with _bfloat16():
        with torch.device(device):
            transformer = diffusers.QwenImageTransformer2DModel(**_TRANSFORMER)
        transformer.save_pretrained(folder / "transformer")
        del transformer
        torch.cuda.empty_cache()
        with torch.device(device):
            encoder = transformers.Qwen2_5_VLForConditionalGeneration(
                transformers.Qwen2_5_VLConfig(
                    text_config=_EDIT_TEXT, vision_config=_EDIT_VISION, **tokens
                )
            )
        encoder.save_pretrained(folder / "text_encoder")
        del encoder
        torch.cuda.empty_cache()
        vae = diffusers.AutoencoderKLQwenImage()
        models.keep_variance(vae)
        vae.save_pretrained(folder / "vae")
    for path in (folder / "processor").glob("*.json"):
        text = path.read_text(encoding="utf-8")
        pixels = str(models.MAX_PIXELS)
        path.write_text(text.replace(pixels, str(_EDIT_PIXELS)), encoding="utf-8")


def save_flux2(folder: Path, device: str, text_layers: int) -> None:
    """Save a pipeline of the shapes of FLUX.2 [dev], 105 GiB with all 40 ``text_layers``.

    Each model is made on ``device`` and saved before the next one: no device holds all of them.
    """
    qwen = folder / "qwen"
    models.save_edit_pipeline(qwen)
    words = transformers.AutoTokenizer.from_pretrained(qwen / "tokenizer")
    template = transformers.AutoProcessor.from_pretrained(qwen / "processor").chat_template
    remove(qwen)
    image = ("[IMG]", "[IMG_BREAK]", "[IMG_END]")
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=words.backend_tokenizer,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        extra_special_tokens=dict(
            zip(("image_token", "image_break", "image_end"), image, strict=True)
        ),
    )
    processor = transformers.PixtralProcessor(
        image_processor=transformers.PixtralImageProcessor(patch_size=14),
        tokenizer=tokenizer,
        patch_size=14,
        chat_template=template,
    )
    text = {**_MISTRAL, "num_hidden_layers": text_layers}
    config = transformers.Mistral3Config(
        text_config=text,
        vision_config=_PIXTRAL,
        image_token_index=tokenizer.convert_tokens_to_ids("[IMG]"),
    )
    parts: dict[str, Any] = {
        "transformer": diffusers.Flux2Transformer2DModel,
        "text_encoder": lambda: transformers.Mistral3ForConditionalGeneration(config),
        "vae": diffusers.AutoencoderKLFlux2,
    }
    classes = {}
    for name, build in parts.items():
        with _bfloat16(), torch.device(device):
            model = build()
        model.save_pretrained(folder / name)
        library = "transformers" if name == "text_encoder" else "diffusers"
        classes[name] = [library, type(model).__name__]
        del model
        gc.collect()
        torch.cuda.empty_cache()
    processor.save_pretrained(folder / "tokenizer")
    diffusers.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True).save_pretrained(
        folder / "scheduler"
    )
    index = {
        "_class_name": "Flux2Pipeline",
        "_diffusers_version": diffusers.__version__,
        "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
        "tokenizer": ["transformers", "PixtralProcessor"],
        **classes,
    }
    (folder / "model_index.json").write_text(json.dumps(index), encoding="utf-8")


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


def save_judge(folder: Path, device: str, full_size: bool) -> None:
    """Save a judge, 18 GB at full size, made on ``device``; an existing one is left as it is."""
    if (folder / "config.json").is_file():
        return
    models.save_judge(folder)
    if full_size:
        _enlarge_judge(folder, device)
        gc.collect()  # a model holds itself in circles
        torch.cuda.empty_cache()


def _enlarge_judge(folder: Path, device: str) -> None:
    """Put a full-size model and a tokenizer with whole words in place of the tiny ones."""
    (folder / "model.safetensors").unlink()
    processor = transformers.AutoProcessor.from_pretrained(folder)
    corpus = (RUBRICS / "reasoning.yaml").read_text(encoding="utf-8")
    processor.tokenizer = processor.tokenizer.train_new_from_iterator([corpus], _VOCABULARY)
    processor.image_processor.size = _JUDGE_PIXELS
    processor.save_pretrained(folder)
    token = processor.tokenizer.convert_tokens_to_ids
    with _bfloat16(), torch.device(device):
        model = transformers.Qwen3VLForConditionalGeneration(
            transformers.Qwen3VLConfig(
                text_config={**_JUDGE_TEXT, "pad_token_id": processor.tokenizer.pad_token_id},
                vision_config=_JUDGE_VISION,
                image_token_id=token("<|image_pad|>"),
                video_token_id=token("<|video_pad|>"),
                vision_start_token_id=token("<|vision_start|>"),
                vision_end_token_id=token("<|vision_end|>"),
            )
        )
    model.save_pretrained(folder)


def edit_settings(
    checkpoint: Path, full_size: bool, steps: int | None = None
) -> DiffusersEditorSettings:
    """An editor as the README configures it, with guidance.

    ``steps`` is 50 unless given, and 2 for the tiny model, whose images have 64 pixels a side.
    """
    side = None if full_size else 64
    return DiffusersEditorSettings(
        editor="diffusers",
        checkpoint=str(checkpoint),
        dtype=_FULL_SIZE_DTYPE if full_size else "float32",
        num_inference_steps=steps or (50 if full_size else 2),
        true_cfg_scale=4.0,
        negative_prompt=" ",
        height=side,
        width=side,
    )


def judge_settings(
    checkpoint: Path,
    full_size: bool,
    method: Literal["expected", "generated"] = "expected",
    batch_size: int = 8,
) -> TransformersJudgeSettings:
    """A judge of the configuration, with what its random weights call for."""
    return TransformersJudgeSettings(
        judge="transformers",
        checkpoint=str(checkpoint),
        dtype=_FULL_SIZE_DTYPE if full_size else "float32",
        method=method,
        answer="text",
        batch_size=batch_size,
        max_pixels=2**20,
        max_new_tokens=64 if full_size else 3,
        min_mass=0,
    )


def remove(folder: Path) -> None:
    """Delete ``folder``, if it exists."""
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _bfloat16() -> Iterator[None]:
    """New weights within the block are bfloat16, and drawn from one seed."""
    usual = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    torch.manual_seed(0)  # so that the images of two machines can be compared
    try:
        yield
    finally:
        torch.set_default_dtype(usual)
