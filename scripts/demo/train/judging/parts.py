"""The judge's model, processor and vocabulary at the demo's size."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import transformers

from demo.models import CHAT_TEMPLATE, byte_tokenizer, text_config, token_ids
from demo.train.judging.questions import NAMES, texts
from demo.train.vocabulary import vocabulary
from demo.world.scene import scene

PATCH, MERGE, SIDE = 16, 2, 256
#: Tokens a picture: 8 x 8, each 32 pixels wide.
TOKENS = (SIDE // PATCH // MERGE) ** 2
#: Numbers of an attention head of the text model, and how its frequencies are dealt to time, rows
#: and columns.
HEAD, SECTIONS, THETA = 32, (6, 5, 5), 300.0
_SCENES = 500  # a category, for the vocabulary


@dataclass(frozen=True)
class Size:
    """Of a judge: blocks and heads of the text model and of the vision tower; heads of 32."""

    layers: int
    heads: int
    vision_layers: int
    vision_heads: int


SIZES = {"judge": Size(6, 6, 4, 4), "tiny": Size(3, 4, 2, 2)}


def words() -> transformers.Qwen2Tokenizer:
    """A token for each word of rubric, instructions and answers."""
    scenes = [scene(seed, name, "train") for seed in range(_SCENES) for name in NAMES]
    return vocabulary(texts(processor(byte_tokenizer()), scenes))


def processor(tokenizer: transformers.Qwen2Tokenizer) -> transformers.Qwen3VLProcessor:
    """Each picture, whatever its size, becomes one of ``SIDE`` x ``SIDE`` pixels."""
    return transformers.Qwen3VLProcessor(
        image_processor=transformers.Qwen2VLImageProcessor(
            patch_size=PATCH,
            merge_size=MERGE,
            min_pixels=SIDE**2,
            max_pixels=SIDE**2,
            image_mean=[0.5] * 3,
            image_std=[0.5] * 3,
        ),
        tokenizer=tokenizer,
        video_processor=transformers.Qwen3VLVideoProcessor(),
        chat_template=CHAT_TEMPLATE,
    )


def new(tokenizer: Any, size: Size) -> transformers.Qwen3VLForConditionalGeneration:
    """The released class with weights as torch draws them."""
    width, seen = HEAD * size.heads, 32 * size.vision_heads
    model = transformers.Qwen3VLForConditionalGeneration(
        transformers.Qwen3VLConfig(
            tie_word_embeddings=True,
            text_config={
                **text_config(tokenizer, width),
                "num_hidden_layers": size.layers,
                "num_attention_heads": size.heads,
                "num_key_value_heads": max(1, size.heads // 2),
                "head_dim": HEAD,
                # Of queries and keys: a head can look at one distance whatever stands there.
                "attention_bias": True,
                "tie_word_embeddings": True,
                "rope_parameters": {
                    "rope_type": "default", "mrope_section": list(SECTIONS), "rope_theta": THETA,
                    "mrope_interleaved": True,
                },
            },
            vision_config={
                "depth": size.vision_layers, "hidden_size": seen, "intermediate_size": 2 * seen,
                "num_heads": size.vision_heads, "out_hidden_size": width, "patch_size": PATCH,
                "spatial_merge_size": MERGE, "deepstack_visual_indexes": [0],
                "num_position_embeddings": (SIDE // PATCH) ** 2,
            },
            **token_ids(tokenizer),
        )
    )  # fmt: skip
    model.generation_config = transformers.GenerationConfig(
        bos_token_id=tokenizer.pad_token_id,
        eos_token_id=[tokenizer.eos_token_id, tokenizer.pad_token_id],
        pad_token_id=tokenizer.pad_token_id,
    )
    return model


def save(model: Any, of: transformers.Qwen3VLProcessor, folder: Path) -> None:
    """Save both as the released judge lies in a folder, the weights in 16 bits."""
    model.half().save_pretrained(folder, safe_serialization=True)
    of.save_pretrained(folder)
