"""Every edit pipeline of the matrix with its real classes, tiny, of random weights.

A builder makes the pipeline; its settings are what a configuration says of it beside the
checkpoint: small sizes, two steps, guidance by the pipeline's own names.
"""

from __future__ import annotations

import string
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers

from demo import models as demo

_WIDTH = 32  # of every text encoder
# A fifth halving where a pipeline scales every source to one megapixel.
_DEEP = (2, 2, 4, 4, 4, 4)
_SHALLOW = (4, 4, 8, 8)
_SIZE = {"height": 64, "width": 64}
# Of transformers with blocks of two streams and then of one.
_TWO_BLOCKS: dict[str, Any] = {
    "num_layers": 1,
    "num_single_layers": 1,
    "attention_head_dim": 16,
    "num_attention_heads": 2,
    "joint_attention_dim": _WIDTH,
}


@dataclass(frozen=True)
class Tiny:
    """A pipeline of the matrix: how it is built, and how it is configured."""

    save: Callable[[Path], None]
    settings: dict[str, Any] = field(default_factory=dict)


def _clip_tokenizer() -> transformers.CLIPTokenizer:
    letters = [*string.ascii_lowercase, *string.digits, *string.punctuation]
    tokens = [
        *letters,
        *(f"{letter}</w>" for letter in letters),
        "<|startoftext|>",
        "<|endoftext|>",
    ]
    return transformers.CLIPTokenizer(
        vocab={token: number for number, token in enumerate(tokens)}, merges=[], model_max_length=77
    )


def _t5_tokenizer() -> transformers.T5Tokenizer:
    letters = [*string.ascii_letters, *string.digits, *string.punctuation]
    vocab = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    return transformers.T5Tokenizer(
        vocab=[*vocab, *((letter, -3.0) for letter in letters)], extra_ids=0
    )


def _byte_tokenizer(**tokens: Any) -> transformers.PreTrainedTokenizerFast:
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=demo.byte_tokenizer().backend_tokenizer,
        pad_token="<|endoftext|>",
        **tokens,
    )


def _clip_config(tokenizer: transformers.CLIPTokenizer) -> transformers.CLIPTextConfig:
    return transformers.CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=_WIDTH,
        intermediate_size=_WIDTH,
        num_hidden_layers=2,
        num_attention_heads=2,
        projection_dim=_WIDTH,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def _t5_encoder(vocab_size: int) -> transformers.T5EncoderModel:
    return transformers.T5EncoderModel(transformers.T5Config(**_t5_sizes(vocab_size)))


def _t5_sizes(vocab_size: int) -> dict[str, Any]:
    return {
        "vocab_size": vocab_size,
        "d_model": _WIDTH,
        "d_kv": 16,
        "d_ff": _WIDTH,
        "num_layers": 2,
        "num_heads": 2,
    }


def _qwen3_vl() -> tuple[
    transformers.Qwen3VLForConditionalGeneration, transformers.Qwen3VLProcessor
]:
    tokenizer = demo.byte_tokenizer()
    model = transformers.Qwen3VLForConditionalGeneration(
        transformers.Qwen3VLConfig(
            text_config={
                **demo.text_config(tokenizer, _WIDTH),
                "head_dim": 16,
                "rope_parameters": {
                    "rope_type": "default", "mrope_section": [4, 2, 2], "rope_theta": 5e6,
                    "mrope_interleaved": True,
                },
            },
            vision_config={
                "depth": 2, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2,
                "out_hidden_size": _WIDTH, "patch_size": 16, "deepstack_visual_indexes": [0],
                "num_position_embeddings": 64,
            },
            **demo.token_ids(tokenizer),
        )
    )  # fmt: skip
    processor = transformers.Qwen3VLProcessor(
        image_processor=transformers.Qwen2VLImageProcessor(
            patch_size=16, merge_size=2, min_pixels=1024, max_pixels=demo.MAX_PIXELS
        ),
        tokenizer=tokenizer,
        video_processor=transformers.Qwen3VLVideoProcessor(),
        chat_template=demo.CHAT_TEMPLATE,
    )
    return model.eval(), processor


