"""What the demo's training rests on: the computed autoencoder, the prompts, a few steps."""

from __future__ import annotations

import json
from pathlib import Path

import diffusers
import numpy as np
import pytest
import torch
from diffusers.image_processor import VaeImageProcessor
from PIL import Image

from demo.train import flow, parts
from demo.train.autoencoder import _Core
from demo.train.batches import BatchEditor
from demo.train.budget import Budget, provenance
from demo.train.code import Code, Pictures
from demo.train.exact_start import exact_start, fitted_code, new
from demo.train.one_frame import one_frame, write_back
from demo.train.quicker import quicker
from demo.train.scenes import sample
from edit_benchmark.editing.token_types import pass_token_types

_SIDE = 64


@pytest.fixture(scope="module")
def pictures() -> Pictures:
    return np.concatenate([sample(number, "train").pictures for number in range(5)])


@pytest.fixture(scope="module")
def code(pictures: Pictures) -> Code:
    return fitted_code(pictures)


@pytest.fixture(scope="module")
def autoencoder(code: Code, pictures: Pictures) -> diffusers.AutoencoderKLQwenImage:
    return exact_start(code, pictures[::4])


@pytest.fixture(scope="module")
def heldout() -> Pictures:
    """The middle of a held-out picture."""
    first = (256 - _SIDE) // 2
    part = slice(first, first + _SIDE)
    return np.ascontiguousarray(sample(3, "heldout", 0).pictures[:1, part, part])


@torch.inference_mode()
def test_the_encoder_computes_the_code_of_a_picture_that_the_pipeline_enlarged(
    autoencoder: diffusers.AutoencoderKLQwenImage, code: Code, heldout: Pictures
) -> None:
    processor = VaeImageProcessor(vae_scale_factor=64)
    large = processor.resize(Image.fromarray(heldout[0]), 4 * _SIDE, 4 * _SIDE)
    latents = autoencoder.encode(processor.preprocess(large).unsqueeze(2)).latent_dist.mode()
    normalised = latents[0, :, 0] / torch.tensor(autoencoder.config.latents_std).view(-1, 1, 1)
    error = normalised - torch.from_numpy(code.normalised(heldout)[0])
    assert error.square().mean().sqrt() < 0.03


@torch.inference_mode()
def test_the_untrained_decoder_gives_the_picture_back(
    autoencoder: diffusers.AutoencoderKLQwenImage, code: Code, heldout: Pictures
) -> None:
    latents = torch.from_numpy(code.normalised(heldout) * code.std[:, None, None])
    made = autoencoder.decode(latents.unsqueeze(2), return_dict=False)[0][:, :, 0]
    small = torch.nn.functional.avg_pool2d(made, 4)
    wanted = torch.from_numpy(heldout).permute(0, 3, 1, 2) / 127.5 - 1
    assert 10 * torch.log10(4 / (small - wanted).square().mean()) > 26
    # What the decoder is trained on is what the reduced megapixel shows.
    trained_on = _Core(one_frame(autoencoder))(latents).clamp(-1, 1)
    assert (trained_on - small).abs().mean() < 0.001


@torch.inference_mode()
def test_one_frame_computes_what_the_class_computes() -> None:
    torch.manual_seed(0)
    model = new()
    picture = torch.rand(1, 3, 1, 64, 64) * 2 - 1
    flat = one_frame(model)
    wanted = model.encode(picture).latent_dist.mode()
    latents = flat.quant_conv(flat.encoder(picture))[:, : wanted.shape[1]]
    assert torch.allclose(latents, wanted, atol=1e-5)
    other = new()
    write_back(flat, other)
    assert torch.allclose(other.encode(picture).latent_dist.mode(), wanted, atol=1e-5)


@pytest.fixture(scope="module")
def edit() -> diffusers.QwenImageEditPipeline:
    words = parts.tokenizer()
    torch.manual_seed(0)
    denoiser = parts.transformer(parts.Size(layers=1, heads=1))
    return parts.pipeline(new(), parts.text_encoder(words), words, denoiser)


@torch.inference_mode()
@pytest.mark.parametrize("text", ["Paint the left ball purple.", "把左边的球涂成紫色。", " "])
def test_instructions_are_encoded_as_the_pipeline_does(
    edit: diffusers.QwenImageEditPipeline, text: str
) -> None:
    prompts = parts.Prompts(edit.tokenizer, edit)
    ids = prompts.ids(text)
    assert edit.tokenizer.convert_ids_to_tokens(ids[prompts.dropped]) == "<|vision_start|>"
    wanted, _ = edit.encode_prompt(text, Image.new("RGB", (64, 64)))
    padded = torch.tensor([ids + [0] * 7])
    mask = torch.arange(len(ids) + 7)[None] < len(ids)
    made = prompts.encode(edit.text_encoder, padded, mask.long(), as_image=False)
    assert torch.allclose(made[:, : wanted.shape[1]], wanted, atol=1e-5)


