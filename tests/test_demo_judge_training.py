"""What the demo's judge learns from, and that it is the project's own judge that learns."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from PIL import Image

from conftest import ROOT
from demo.train.budget import Budget
from demo.train.judging import asked, figures, parts
from demo.train.judging.editors import edit_scenes
from demo.train.judging.edits import KINDS, made
from demo.train.judging.forward import Forward
from demo.train.judging.questions import LANGUAGES, NAMES, Questions, case, held_out, rubric_of
from demo.train.judging.start import start
from demo.train.judging.store import HANDED, Encoder, Pictures, Store
from demo.train.judging.training import Trainer
from demo.train.scenes import sample
from demo.world.draw import picture
from edit_benchmark.judging.judge import Answer

_TEXTS = ("instruction", "rationale")
_BLANK = Image.new("RGB", (256, 256))


@pytest.fixture(scope="module")
def processor() -> Any:
    return parts.processor(parts.words())


@pytest.fixture(scope="module")
def questions(processor: Any) -> Questions:
    return Questions(processor, parts.TOKENS)


@pytest.fixture(scope="module")
def heldout(questions: Questions) -> figures.HeldOut:
    return figures.HeldOut(questions, 10, "cpu")


@pytest.mark.parametrize("wording", [0, 2])
@pytest.mark.parametrize("language", LANGUAGES)
def test_questions_are_those_of_the_project(
    processor: Any, questions: Questions, language: str, wording: int
) -> None:
    for number, category in enumerate(NAMES):
        row = case(held_out(number), rubric_of(category, language, wording), *[_BLANK] * 2)
        rubric, end = row.rubric, questions.ends[category, language, wording]
        begun = questions.beginning(held_out(number), language, wording)
        said = processor.tokenizer.decode(begun)
        assert all(getattr(held_out(number), name)._asdict()[language] in said for name in _TEXTS)
        each = [rubric.expected_question(criterion) for criterion in rubric.criteria]
        for question, ids in [
            *zip(each, end.one, strict=True),
            (rubric.generated_question(), end.every),
        ]:
            whole = processor.apply_chat_template(
                questions.messages(row, question), tokenize=True, add_generation_prompt=True,
                return_dict=True,
            )  # fmt: skip
            assert whole["input_ids"][0] == begun + ids


def test_what_is_known_of_edits(heldout: figures.HeldOut) -> None:
    assert heldout.edits("target").label.tolist() == [7] * 10
    for kind in set(KINDS) - {"target", "half", "part", "edited"}:
        edits = heldout.edits(kind)
        assert edits.label.max() <= 2, kind
        assert torch.equal(edits.text, heldout.scenes) == (kind != "swapped")
    assert torch.equal(heldout.edits("nothing").edited, heldout.edits("target").source)
    for kind, state in held_out(8).wrong.items():
        shown = torch.from_numpy(np.array(picture(state))).permute(2, 0, 1)
        assert torch.equal(heldout.edits(kind).edited[8], shown.float()), kind
    blurred = [float(heldout.edits("target", amount).label.mean()) for amount in (0.2, 0.7, 1)]
    assert blurred == sorted(blurred, reverse=True)
    assert blurred[2] < 6


def test_what_changes_may_be_worse_alone_and_editors_pictures_lie_on_the_way_to_the_target() -> (
    None
):
    count = 40
    drawn = sample(2, "train", 4).pictures  # a second person gets what the first has
    # An editor's picture: the target, all lighter by 20 levels.
    edited = (drawn[1].astype(int) + 20).clip(0, 255).astype(np.uint8)
    pictures = torch.from_numpy(np.stack([*drawn, edited]))[None]
    scenes = torch.zeros(count, dtype=torch.long)
    torch.manual_seed(0)
    right = made(pictures, scenes, scenes, scenes, torch.ones(count))
    off = (right.edited - right.target).abs().amax(1)
    changed = ((right.target - right.source).abs().amax(1) > 12)[0]
    assert (off[:, changed].mean(1) > 0.5).all()
    # Far from what changes: as it is in half of them.
    untouched = (off[:, :40].amax((1, 2)) == 0).float().mean()
    assert 0.25 < untouched < 0.75
    assert right.label.min() < 5
    assert right.label.max() > 6
    kinds = torch.full((count,), KINDS.index("edited"))
    between = made(pictures, scenes, scenes, kinds, torch.zeros(count))
    shift = (between.edited - between.target)[:, 0].flatten(1).median(1).values
    assert (shift == 20).any()
    assert 10 <= shift.min() < 15


def test_new_scenes_take_the_places_of_the_oldest_but_not_of_those_that_editors_edited(
    questions: Questions, tmp_path: Path
) -> None:
    edited = _BLANK.copy()
    edited.putpixel((0, 0), (1, 2, 3))
    edited.save(tmp_path / "0.png")
    shared = Pictures(4, editors=1)
    encode = Encoder(shared, questions, editors=(tmp_path,))
    store = Store(questions, shared, 3 * HANDED, "cpu", edited=1)
    for turn in range(5):
        numbers = range(turn * HANDED, (turn + 1) * HANDED)
        store.take([encode(sample(number, "heldout", 4)) for number in numbers])
        assert store.size == min(3, turn + 1) * HANDED
    assert store.taken == 5 * HANDED
    # Batch 0 is kept; 3 and 4 took the places of 1 and 2.
    for place, number in ((0, 0), (HANDED, 3 * HANDED), (2 * HANDED, 4 * HANDED)):
        source = torch.from_numpy(sample(number, "heldout", 0).pictures[0])
        assert torch.equal(store.pictures(slice(place, place + 1))[0, 0], source)
    rows = store.batch(40, 0, written=False).edits
    own = rows.kind == KINDS.index("edited")
    assert own.any()
    assert (rows.text[own] == 0).all()


def test_editors_edit_scenes_once(tmp_path: Path) -> None:
    editor = ROOT / "resources" / "demo" / "models" / "small-editor"
    (tmp_path / "0.png").write_bytes(b"kept")
    edit_scenes([editor], [tmp_path], 2, "every", 1)
    assert {path.name for path in tmp_path.iterdir()} == {"0.png", "1.png"}
    assert (tmp_path / "0.png").read_bytes() == b"kept"
    with Image.open(tmp_path / "1.png") as made_of_it:
        source = sample(1, "every", 0).pictures[0].astype(float)
        assert 1 < np.abs(np.asarray(made_of_it) - source).mean() < 80


def test_it_trains_goes_on_and_answers_as_the_project_asks(
    processor: Any, questions: Questions, heldout: figures.HeldOut, tmp_path: Path
) -> None:
    model, forward = _small(processor, questions)
    budget = Budget(0.3)

    def train(seconds: float) -> list[dict[str, float]]:
        trainer = Trainer(
            model, forward, heldout.store, Budget(seconds),
            batch=2, checkpoint=tmp_path / "judge.pt", device="cpu",
        )  # fmt: skip
        trainer.train(tmp_path / "losses.jsonl", lambda: None)
        lines = (tmp_path / "losses.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]

    first = train(budget.total)
    assert {"answer", "kind", "wanted", "wrong"} <= set(first[0])
    model, forward = _small(processor, questions)
    assert len(train(0.2)) == len(first)  # that time is over already
    trained = model.lm_head.weight.clone()
    model, forward = _small(processor, questions)
    assert not torch.equal(model.lm_head.weight, trained)
    train(0.1)
    assert torch.equal(model.lm_head.weight, trained)

    parts.save(model, processor, tmp_path / "judge")
    model = transformers.AutoModelForImageTextToText.from_pretrained(
        tmp_path / "judge", dtype=torch.float32
    )
    forward = Forward(model.eval(), _beginnings(questions))
    judge = asked.judge_of(tmp_path / "judge", "cpu", min_mass=0)
    for number, language in enumerate(LANGUAGES):
        edits = heldout.edits("wrong_object")
        rows = asked.cases(heldout, edits, language, 1)
        (answer,) = judge.judge(rows)
        assert isinstance(answer, Answer)
        assert answer.details["shared_prefix"]
        places = [answer.details[one.key]["probabilities"] for one in rows[0].rubric.criteria]
        given = figures.probabilities(model, forward, heldout.store, edits, number)[0]
        assert torch.tensor([[place[label] for label in "12345670"] for place in places]).allclose(
            given, rtol=1e-4, atol=1e-7
        )


def test_it_starts_by_looking_from_each_place_at_the_sources_same_place(
    processor: Any, questions: Questions, heldout: figures.HeldOut
) -> None:
    """An edit of other colours at one place is seen there, in the first block."""
    model, forward = _small(processor, questions)
    seen: list[torch.Tensor] = []
    attention = model.model.language_model.layers[0].self_attn
    attention.o_proj.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    edits = heldout.edits("nothing")
    for language in range(len(LANGUAGES)):
        rows, _, _ = heldout.store.rows(edits, 0 * edits.text, language, written=False)
        for source in (edits.source, _other_colours_at(edits.source, 2, 5)):
            forward(rows, source, edits.edited, language)
        head = slice(language * parts.HEAD, (language + 1) * parts.HEAD)
        before, after = (
            one[:, forward.places[language, parts.TOKENS :], head] for one in seen[-2:]
        )
        moved = (after - before).abs().sum(-1).mean(0).view(8, 8)
        assert moved.argmax() == 2 * 8 + 5


def _small(processor: Any, questions: Questions) -> tuple[Any, Forward]:
    torch.manual_seed(0)
    model = parts.new(processor.tokenizer, parts.Size(2, 2, 1, 1))
    forward = Forward(model, _beginnings(questions))
    shown = sample(0, "train").pictures
    start(model, shown, [forward.distance(number) for number in range(len(LANGUAGES))])
    return model.eval(), forward


def _beginnings(questions: Questions) -> list[list[int]]:
    return [questions.pictures(held_out(0), language) for language in LANGUAGES]


def _other_colours_at(pictures: torch.Tensor, row: int, column: int) -> torch.Tensor:
    changed = pictures.clone()
    changed[:, :, row * 32 : row * 32 + 32, column * 32 : column * 32 + 32] = 0
    return changed