def _kl_vae(
    widths: tuple[int, ...], channels: int, kind: Any = diffusers.AutoencoderKL, **more: Any
) -> diffusers.ModelMixin:
    return kind(
        down_block_types=("DownEncoderBlock2D",) * len(widths),
        up_block_types=("UpDecoderBlock2D",) * len(widths),
        block_out_channels=widths,
        layers_per_block=1,
        latent_channels=channels,
        norm_num_groups=2,
        **more,
    )


def _wan_vae(
    halvings: int, *, patches: int = 1, frames: bool = False
) -> diffusers.AutoencoderKLWan:
    return diffusers.AutoencoderKLWan(
        base_dim=4,
        z_dim=16,
        dim_mult=[1] * (halvings + 1),
        num_res_blocks=0,
        temperal_downsample=[False, True, True] if frames else [False] * halvings,
        patch_size=patches if patches > 1 else None,
        in_channels=3 * patches**2,
        out_channels=3 * patches**2,
        scale_factor_spatial=patches * 2**halvings,
        latents_mean=[0.0] * 16,
        latents_std=[1.0] * 16,
    )


def _flow() -> diffusers.FlowMatchEulerDiscreteScheduler:
    return diffusers.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True)


def qwen_image_21() -> diffusers.DiffusionPipeline:
    encoder, processor = _qwen3_vl()
    return diffusers.QwenImage21Pipeline(
        scheduler=_flow(),
        vae=diffusers.AutoencoderKLQwenImage21(
            base_dim=4,
            decoder_base_dim=4,
            z_dim=8,
            dim_mult=[1] * 5,
            num_res_blocks=1,
            latents_mean=[0.0] * 8,
            latents_std=[1.0] * 8,
        ),
        text_encoder=encoder,
        processor=processor,
        transformer=diffusers.QwenImage21Transformer2DModel(
            in_channels=8,
            out_channels=8,
            num_layers=2,
            attention_head_dim=16,
            num_attention_heads=2,
            context_in_dim=_WIDTH,
            mlp_ratio=2,
            axes_dims_rope=(4, 6, 6),
        ),
    )


def flux_kontext() -> diffusers.DiffusionPipeline:
    clip, t5 = _clip_tokenizer(), _t5_tokenizer()
    return diffusers.FluxKontextPipeline(
        scheduler=_flow(),
        vae=_kl_vae(_DEEP, 4, shift_factor=0.0, scaling_factor=1.0),
        text_encoder=transformers.CLIPTextModel(_clip_config(clip)),
        tokenizer=clip,
        text_encoder_2=_t5_encoder(len(t5)),
        tokenizer_2=t5,
        transformer=diffusers.FluxTransformer2DModel(
            in_channels=16,
            **_TWO_BLOCKS,
            pooled_projection_dim=_WIDTH,
            guidance_embeds=True,
            axes_dims_rope=(4, 4, 8),
        ),
    )


def _flux2_transformer(*, guidance_embeds: bool) -> diffusers.Flux2Transformer2DModel:
    return diffusers.Flux2Transformer2DModel(
        in_channels=16,
        **_TWO_BLOCKS,
        axes_dims_rope=(4, 4, 4, 4),
        guidance_embeds=guidance_embeds,
    )


def flux2() -> diffusers.DiffusionPipeline:
    tokenizer = _byte_tokenizer(
        eos_token="<|im_end|>",
        extra_special_tokens={
            "image_token": "[IMG]", "image_break": "[IMG_BREAK]", "image_end": "[IMG_END]",
        },
    )  # fmt: skip
    encoder = transformers.Mistral3ForConditionalGeneration(
        transformers.Mistral3Config(
            text_config={
                "model_type": "mistral", "vocab_size": len(tokenizer), "hidden_size": _WIDTH,
                "intermediate_size": _WIDTH, "num_hidden_layers": 2, "num_attention_heads": 2,
                "num_key_value_heads": 2, "sliding_window": None,
            },
            vision_config={
                "model_type": "pixtral", "hidden_size": 16, "intermediate_size": 16,
                "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 28,
                "patch_size": 14,
            },
            image_token_index=tokenizer.convert_tokens_to_ids("[IMG]"),
        )
    )  # fmt: skip
    return diffusers.Flux2Pipeline(
        scheduler=_flow(),
        vae=_kl_vae(_SHALLOW, 4, diffusers.AutoencoderKLFlux2),
        text_encoder=encoder.eval(),
        tokenizer=transformers.PixtralProcessor(
            image_processor=transformers.PixtralImageProcessor(patch_size=14),
            tokenizer=tokenizer,
            patch_size=14,
            chat_template=demo.CHAT_TEMPLATE,
        ),
        transformer=_flux2_transformer(guidance_embeds=True),
    )