def test_training_goes_on_where_it_was(
    edit: diffusers.QwenImageEditPipeline, code: Code, tmp_path: Path
) -> None:
    prompts = parts.Prompts(edit.tokenizer, edit)
    store = flow.Store(prompts, 2, 120, "cpu")
    store.take([[flow.Encoder(code, prompts)(sample(number, "train", 0)) for number in range(3)]])
    assert store.full

    def train(seconds: float) -> list[int]:
        log = tmp_path / "losses.jsonl"
        flow.train(
            edit.transformer,
            edit.text_encoder,
            store,
            code,
            Budget(seconds),
            batch=2,
            checkpoint=tmp_path / "flow.pt",
            log=log,
            meanwhile=lambda: None,
        )
        lines = log.read_text(encoding="utf-8").splitlines()
        assert all(np.isfinite(json.loads(line)["loss"]) for line in lines)
        return [json.loads(line)["step"] for line in lines]

    assert train(0.1) == [0]
    spent = torch.load(tmp_path / "flow.pt")["seconds"]
    assert spent >= 0.1
    learnt = edit.transformer.img_in.weight.clone()
    torch.nn.init.zeros_(edit.transformer.img_in.weight)
    assert train(0.1) == [0]  # its time is over: not a step more
    assert torch.equal(edit.transformer.img_in.weight, learnt)


def test_what_training_aims_at_leads_the_pipeline_to_the_target(
    edit: diffusers.QwenImageEditPipeline, code: Code, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = sample(4, "train", 0)
    source, target = torch.from_numpy(flow.packed(code.normalised(one.pictures)))
    seen = []

    def knowing(hidden_states: torch.Tensor, timestep: torch.Tensor, **_: object) -> tuple[object]:
        mixed, seen_source = hidden_states.split(flow.TOKENS, dim=1)
        seen.append(seen_source)
        return (flow.velocity(mixed, target, timestep),)

    monkeypatch.setattr(edit.transformer, "forward", knowing)
    # The source as the store has it: what the class's encoder makes of it is tested above.
    latents = source.view(1, 16, 16, -1, 2, 2).permute(0, 3, 1, 4, 2, 5).reshape(1, -1, 1, 32, 32)
    monkeypatch.setattr(edit, "_encode_vae_image", lambda **_: latents)
    made = edit(
        image=Image.fromarray(one.pictures[0]),
        prompt=one.texts[0],
        num_inference_steps=4,
        true_cfg_scale=1.0,
        output_type="latent",
    ).images
    assert torch.allclose(seen[0][0], source)
    assert torch.allclose(made[0], target, atol=1e-3)


@torch.inference_mode()
def test_training_rotates_as_the_class_does() -> None:
    words = parts.tokenizer()
    encoder, denoiser = parts.text_encoder(words), parts.transformer(parts.SIZES["small"])
    torch.nn.init.normal_(denoiser.proj_out.weight)
    for block in denoiser.transformer_blocks:
        torch.nn.init.normal_(block.img_mod[-1].weight, std=0.1)
    given = {
        "hidden_states": torch.randn(1, 2 * flow.TOKENS, 128),
        "timestep": torch.tensor([0.5]),
        "encoder_hidden_states": torch.randn(1, 7, parts.TEXT_WIDTH),
        "img_shapes": [[(1, 16, 16), (1, 16, 16)]],
        "return_dict": False,
    }
    wanted = denoiser(**given)[0]
    with quicker(denoiser, encoder, "cpu"):
        made = denoiser(**given)[0]
    assert (made - wanted).abs().max() < 1e-4 * wanted.abs().max()
    assert torch.equal(denoiser(**given)[0], wanted)


def test_many_edits_at_a_time_are_those_of_the_pipeline(
    edit: diffusers.QwenImageEditPipeline,
    autoencoder: diffusers.AutoencoderKLQwenImage,
    tmp_path: Path,
) -> None:
    torch.manual_seed(0)
    denoiser = parts.transformer(parts.Size(layers=1, heads=1))
    torch.nn.init.normal_(denoiser.proj_out.weight)
    # Else nothing of the instruction reaches the picture.
    torch.nn.init.normal_(denoiser.transformer_blocks[0].img_mod[-1].weight, std=0.5)
    parts.pipeline(autoencoder, edit.text_encoder, edit.tokenizer, denoiser).save_pretrained(
        tmp_path
    )
    shown = [sample(number, "train", 0) for number in (0, 3)]
    sources, texts = np.stack([one.pictures[0] for one in shown]), [one.texts[0] for one in shown]
    made = BatchEditor(tmp_path, "cpu").edit(sources, texts, [5, 6], 2)
    whole = diffusers.QwenImageEditPipeline.from_pretrained(tmp_path, dtype=torch.float32)
    pass_token_types(whole)
    (image,) = whole(
        image=Image.fromarray(sources[1]),
        prompt=texts[1],
        num_inference_steps=2,
        true_cfg_scale=1.0,
        generator=torch.Generator().manual_seed(6),
    ).images
    wanted = np.asarray(image.resize((256, 256), Image.Resampling.BOX), dtype=np.int16)
    assert np.abs(made[1] - wanted).max() <= 1
    assert wanted.std() > 10


def test_weights_say_how_they_were_made_and_not_where() -> None:
    given = {
        "out": Path("/srv/me/runs/small"),
        "autoencoder": Path("/srv/me/runs/editor/editor/vae"),
        "editor": [Path("/srv/me/a/editor"), Path("b/editor")],
        "minutes": 2.5,
        "commit": "c0ffee",
        "seed": 3,
    }
    told = provenance(given, {"right": 0.9})
    assert (told["commit"], told["seed"]) == ("c0ffee", "3")
    assert json.loads(told["configuration"]) == {
        "autoencoder": "editor/vae", "editor": ["a/editor", "b/editor"], "minutes": 2.5,
    }  # fmt: skip
    assert "srv" not in json.dumps(told)
