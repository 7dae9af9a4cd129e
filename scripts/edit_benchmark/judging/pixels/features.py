"""Cosines between features of images and texts: CLIP-I, CLIP-T and DINO, through transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers
from PIL import Image
from torch.nn.functional import cosine_similarity

from edit_benchmark.checkpoints.prefetch import Prefetch
from edit_benchmark.checkpoints.record import Checkpoint
from edit_benchmark.config.judges import PixelsJudgeSettings
from edit_benchmark.errors import UserError

_DINO = ("vit", "dinov2", "dinov2_with_registers", "dinov3_vit")


class Features:
    """A model of features on the host.

    Raises
    ------
    UserError
        If the checkpoint is no model of that kind.
    """

    def __init__(self, settings: PixelsJudgeSettings, checkpoint: Checkpoint) -> None:
        torch.set_num_threads(1)  # rounding must not depend on the number of cores
        folder = Path(checkpoint.path)
        transformers.utils.logging.disable_progress_bar()
        kind = transformers.AutoConfig.from_pretrained(folder, local_files_only=True).model_type
        self._is_clip = settings.measure != "dino"
        if kind not in (("clip",) if self._is_clip else _DINO):
            wanted = "a CLIP model" if self._is_clip else "a DINO vision transformer"
            raise UserError(
                f"checkpoint {checkpoint.name} is of the type {kind}, but {settings.measure} takes "
                f"{wanted}; name another checkpoint."
            )
        auto: Any = transformers.CLIPModel if self._is_clip else transformers.AutoModel
        self._model = Prefetch([], settings, "cpu").load(folder, auto)
        self._images = transformers.AutoImageProcessor.from_pretrained(
            folder, local_files_only=True
        )
        if self._is_clip:
            self._tokenizer = transformers.AutoTokenizer.from_pretrained(
                folder, local_files_only=True
            )

    def images_cosine(self, one: Image.Image, other: Image.Image) -> float:
        """The cosine of two images' features, -1 to 1: CLIP's projection, DINO's class token."""
        first, second = self._of_images([one, other])
        return _cosine(first, second)

    def text_cosine(self, image: Image.Image, text: str) -> float:
        """The cosine of an image's and a text's features; a long text is cut off."""
        tokens = self._tokenizer(
            [text], return_tensors="pt", truncation=True,
            max_length=self._model.config.text_config.max_position_embeddings,
        )  # fmt: skip
        with torch.inference_mode():
            features = self._model.get_text_features(**tokens).pooler_output
        return _cosine(self._of_images([image])[0], features[0])

    def _of_images(self, images: list[Image.Image]) -> torch.Tensor:
        inputs = self._images(images=images, return_tensors="pt").to(self._model.dtype)
        with torch.inference_mode():
            if self._is_clip:
                return self._model.get_image_features(**inputs).pooler_output
            return self._model(**inputs).last_hidden_state[:, 0]


def _cosine(one: torch.Tensor, other: torch.Tensor) -> float:
    return float(cosine_similarity(one.float(), other.float(), dim=0).clamp(-1, 1))
