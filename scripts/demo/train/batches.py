"""Many edits at a time: what the pipeline does with each, for thousands of scenes on one GPU."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import diffusers
import numpy as np
import torch
from diffusers.pipelines.qwenimage import pipeline_qwenimage_edit as released
from torch import Tensor
from torch.nn import functional

from demo.train.code import CHANNELS, Pictures
from demo.train.flow import TOKENS
from demo.train.one_frame import one_frame
from demo.train.parts import Prompts

_SIDE = 1024


class BatchEditor:
    """An editor's folder; its edits are the pipeline's but for rounding."""

    def __init__(self, folder: Path, device: str) -> None:
        pipeline = diffusers.QwenImageEditPipeline.from_pretrained(folder, dtype=torch.float32)
        self._pipeline, self._device = pipeline.to(device), device
        self._autoencoder = one_frame(pipeline.vae).to(device)
        self._std = torch.tensor(pipeline.vae.config.latents_std, device=device).view(-1, 1, 1, 1)
        self._prompts = Prompts(pipeline.tokenizer, pipeline)

    @torch.inference_mode()
    def edit(
        self, sources: Pictures, texts: Sequence[str], seeds: Sequence[int], steps: int
    ) -> Pictures:
        """Edit pictures (N, 256, 256, 3) without guidance, and reduce the result to 256 again."""
        latents = _pack(torch.cat([_noise(seed) for seed in seeds])).to(self._device)
        source = self._packed(sources)
        hidden, mask = self._texts(texts)
        scheduler = self._pipeline.scheduler
        config = scheduler.config
        shift = released.calculate_shift(
            TOKENS,
            config.base_image_seq_len,
            config.max_image_seq_len,
            config.base_shift,
            config.max_shift,
        )
        times, _ = released.retrieve_timesteps(
            scheduler, steps, self._device, sigmas=np.linspace(1.0, 1 / steps, steps), mu=shift
        )
        scheduler.set_begin_index(0)
        for time in times:
            velocity = self._pipeline.transformer(
                hidden_states=torch.cat([latents, source], dim=1),
                timestep=(time / 1000).expand(len(latents)),
                encoder_hidden_states=hidden,
                encoder_hidden_states_mask=mask,
                img_shapes=[[(1, 16, 16), (1, 16, 16)]] * len(latents),
                return_dict=False,
            )[0][:, :TOKENS]
            latents = scheduler.step(velocity, time, latents, return_dict=False)[0]
        return np.concatenate([self._pictures(part) for part in latents.split(4)])

    def _packed(self, sources: Pictures) -> Tensor:
        processor = self._pipeline.image_processor
        found = []
        for part in np.array_split(sources, -(-len(sources) // 4)):
            images = processor.numpy_to_pil(part.astype(np.float32) / 255)
            large = processor.preprocess([processor.resize(one, _SIDE, _SIDE) for one in images])
            coder = self._autoencoder
            made = coder.quant_conv(coder.encoder(large.unsqueeze(2).to(self._device)))
            found.append(made[:, :CHANNELS] / self._std)
        return _pack(torch.cat(found))

    def _texts(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        found = [self._prompts.ids(text) for text in texts]
        length = max(map(len, found))
        ids = torch.tensor([one + [0] * (length - len(one)) for one in found], device=self._device)
        lengths = torch.tensor([len(one) for one in found], device=self._device)
        mask = torch.arange(length, device=self._device) < lengths[:, None]
        encoder = self._pipeline.text_encoder
        hidden = self._prompts.encode(encoder, ids, mask.long(), as_image=True)
        return hidden, mask[:, self._prompts.dropped :]

    def _pictures(self, latents: Tensor) -> Pictures:
        factor = self._pipeline.vae_scale_factor
        whole = self._pipeline._unpack_latents(latents, _SIDE, _SIDE, factor) * self._std
        coder = self._autoencoder
        made = coder.decoder(coder.post_quant_conv(whole))[:, :, 0]
        # As the pipeline's image and its reduction: levels are rounded twice.
        levels = ((made.clamp(-1, 1) + 1) * 127.5).round()
        small = functional.avg_pool2d(levels, 4).round()
        return np.asarray(small.permute(0, 2, 3, 1).cpu(), dtype=np.uint8)


def _noise(seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn((1, CHANNELS, 1, 32, 32), generator=generator)


def _pack(latents: Tensor) -> Tensor:
    """(N, CHANNELS, 1, 32, 32) to (N, TOKENS, 4 CHANNELS), as the pipeline packs."""
    pack = released.QwenImageEditPipeline._pack_latents
    packed: Tensor = pack(latents, len(latents), CHANNELS, *latents.shape[-2:])
    return packed
