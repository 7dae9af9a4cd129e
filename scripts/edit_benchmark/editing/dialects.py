"""How servers want to be asked for an edit: the dialects of ``/images/edits``, and chat.

They share an address and hardly a field, see the documentation of each: OpenAI's API reference
(images, create edit), SGLang's ``multimodal_gen`` (OpenAI API) and vLLM-Omni's ``image_edit_api``
and ``chat_completions_api``. Every field that a dialect knows is sent by its name, none is left to
a server's default that could be another tomorrow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image, ImageOps

from edit_benchmark.config.editors import ServedEditorSettings
from edit_benchmark.editing import capabilities
from edit_benchmark.results.spending import Usage
from edit_benchmark.servers import pictures
from edit_benchmark.servers.request import Request, Upload

# What an image of the largest size and quality takes, as far as is known before an answer.
_MOST_OUTPUT = 8192


@dataclass(frozen=True)
class Order:
    """One edit: the sources, RGB, the instruction, and what else a server may be told.

    Attributes
    ----------
    size
        Width and height in pixels, None for the server's choice.
    mask
        A grey image of the first source's size, white where it is edited.
    about
        What messages call it.
    """

    sources: Sequence[Image.Image]
    instruction: str
    seed: int
    size: tuple[int, int] | None
    mask: Image.Image | None = None
    about: str = ""


def is_seeded(settings: ServedEditorSettings) -> bool:
    """Whether the server is told a seed, so that the same request can give the same image."""
    return settings.dialect != "openai"


def request_of(settings: ServedEditorSettings, order: Order) -> Request:
    """The request for an edit.

    Raises
    ------
    SkipSample
        If the dialect has no way to say it.
    """
    takes = capabilities.of_dialect(settings.dialect)
    takes.check(len(order.sources), has_mask=order.mask is not None)
    if settings.dialect == "vllm-omni-chat":
        return _chat(settings, order)
    fields = {
        "model": settings.model,
        "prompt": order.instruction,
        "n": 1,
        "size": "auto" if order.size is None else f"{order.size[0]}x{order.size[1]}",
        "output_format": "png",
        **_DIALECT_FIELDS[settings.dialect],
        **_sampler(settings, order),
        **settings.extra,
    }
    name = "image" if len(order.sources) == 1 else "image[]"
    uploads = [
        Upload(name, f"image-{number}.png", pictures.encoded(image), "image/png")
        for number, image in enumerate(order.sources, start=1)
    ]
    if order.mask is not None:
        uploads.append(_mask(settings.dialect, order.mask))
    # Text fields of a multipart body are texts.
    texts = {key: _text(value) for key, value in fields.items()}
    return Request("/images/edits", texts, _most(order), order.about, uploads)


# OpenAI's own models answer in base64 alone, and refuse the field.
_DIALECT_FIELDS: dict[str, dict[str, Any]] = {
    "openai": {},
    # The noise of a generator on the CPU is that of diffusers with one.
    "sglang": {"response_format": "b64_json", "generator_device": "cpu"},
    "vllm-omni": {"response_format": "b64_json"},
}


def _sampler(settings: ServedEditorSettings, order: Order) -> dict[str, Any]:
    """The seed and the settings that are given, of those that the dialect knows."""
    given = {
        name: getattr(settings, name)
        for name in ("num_inference_steps", "guidance_scale", "true_cfg_scale", "negative_prompt")
    }
    fields = {name: value for name, value in given.items() if value is not None}
    if settings.quality is not None:
        fields["quality"] = settings.quality
    if is_seeded(settings):
        # To vLLM-Omni 0 is no seed.
        fields["seed"] = max(1, order.seed)
    return fields


def _mask(dialect: str, mask: Image.Image) -> Upload:
    """The mask as a server reads it: OpenAI's edits where it is transparent, others where white."""
    if dialect == "openai":
        rgba = mask.convert("RGB").convert("RGBA")
        rgba.putalpha(ImageOps.invert(mask.convert("L")))
        return Upload("mask", "mask.png", pictures.encoded(rgba), "image/png")
    return Upload("mask_image", "mask.png", pictures.encoded(mask.convert("L")), "image/png")


def _chat(settings: ServedEditorSettings, order: Order) -> Request:
    """An edit by a chat, in which vLLM-Omni takes what is not OpenAI's below ``extra_body``."""
    content: list[dict[str, Any]] = [{"type": "text", "text": order.instruction}]
    for image in order.sources:
        url = pictures.data_url(pictures.encoded(image), "png")
        content.append({"type": "image_url", "image_url": {"url": url}})
    size = {} if order.size is None else {"width": order.size[0], "height": order.size[1]}
    fields = {
        "model": settings.model,
        "messages": [{"role": "user", "content": content}],
        "extra_body": {**size, **_sampler(settings, order), **settings.extra},
    }
    return Request("/chat/completions", fields, _most(order), order.about)


def _most(order: Order) -> Usage:
    of_images = sum(map(pictures.tokens, order.sources))
    return Usage(pictures.text_tokens(order.instruction) + of_images, _MOST_OUTPUT)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else f"{value:.15g}"


def image_text(body: Mapping[str, Any], dialect: str) -> str | None:
    """The base64 text of the image in an answer, None if there is none.

    An address in its place is never followed: it may lead anywhere.
    """
    if dialect != "vllm-omni-chat":
        data = body.get("data")
        first = data[0] if isinstance(data, list) and data else None
        text = first.get("b64_json") if isinstance(first, Mapping) else None
        return text if isinstance(text, str) and text else None
    choices = body.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else {}
    message = choice.get("message") if isinstance(choice, Mapping) else None
    content = message.get("content") if isinstance(message, Mapping) else None
    for part in content if isinstance(content, list) else ():
        url = (part.get("image_url") or {}).get("url") if isinstance(part, Mapping) else None
        if isinstance(url, str) and url.startswith("data:image/"):
            return url.partition("base64,")[2] or None
    return None
