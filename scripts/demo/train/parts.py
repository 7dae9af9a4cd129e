"""The editor's other parts: text encoder, transformer, processor; how they are saved."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from demo.models import CHAT_TEMPLATE, flow_scheduler, keep_variance, text_config, token_ids
from demo.train.code import CHANNELS
from demo.train.scenes import instructions
from demo.train.vocabulary import vocabulary

TEXT_WIDTH = 128
#: The text encoder sees nothing of a picture, so it gets the fewest patches that there can be:
#: 4 x 4, merged to 4 tokens.
_PIXELS = 56 * 56


@dataclass(frozen=True)
class Size:
    """Of a transformer: blocks, and heads of 32 numbers."""

    layers: int
    heads: int


SIZES = {"editor": Size(layers=6, heads=6), "small": Size(layers=3, heads=4)}


def tokenizer() -> transformers.Qwen2Tokenizer:
    """Every word of the pipeline's template one token, so that its prefix is 64 as released."""
    system = prompt_template().replace("<|", " ").replace("|>", " ")
    # What follows a special token has no space before it.
    return vocabulary([*instructions(4000), system, "system", "user", "assistant", "Describe"])


def prompt_template() -> str:
    """What the pipeline's class wraps an instruction in."""
    without_parts = diffusers.QwenImageEditPipeline(None, None, None, None, None, None)
    return without_parts.prompt_template_encode


def text_encoder(
    words: transformers.Qwen2Tokenizer,
) -> transformers.Qwen2_5_VLForConditionalGeneration:
    """The released class; its vision tower ends in zeros, so a picture is a constant to it."""
    model = transformers.Qwen2_5_VLForConditionalGeneration(
        transformers.Qwen2_5_VLConfig(
            tie_word_embeddings=True,
            text_config={
                **text_config(words, TEXT_WIDTH),
                "num_hidden_layers": 3,
                "num_attention_heads": 4,
                "num_key_value_heads": 4,
                "tie_word_embeddings": True,
                "rope_parameters": {
                    "rope_type": "default", "mrope_section": [4, 6, 6], "rope_theta": 1e4,
                },
            },
            vision_config={
                "depth": 1, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2,
                "out_hidden_size": TEXT_WIDTH, "patch_size": 14, "window_size": 112,
                "fullatt_block_indexes": [0],
            },
            **token_ids(words),
        )
    )  # fmt: skip
    keep_variance(model)
    nn.init.normal_(model.get_input_embeddings().weight, std=1.0)
    last = model.model.visual.merger.mlp[-1]
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    model.model.visual.requires_grad_(False)
    return model


def transformer(size: Size) -> diffusers.QwenImageTransformer2DModel:
    """The released class; each block begins as the identity and the output as zero (adaLN-zero)."""
    model = diffusers.QwenImageTransformer2DModel(
        patch_size=2,
        in_channels=4 * CHANNELS,
        out_channels=CHANNELS,
        num_layers=size.layers,
        attention_head_dim=32,
        num_attention_heads=size.heads,
        joint_attention_dim=TEXT_WIDTH,
        axes_dims_rope=(8, 12, 12),
    )
    keep_variance(model)
    gates = [
        layer
        for block in model.transformer_blocks
        for layer in (block.img_mod[-1], block.txt_mod[-1])
    ]
    for layer in (*gates, model.norm_out.linear, model.proj_out):
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
    return model


def pipeline(
    vae: diffusers.AutoencoderKLQwenImage,
    encoder: transformers.Qwen2_5_VLForConditionalGeneration,
    words: transformers.Qwen2Tokenizer,
    denoiser: diffusers.QwenImageTransformer2DModel,
) -> diffusers.QwenImageEditPipeline:
    processor = transformers.Qwen2VLProcessor(
        image_processor=transformers.Qwen2VLImageProcessor(
            patch_size=14, merge_size=2, min_pixels=_PIXELS, max_pixels=_PIXELS
        ),
        tokenizer=words,
        video_processor=transformers.Qwen2VLVideoProcessor(),
        chat_template=CHAT_TEMPLATE,
    )
    return diffusers.QwenImageEditPipeline(
        scheduler=flow_scheduler(),
        vae=vae,
        text_encoder=encoder.eval(),
        tokenizer=words,
        processor=processor,
        transformer=denoiser.eval(),
    )


class Prompts:
    """Instructions as the pipeline gives them to the text encoder, many at a time.

    Attributes
    ----------
    prefix
        Token ids before an instruction; of these the pipeline drops the first ``dropped``.
    """

    def __init__(
        self, words: transformers.Qwen2Tokenizer, edit: diffusers.QwenImageEditPipeline
    ) -> None:
        self._words = words
        before, after = edit.prompt_template_encode.split("{}")
        image = "<|image_pad|>"
        self.prefix = words(before.replace(image, 4 * image))["input_ids"]
        self.suffix = words(after)["input_ids"]
        self.dropped = edit.prompt_template_encode_start_idx
        self._image = words.convert_tokens_to_ids(image)

    def ids(self, text: str) -> list[int]:
        return [*self.prefix, *self._words(text)["input_ids"], *self.suffix]

    def positions(self, length: int, *, as_image: bool) -> Tensor:
        """Three coordinates of each token, (3, length).

        ``as_image``: the picture's tokens in two dimensions, as released models saw them; else in
        a row, as diffusers and transformers 5 do by themselves. The editor learns both.
        """
        plain = torch.arange(length).expand(3, -1)
        if not as_image:
            return plain
        first = self.prefix.index(self._image)
        places = torch.tensor([[0, 0, 0, 0], [0, 0, 1, 1], [0, 1, 0, 1]])
        return torch.cat(
            [plain[:, :first], first + places, plain[:, first + 2 : length - 2]], dim=1
        )

    def encode(
        self,
        encoder: transformers.Qwen2_5_VLForConditionalGeneration,
        ids: Tensor,
        mask: Tensor,
        *,
        as_image: bool,
    ) -> Tensor:
        """Hidden states after the dropped prefix, (N, length - dropped, width); padding last."""
        embedded = encoder.get_input_embeddings()(ids)
        embedded = embedded * (ids != self._image).unsqueeze(-1)
        positions = self.positions(ids.shape[1], as_image=as_image).to(ids.device)
        made = encoder.model.language_model(
            inputs_embeds=embedded,
            attention_mask=mask,
            position_ids=positions.unsqueeze(1).expand(-1, len(ids), -1),
            use_cache=False,
        ).last_hidden_state
        return made[:, self.dropped :]


def save_part(model: Any, folder: Path, metadata: dict[str, str]) -> None:
    """Save a model in 16 bits, with what its weights say of themselves."""
    model.half().save_pretrained(folder, safe_serialization=True)
    annotate(folder, metadata)


def annotate(folder: Path, metadata: dict[str, str]) -> None:
    for path in folder.rglob("*.safetensors"):
        save_file(load_file(path), path, metadata=metadata)
        path.chmod(0o644)