def flux2_klein(*, is_distilled: bool = False) -> diffusers.DiffusionPipeline:
    tokenizer = demo.byte_tokenizer()
    tokenizer.chat_template = demo.CHAT_TEMPLATE
    encoder = transformers.Qwen3ForCausalLM(
        transformers.Qwen3Config(**demo.text_config(tokenizer, _WIDTH), head_dim=16)
    )
    return diffusers.Flux2KleinPipeline(
        scheduler=_flow(),
        vae=_kl_vae(_SHALLOW, 4, diffusers.AutoencoderKLFlux2),
        text_encoder=encoder.eval(),
        tokenizer=tokenizer,
        transformer=_flux2_transformer(guidance_embeds=False),
        is_distilled=is_distilled,
    )


def longcat_image_edit() -> diffusers.DiffusionPipeline:
    tokenizer = demo.byte_tokenizer()
    return diffusers.LongCatImageEditPipeline(
        scheduler=_flow(),
        vae=_kl_vae(_DEEP, 16, shift_factor=0.0, scaling_factor=1.0),
        text_encoder=demo.text_encoder(tokenizer).eval(),
        tokenizer=tokenizer,
        text_processor=demo.edit_processor(tokenizer),
        transformer=diffusers.LongCatImageTransformer2DModel(
            in_channels=64,
            **_TWO_BLOCKS,
            pooled_projection_dim=_WIDTH,
            axes_dims_rope=[4, 4, 8],
        ),
    )


def joy_image_edit() -> diffusers.DiffusionPipeline:
    encoder, processor = _qwen3_vl()
    return diffusers.JoyImageEditPipeline(
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
        vae=_wan_vae(3, patches=4),
        text_encoder=encoder,
        tokenizer=processor.tokenizer,
        transformer=diffusers.JoyImageEditTransformer3DModel(
            hidden_size=32,
            num_attention_heads=2,
            text_dim=_WIDTH,
            num_layers=1,
            rope_dim_list=[4, 6, 6],
        ),
        processor=processor,
    )


def glm_image() -> diffusers.DiffusionPipeline:
    tokenizer = _byte_tokenizer(
        bos_token="<|image_begin|>",
        eos_token="<|image_end|>",
        extra_special_tokens={
            "image_token": "<|image|>", "grid_bos_token": "<|grid_begin|>",
            "grid_eos_token": "<|grid_end|>",
        },
    )  # fmt: skip
    encoder = transformers.GlmImageForConditionalGeneration(
        transformers.GlmImageConfig(
            text_config={
                "vocab_size": len(tokenizer), "hidden_size": _WIDTH, "intermediate_size": _WIDTH,
                "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 2,
                "vision_vocab_size": 128, "rope_parameters": {"mrope_section": (4, 2, 2)},
                "pad_token_id": tokenizer.pad_token_id,
                "eos_token_id": tokenizer.eos_token_id,  # no token that it can sample
            },
            vision_config={
                "depth": 2, "hidden_size": 32, "num_heads": 2, "image_size": 64, "patch_size": 16,
                "intermediate_size": 32,
            },
            vq_config={"embed_dim": 32, "num_embeddings": 128, "latent_channels": 32},
            image_token_id=tokenizer.convert_tokens_to_ids("<|image|>"),
            image_start_token_id=tokenizer.bos_token_id,
            image_end_token_id=tokenizer.eos_token_id,
        )
    )  # fmt: skip
    demo.keep_variance(encoder)
    # Or the tokens that it samples would be the same for every instruction.
    torch.nn.init.normal_(encoder.lm_head.weight)
    return diffusers.GlmImagePipeline(
        tokenizer=transformers.ByT5Tokenizer(),
        processor=transformers.GlmImageProcessor(
            image_processor=transformers.GlmImageImageProcessor(
                patch_size=16,
                temporal_patch_size=1,
                merge_size=1,
                min_pixels=1024,
                max_pixels=1_048_576,
            ),
            tokenizer=tokenizer,
            chat_template=demo.CHAT_TEMPLATE.replace(
                "<|vision_start|><|image_pad|><|vision_end|>",
                "<|image_begin|><|image|><|image_end|>",
            ),
        ),
        text_encoder=_t5_encoder(384),
        vision_language_encoder=encoder.eval(),
        vae=_kl_vae(_SHALLOW, 4, latents_mean=[0.0] * 4, latents_std=[1.0] * 4),
        transformer=diffusers.GlmImageTransformer2DModel(
            in_channels=4,
            out_channels=4,
            num_layers=2,
            attention_head_dim=8,
            num_attention_heads=2,
            text_embed_dim=_WIDTH,
            time_embed_dim=16,
            condition_dim=8,
            prior_vq_quantizer_codebook_size=128,
        ),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
    )


