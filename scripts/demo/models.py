"""The real model classes with tiny random weights, for tests, and parts that training shares.

Images and scores of these models are noise. What they show is that the workflow drives the same
classes, files and calls as with released weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import diffusers
import torch
import transformers
from tokenizers import pre_tokenizers

SPECIAL = [
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>",
    "<|box_start|>", "<|box_end|>", "<|quad_start|>", "<|quad_end|>", "<|vision_start|>",
    "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>",
]  # fmt: skip

# The turns of the released models' template, without tools and system prompt.
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% if message.content is string %}{{ message.content }}{% else %}"
    "{% for part in message.content %}{% if part.type == 'image' %}"
    "<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ part.text }}{% endif %}{% endfor %}"
    "{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
MAX_PIXELS = 65_536  # of an image as the vision encoders see it: 256 x 256
# The default of 0.02 leaves a random model all but indifferent between tokens; with wider weights
# its scores vary from image to image, as a plot needs.
_JUDGE_RANGE = 0.3
# Of the judge's token embeddings. The answer is read at the prompt's last token, which is always
# the same: narrow embeddings let what that token attends to, images included, outweigh it.
_JUDGE_EMBEDDING_RANGE = 0.02


def save_edit_pipeline(
    path: Path, kind: Literal["edit", "plus", "plus-2511"] = "edit", seed: int = 0
) -> None:
    """Save a Qwen-Image-Edit pipeline of random weights under ``path``.

    ``edit`` is the first release's class, ``plus`` that of 2509, ``plus-2511`` the same with the
    transformer's ``zero_cond_t``. Equal arguments give equal files, byte for byte; torch's own
    random state stays as it was.
    """
    with seeded(seed):
        _edit_pipeline(kind).save_pretrained(path, safe_serialization=True)


def save_judge(path: Path, seed: int = 0) -> None:
    """Save a Qwen3-VL of random weights and its processor under ``path``.

    Like the released models' its own generation config samples. Equal arguments give equal files,
    byte for byte; torch's own random state stays as it was.
    """
    tokenizer = byte_tokenizer()
    with seeded(seed):
        _judge(tokenizer).save_pretrained(path, safe_serialization=True)
    transformers.Qwen3VLProcessor(
        image_processor=transformers.Qwen2VLImageProcessor(
            patch_size=16,
            merge_size=2,
            min_pixels=1024,
            max_pixels=MAX_PIXELS,
            image_mean=[0.5] * 3,
            image_std=[0.5] * 3,
        ),
        tokenizer=tokenizer,
        video_processor=transformers.Qwen3VLVideoProcessor(),
        chat_template=CHAT_TEMPLATE,
    ).save_pretrained(path)


def _edit_pipeline(kind: Literal["edit", "plus", "plus-2511"]) -> diffusers.DiffusionPipeline:
    tokenizer = byte_tokenizer()
    encoder = text_encoder(tokenizer)
    transformer = diffusers.QwenImageTransformer2DModel(
        patch_size=2,
        in_channels=64,
        out_channels=16,
        num_layers=2,
        attention_head_dim=32,
        num_attention_heads=2,
        joint_attention_dim=32,
        axes_dims_rope=(8, 12, 12),
        zero_cond_t=kind == "plus-2511",
    )
    # Five halvings in place of three and no residual blocks before them: the pipelines scale every
    # source to one megapixel, and encoding that is nearly all of an edit's time on a CPU.
    vae = diffusers.AutoencoderKLQwenImage(
        base_dim=8,
        z_dim=16,
        dim_mult=[1] * 6,
        num_res_blocks=0,
        temperal_downsample=[False] * 5,
        # Measured on this model's latents; with the released one's the source is all but lost.
        latents_mean=[0.0] * 16,
        latents_std=[0.4] * 16,
    )
    for model in (transformer, vae):
        keep_variance(model)
    pipeline = (
        diffusers.QwenImageEditPipeline if kind == "edit" else diffusers.QwenImageEditPlusPipeline
    )
    return pipeline(
        scheduler=flow_scheduler(),
        vae=vae,
        text_encoder=encoder.eval(),
        tokenizer=tokenizer,
        processor=edit_processor(tokenizer),
        transformer=transformer,
    )


def text_encoder(
    tokenizer: transformers.Qwen2Tokenizer,
) -> transformers.Qwen2_5_VLForConditionalGeneration:
    return transformers.Qwen2_5_VLForConditionalGeneration(
        transformers.Qwen2_5_VLConfig(
            text_config={
                **text_config(tokenizer, 32),
                "rope_parameters": {
                    "rope_type": "default", "mrope_section": [2, 3, 3], "rope_theta": 1e6,
                },
            },
            vision_config={
                "depth": 2, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2,
                "out_hidden_size": 32, "patch_size": 14, "window_size": 112,
                "fullatt_block_indexes": [1],
            },
            **token_ids(tokenizer),
        )
    )  # fmt: skip


def edit_processor(tokenizer: transformers.Qwen2Tokenizer) -> transformers.Qwen2VLProcessor:
    return transformers.Qwen2VLProcessor(
        image_processor=transformers.Qwen2VLImageProcessor(
            patch_size=14, merge_size=2, min_pixels=3136, max_pixels=MAX_PIXELS
        ),
        tokenizer=tokenizer,
        video_processor=transformers.Qwen2VLVideoProcessor(),
        chat_template=CHAT_TEMPLATE,
    )


def flow_scheduler() -> diffusers.FlowMatchEulerDiscreteScheduler:
    return diffusers.FlowMatchEulerDiscreteScheduler(
        base_image_seq_len=256,
        base_shift=0.5,
        max_image_seq_len=8192,
        max_shift=0.9,
        shift=1.0,
        shift_terminal=0.02,
        time_shift_type="exponential",
        use_dynamic_shifting=True,
    )


def _judge(tokenizer: transformers.Qwen2Tokenizer) -> transformers.Qwen3VLForConditionalGeneration:
    model = transformers.Qwen3VLForConditionalGeneration(
        transformers.Qwen3VLConfig(
            text_config={
                **text_config(tokenizer, 64),
                "head_dim": 16,
                "initializer_range": _JUDGE_RANGE,
                "rope_parameters": {
                    "rope_type": "default", "mrope_section": [4, 2, 2], "rope_theta": 5e6,
                    "mrope_interleaved": True,
                },
            },
            vision_config={
                "depth": 2, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2,
                "out_hidden_size": 64, "patch_size": 16, "deepstack_visual_indexes": [0],
                "num_position_embeddings": 64, "initializer_range": _JUDGE_RANGE,
            },
            **token_ids(tokenizer),
        )
    )  # fmt: skip
    torch.nn.init.normal_(model.get_input_embeddings().weight, std=_JUDGE_EMBEDDING_RANGE)
    model.generation_config = transformers.GenerationConfig(
        do_sample=True,
        temperature=0.7,
        top_p=0.8,
        top_k=20,
        bos_token_id=tokenizer.pad_token_id,
        eos_token_id=[tokenizer.eos_token_id, tokenizer.pad_token_id],
        pad_token_id=tokenizer.pad_token_id,
    )
    return model.eval()


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw from ``seed`` within, and leave the caller's random numbers as they were."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def keep_variance(model: torch.nn.Module) -> None:
    """Draw all weights anew with variance 1 / fan-in (LeCun), and without biases.

    torch's own initialisation shrinks what comes in at every layer and adds biases, until images
    hardly depend on source and instruction any more.
    """
    for layer in model.modules():
        if isinstance(layer, torch.nn.Linear | torch.nn.Conv2d | torch.nn.Conv3d):
            torch.nn.init.kaiming_normal_(layer.weight, nonlinearity="linear")
            if layer.bias is not None:
                torch.nn.init.zeros_(layer.bias)


def byte_tokenizer() -> transformers.Qwen2Tokenizer:
    """The real tokenizer's class over single bytes: no merges, the same special tokens."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: number for number, token in enumerate([*alphabet, *SPECIAL])}
    return transformers.Qwen2Tokenizer(
        vocab=vocabulary,
        merges=[],
        unk_token=None,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        additional_special_tokens=SPECIAL,
    )


def text_config(tokenizer: transformers.Qwen2Tokenizer, width: int) -> dict[str, Any]:
    return {
        "hidden_size": width,
        "intermediate_size": 2 * width,
        "num_hidden_layers": 2,
        "num_attention_heads": width // 16,
        "num_key_value_heads": 1,
        "max_position_embeddings": 32_768,
        "vocab_size": len(tokenizer),
        "bos_token_id": tokenizer.pad_token_id,  # as released, where it is never written
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }


def token_ids(tokenizer: transformers.Qwen2Tokenizer) -> dict[str, int]:
    return {
        f"{name}_token_id": tokenizer.convert_tokens_to_ids(token)
        for name, token in {
            "image": "<|image_pad|>",
            "video": "<|video_pad|>",
            "vision_start": "<|vision_start|>",
            "vision_end": "<|vision_end|>",
        }.items()
    }
