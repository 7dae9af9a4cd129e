"""What a run will ask of servers and about what it will cost, before it begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from edit_benchmark.config.editors import EditorSettings
from edit_benchmark.config.judges import ServedJudgeSettings
from edit_benchmark.config.run import Config
from edit_benchmark.config.servers import Served
from edit_benchmark.dataset import chains
from edit_benchmark.errors import SampleError
from edit_benchmark.judging.protocols import Protocol
from edit_benchmark.judging.rubrics import Rubric
from edit_benchmark.judging.variations import asked_of
from edit_benchmark.records import Sample
from edit_benchmark.results.spending import Spending, Usage
from edit_benchmark.selftest.probes import PAIR_PROBES, PROBES

# Rough, until answers have been counted: English has four letters a token, Chinese a character;
# a patch of 32 x 32 pixels is a token to Qwen3-VL, and OpenAI's models are of that order.
_LETTERS_A_TOKEN, _PIXELS_A_TOKEN = 4, 32 * 32
_LABEL_TOKENS, _REASON_TOKENS = 8, 40
# An image of a megapixel in the highest quality.
_EDIT_TOKENS = 4160
#: How often the self-test asks about an edit.
TIMES_TESTED = 1 + sum((probe.change is not None) + (probe.against is not None) for probe in PROBES)
#: How often it asks a judge that compares about an edit: in both orders.
PAIRS_TESTED = 2 * sum(probe.change is not None for probe in PAIR_PROBES)


@dataclass(frozen=True)
class Estimate:
    """What one model or judge will ask of its server.

    Attributes
    ----------
    where
        Its key in the configuration.
    requests
        In a run that has nothing in its store.
    usage
        Their tokens.
    is_measured
        Whether tokens a request are those that answers counted.
    cost
        None without a price.
    spent
        What was paid before, None without a price.
    """

    where: str
    model: str
    requests: int
    usage: Usage
    is_measured: bool
    cost: float | None
    spent: float | None

    def __str__(self) -> str:
        source = "as answers counted" if self.is_measured else "a rough estimate"
        cost = "no price given" if self.cost is None else f"about {self.cost:.4g}"
        spent = f"; spent so far {self.spent:.4g}" if self.spent else ""
        return (
            f"{self.where} ({self.model}): {self.requests} requests, {self.usage.input} tokens "
            f"sent and {self.usage.output} answered ({source}): {cost}{spent}"
        )


def estimates(
    config: Config, samples: Sequence[Sample], selftested: Sequence[str], spending: Spending
) -> list[Estimate]:
    """An estimate for each model and judge behind a server.

    Parameters
    ----------
    samples
        All of the benchmark.
    selftested
        The models whose edits judges are put to the test with.
    spending
        What was asked before in this results folder.

    Raises
    ------
    UserError
        As :func:`rubrics.load`.
    """
    readable = chains.with_first_sources(chains.editable(samples))
    found = []
    for (section, name), settings in config.served.items():
        if isinstance(settings, ServedJudgeSettings):
            asked = _of_judge(settings, config, readable, selftested)
        else:
            asked = _of_editor(config.models[name], readable)
        found.append(_estimate(section, name, settings, asked, spending))
    return found


def _estimate(
    section: str, name: str, settings: Served, asked: Sequence[Usage], spending: Spending
) -> Estimate:
    """``asked`` are the tokens of each request."""
    usage = sum(asked, Usage())
    spent = spending.by_name.get((section, name))
    is_measured = spent is not None and spent.answered > 0
    if spent is not None and is_measured:
        each = [round(part * len(asked) / spent.answered) for part in vars(spent.usage).values()]
        usage = Usage(*each)
    price = settings.price.model_dump() if settings.price else None
    return Estimate(
        where=f"{section}.{name}",
        model=settings.model,
        requests=len(asked),
        usage=usage,
        is_measured=is_measured,
        cost=usage.cost(price) if price else None,
        spent=spent.usage.cost(price) if price and spent else None,
    )


def _of_judge(
    settings: ServedJudgeSettings,
    config: Config,
    samples: Sequence[Sample],
    selftested: Sequence[str],
) -> list[Usage]:
    language = config.benchmark.language
    by_category = {
        category: asked_of(settings, category, language)
        for category in {sample.category for sample in samples}
    }
    one_model = [_questions(settings, by_category[sample.category], sample) for sample in samples]
    repeats = [model.repeats for model in config.models.values()]
    # Of each two models the edits that both have, in both orders.
    times = sum(2 * min(pair) for pair in combinations(repeats, 2))
    # Later turns of two models have two sources, and are not compared.
    alike = [
        one
        for sample, many in zip(samples, one_model, strict=True)
        for one in many
        if not (settings.compares and sample.after)
    ]
    asked = alike * (times if settings.compares else sum(repeats))
    if one_model:
        # Which edits are chosen is not known yet; one is about as long as another.
        tested = min(config.selftest_samples, len(samples)) * len(selftested)
        if settings.compares:
            asked += one_model[0][:1] * tested * PAIRS_TESTED
        elif settings.rubric_file is not None:
            asked += one_model[0] * tested * TIMES_TESTED
    return asked


def _questions(
    settings: ServedJudgeSettings, rubric: Rubric | Protocol, sample: Sample
) -> list[Usage]:
    pixels = min(sample.width * sample.height, settings.max_pixels)
    if isinstance(rubric, Protocol):
        try:
            calls = rubric.questions(sample)
        except SampleError:  # no call is made
            return []
        return [
            Usage(
                sum(_text(part) if isinstance(part, str) else _image(pixels)
                    for part in (call.system, *call.content)),
                settings.max_tokens,
            )
            for call in calls
        ]  # fmt: skip
    given = _text(rubric.shared_text(sample)) + (
        1 + rubric.see_source * len(sample.sources)
    ) * _image(pixels)
    if settings.method == "expected":
        return [
            Usage(given + _text(rubric.expected_question(criterion)), 1)
            for criterion in rubric.criteria
        ]
    answered = _REASON_TOKENS + _LABEL_TOKENS * len(rubric.criteria)
    return [Usage(given + _text(rubric.generated_question()), min(answered, settings.max_tokens))]


def _of_editor(settings: EditorSettings, samples: Sequence[Sample]) -> list[Usage]:
    each = [
        Usage(_text(sample.instruction) + images, _EDIT_TOKENS, images)
        for sample in samples
        # The sizes of further source images are not known before they are read.
        for images in [len(sample.sources) * _image(sample.width * sample.height)]
    ]
    return each * settings.repeats


def _text(text: str) -> int:
    wide = sum(not character.isascii() for character in text)
    return wide + (len(text) - wide) // _LETTERS_A_TOKEN


def _image(pixels: int) -> int:
    return -(-pixels // _PIXELS_A_TOKEN)


def lines(found: Sequence[Estimate], budget: float | None) -> list[str]:
    """What a terminal shows."""
    if not found:
        return ["nothing is behind a server: the run costs nothing"]
    costs = [one.cost for one in found if one.cost is not None]
    whole = "" if len(costs) == len(found) else ", without those that have no price"
    shown = [str(one) for one in found]
    shown.append(f"together about {sum(costs):.4g}{whole}, if nothing is in the store yet")
    if budget is not None:
        shown.append(f"budget: {budget:g}")
    return shown