def bria_fibo_edit() -> diffusers.DiffusionPipeline:
    tokenizer = demo.byte_tokenizer()
    encoder = transformers.SmolLM3ForCausalLM(
        transformers.SmolLM3Config(**demo.text_config(tokenizer, _WIDTH))
    )
    return diffusers.BriaFiboEditPipeline(
        transformer=diffusers.BriaFiboTransformer2DModel(
            in_channels=16,
            **_TWO_BLOCKS | {"attention_head_dim": 8, "joint_attention_dim": 2 * _WIDTH},
            text_encoder_dim=_WIDTH,
            axes_dims_rope=[0, 4, 4],
        ),
        scheduler=_flow(),
        vae=_wan_vae(4),
        text_encoder=encoder.eval(),
        tokenizer=tokenizer,
    )


def chrono_edit() -> diffusers.DiffusionPipeline:
    tokenizer = _t5_tokenizer()
    return diffusers.ChronoEditPipeline(
        tokenizer=tokenizer,
        text_encoder=transformers.UMT5EncoderModel(
            transformers.UMT5Config(**_t5_sizes(len(tokenizer)))
        ),
        image_encoder=transformers.CLIPVisionModel(
            transformers.CLIPVisionConfig(
                hidden_size=_WIDTH,
                intermediate_size=_WIDTH,
                num_hidden_layers=2,
                num_attention_heads=2,
                image_size=32,
                patch_size=8,
            )
        ),
        image_processor=transformers.CLIPImageProcessor(
            crop_size={"height": 32, "width": 32}, size={"shortest_edge": 32}
        ),
        transformer=diffusers.ChronoEditTransformer3DModel(
            num_attention_heads=2,
            attention_head_dim=12,
            in_channels=36,
            text_dim=_WIDTH,
            ffn_dim=_WIDTH,
            num_layers=2,
            image_dim=_WIDTH,
            rope_max_seq_len=32,
        ),
        vae=_wan_vae(3, frames=True),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
    )


def dream_lite() -> diffusers.DiffusionPipeline:
    encoder, processor = _qwen3_vl()
    return diffusers.DreamLitePipeline(
        text_encoder=encoder,
        tokenizer=processor.tokenizer,
        processor=processor,
        vae=diffusers.AutoencoderTiny(
            encoder_block_out_channels=(8, 8, 8, 8),
            decoder_block_out_channels=(8, 8, 8, 8),
            num_encoder_blocks=(1, 1, 1, 1),
            num_decoder_blocks=(1, 1, 1, 1),
        ),
        unet=diffusers.DreamLiteUNetModel(
            down_block_types=(
                "DreamLiteCrossAttnNoSelfAttnDownBlock2D", "DreamLiteCrossAttnDownBlock2D",
            ),
            up_block_types=("DreamLiteCrossAttnUpBlock2D", "DreamLiteUpBlock2D"),
            block_out_channels=(16, 32),
            cross_attention_dim=_WIDTH,
            attention_head_dim=8,
            layers_per_block=1,
            norm_num_groups=8,
        ),
        scheduler=_flow(),
    )  # fmt: skip


def _unet(**more: Any) -> diffusers.UNet2DConditionModel:
    return diffusers.UNet2DConditionModel(
        in_channels=8,
        out_channels=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        block_out_channels=(16, 32),
        layers_per_block=1,
        norm_num_groups=8,
        attention_head_dim=8,
        **more,
    )


