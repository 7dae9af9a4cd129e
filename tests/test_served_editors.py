"""Editors behind a server: what each kind is asked, and what of its answers is an edit."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import icc
from conftest import draw
from edit_benchmark.config.editors import ServedEditorSettings
from edit_benchmark.config.resolve import editor_settings
from edit_benchmark.editing.dialects import Order, request_of
from edit_benchmark.errors import SkipSample
from edit_benchmark.results.layout import Layout
from edit_benchmark.results.store import Store
from served_fixtures import edit
from stand_in import Reply, StandIn, edited

#: What each server understands, all of it and nothing else.
FIELDS = {
    "openai": {"model", "prompt", "n", "size", "output_format", "quality"},
    "sglang": {"model", "prompt", "n", "size", "output_format", "response_format", "seed",
               "generator_device", "num_inference_steps", "guidance_scale", "true_cfg_scale",
               "negative_prompt", "quality"},
    "vllm-omni": {"model", "prompt", "n", "size", "output_format", "response_format", "seed",
                  "num_inference_steps", "guidance_scale", "true_cfg_scale", "negative_prompt",
                  "quality"},
    "vllm-omni-chat": {"width", "height", "seed", "num_inference_steps", "guidance_scale",
                       "true_cfg_scale", "negative_prompt", "quality"},
}  # fmt: skip
SAMPLER = {"num_inference_steps": 8, "guidance_scale": 1, "true_cfg_scale": 4.5,
           "negative_prompt": " "}  # fmt: skip


@pytest.mark.parametrize("dialect", FIELDS)
def test_an_edit_is_asked_for_as_each_server_wants_it(
    server: StandIn, tmp_path: Path, dialect: str
) -> None:
    server.behaviour = edited
    given = {"quality": "high"} if dialect == "openai" else {**SAMPLER, "quality": "high"}
    (row,) = edit(tmp_path, server.url, dialect, **given)
    assert (row.status, row.width, row.height) == ("edited", 64, 48)
    content = Store(Layout(tmp_path).edit_store).get(row.key)
    assert content is not None
    assert content["details"]["reproducible"] == (dialect != "openai")
    assert content["details"]["server"] == {"id": "toy-2026-01-01", "owned_by": "tests"}
    (asked,) = server.asked
    fields = asked.body
    if dialect == "vllm-omni-chat":
        assert set(fields) == {"model", "messages", "extra_body"}
        fields = fields["extra_body"]
        assert (fields["width"], fields["height"]) == (64, 48)
        assert asked.parts("text")[0]["text"] == "change 0"
    else:
        assert asked.path == "/v1/images/edits"
        assert [name for name, _ in asked.files] == ["image"]
        assert fields["prompt"] == "change 0"
        assert fields["size"] == "64x48"
        assert fields["output_format"] == "png"
    assert set(fields) == FIELDS[dialect]
    assert asked.image().mode == "RGB"
    if dialect != "openai":
        assert int(fields["seed"]) == row.seed >= 1
        assert {name: fields[name] for name in SAMPLER} == (
            SAMPLER if dialect == "vllm-omni-chat" else {
                "num_inference_steps": "8", "guidance_scale": "1", "true_cfg_scale": "4.5",
                "negative_prompt": " ",
            }
        )  # fmt: skip


@pytest.mark.parametrize("dialect", FIELDS)
def test_a_mask_is_sent_as_each_server_reads_it_or_not_at_all(dialect: str) -> None:
    text = json.dumps(
        {"editor": "openai", "base_url": "http://x", "model": "m", "dialect": dialect}
    )
    settings = editor_settings(text, "served")
    assert isinstance(settings, ServedEditorSettings)
    mask = Image.new("L", (64, 48))
    mask.paste(255, (0, 0, 32, 48))  # the left half is edited
    order = Order([draw("a"), draw("b")], "x", 0, (64, 48), mask)
    if dialect in ("sglang", "vllm-omni-chat"):
        with pytest.raises(SkipSample, match="takes no mask"):
            request_of(settings, order)
        return
    request = request_of(settings, order)
    assert [upload.field for upload in request.uploads][:2] == ["image[]", "image[]"]
    upload = request.uploads[-1]
    sent = Image.open(io.BytesIO(upload.data))
    if dialect == "openai":
        assert upload.field == "mask"
        assert sent.size == (64, 48)
        assert [sent.getpixel((x, 9))[3] for x in (5, 60)] == [0, 255]  # edited where transparent
    else:
        assert upload.field == "mask_image"
        assert [sent.getpixel((x, 9)) for x in (5, 60)] == [255, 0]  # edited where white


def test_all_images_of_a_sample_are_sent_in_their_order(server: StandIn, tmp_path: Path) -> None:
    server.behaviour = edited
    (row,) = edit(tmp_path, server.url, "openai", sources=3, masked=True)
    assert row.status == "edited"
    (asked,) = server.asked
    assert [name for name, _ in asked.files] == [*["image[]"] * 3, "mask"]
    for number, name in enumerate(["source 0", "source 0-1", "source 0-2"]):
        assert asked.image(number).tobytes() == draw(name).tobytes()
    # Another mask or source image is another edit.
    keys = {row.key}
    for sources, masked in ((2, True), (3, False)):
        (other,) = edit(tmp_path, server.url, "openai", sources=sources, masked=masked)
        keys.add(other.key)
    assert len(keys) == len(server.asked) == 3


@pytest.mark.parametrize(
    ("dialect", "given", "reason"),
    [
        ("sglang", {"masked": True}, "mask: a server of dialect sglang takes no mask"),
        ("openai", {"sources": 17}, "several_sources: a server of dialect openai takes 16 source"),
    ],
)
def test_what_a_dialect_cannot_say_is_skipped_and_not_asked(
    server: StandIn, tmp_path: Path, dialect: str, given: dict[str, Any], reason: str
) -> None:
    (row,) = edit(tmp_path, server.url, dialect, **given)
    assert row.status == "skipped"
    assert row.reason.startswith(reason)
    assert server.asked == []


def test_the_colours_of_an_answer_are_those_that_its_profile_means(
    server: StandIn, tmp_path: Path
) -> None:
    p3, buffer = draw("theirs", (64, 48)), io.BytesIO()
    p3.save(buffer, "PNG", icc_profile=icc.rgb_profile(icc.DISPLAY_P3))
    answer = base64.b64encode(buffer.getvalue()).decode()
    server.behaviour = lambda asked: edited(asked, data=[{"b64_json": answer}])
    (row,) = edit(tmp_path, server.url, "openai")
    shown = np.asarray(Image.open(tmp_path / row.image), float)
    assert np.abs(shown - icc.in_srgb(np.asarray(p3), icc.DISPLAY_P3)).max() <= 2


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (lambda asked: edited(asked, image=draw("x", (32, 32))), "wrong_size: 64x48 was asked"),
        (lambda asked: edited(asked, image=asked.image()), "source_returned: "),
        (lambda asked: edited(asked, data=[{"url": "http://127.0.0.1:9/x.png"}]), "no_image: "),
        (lambda asked: edited(asked, data=[{"b64_json": "bm90IGFuIGltYWdl"}]), "unusable_image: "),
        (lambda asked: Reply(400, {"error": {"code": "moderation_blocked", "message": "no"}}),
         "refusal: "),
    ],
)  # fmt: skip
def test_what_comes_back_is_an_edit_or_a_failure(
    server: StandIn, tmp_path: Path, reply: Any, reason: str
) -> None:
    server.behaviour = reply
    for _ in range(2):
        (row,) = edit(tmp_path, server.url, "openai")
        assert row.status == "edit_failed"
        assert row.reason.startswith(reason)
    # It was paid: only who redoes it has it asked again.
    assert len(server.asked) == 1
    Store(Layout(tmp_path).edit_store).remove(row.key)
    edit(tmp_path, server.url, "openai")
    assert len(server.asked) == 2