def instruct_pix2pix() -> diffusers.DiffusionPipeline:
    tokenizer = _clip_tokenizer()
    return diffusers.StableDiffusionInstructPix2PixPipeline(
        vae=_kl_vae(_SHALLOW, 4, scaling_factor=1.0),
        text_encoder=transformers.CLIPTextModel(_clip_config(tokenizer)),
        tokenizer=tokenizer,
        unet=_unet(cross_attention_dim=_WIDTH),
        scheduler=diffusers.EulerAncestralDiscreteScheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def xl_instruct_pix2pix() -> diffusers.DiffusionPipeline:
    tokenizer = _clip_tokenizer()
    config = _clip_config(tokenizer)
    return diffusers.StableDiffusionXLInstructPix2PixPipeline(
        vae=_kl_vae(_SHALLOW, 4, scaling_factor=1.0),
        text_encoder=transformers.CLIPTextModel(config),
        text_encoder_2=transformers.CLIPTextModelWithProjection(config),
        tokenizer=tokenizer,
        tokenizer_2=tokenizer,
        unet=_unet(
            cross_attention_dim=2 * _WIDTH,
            addition_embed_type="text_time",
            addition_time_embed_dim=8,
            projection_class_embeddings_input_dim=6 * 8 + _WIDTH,
        ),
        scheduler=diffusers.EulerDiscreteScheduler(),
    )


def _saved(build: Callable[..., diffusers.DiffusionPipeline], **how: Any) -> Callable[[Path], None]:
    def save(path: Path) -> None:
        with demo.seeded(0):
            pipeline = build(**how)
            for name in ("transformer", "unet", "vae"):
                if (model := getattr(pipeline, name, None)) is not None:
                    demo.keep_variance(model)
            pipeline.save_pretrained(path, safe_serialization=True)

    return save


_GUIDED = {"true_cfg_scale": 4.0, "negative_prompt": " ", **_SIZE}
_LAYERS = {"text_encoder_out_layers": [1]}

#: The pipelines by the names that the configuration of the test gives them.
MATRIX: dict[str, Tiny] = {
    "qwen-image-edit": Tiny(lambda path: demo.save_edit_pipeline(path, "edit"), _GUIDED),
    "qwen-image-edit-2509": Tiny(lambda path: demo.save_edit_pipeline(path, "plus"), _GUIDED),
    "qwen-image-edit-2511": Tiny(lambda path: demo.save_edit_pipeline(path, "plus-2511"), _GUIDED),
    "qwen-image-2.1": Tiny(_saved(qwen_image_21), {**_SIZE, "call": {"output_resolution": 64}}),
    "flux-kontext": Tiny(_saved(flux_kontext), {"area": 16384, "call": {"guidance_scale": 2.5}}),
    "flux-2": Tiny(_saved(flux2), {**_SIZE, "call": _LAYERS}),
    "flux-2-klein-base": Tiny(_saved(flux2_klein), {**_SIZE, "call": _LAYERS}),
    "flux-2-klein": Tiny(
        _saved(flux2_klein, is_distilled=True), {**_SIZE, "call": {"guidance_scale": 1, **_LAYERS}}
    ),
    "longcat-image-edit": Tiny(_saved(longcat_image_edit), {"call": {"guidance_scale": 4.5}}),
    "joy-image-edit": Tiny(_saved(joy_image_edit), {"call": {"guidance_scale": 4.0}}),
    "glm-image": Tiny(_saved(glm_image), {"area": 4096, "call": {"guidance_scale": 1.5}}),
    "bria-fibo-edit": Tiny(_saved(bria_fibo_edit), {**_SIZE, "negative_prompt": "blurred"}),
    "chrono-edit": Tiny(_saved(chrono_edit), {"area": 4096, "call": {"guidance_scale": 5.0}}),
    "dream-lite": Tiny(_saved(dream_lite), {**_SIZE, "call": {"image_guidance_scale": 1.5}}),
    "instruct-pix2pix": Tiny(_saved(instruct_pix2pix), {"call": {"image_guidance_scale": 1.5}}),
    "xl-instruct-pix2pix": Tiny(_saved(xl_instruct_pix2pix), {"area": 4096}),
}
