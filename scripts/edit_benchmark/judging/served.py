"""Judges behind a server of the chat completions API, by the methods ``expected``, ``generated``.

What is sent is laid out as it is for a judge of transformers: images with headings, the text shared
by all questions, the question. So a local and a served copy of one model are asked the same.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from PIL import Image

from edit_benchmark.config.judges import ServedJudgeSettings
from edit_benchmark.errors import SampleError
from edit_benchmark.judging.judge import Answer, Case, Judge, Turn, Unreadable
from edit_benchmark.judging.reading import label_details, read
from edit_benchmark.judging.rubrics import Rubric
from edit_benchmark.results.spending import Usage
from edit_benchmark.runtime.kinds import Caller
from edit_benchmark.servers import pictures
from edit_benchmark.servers.connection import Connection, connected
from edit_benchmark.servers.request import Request, served_by

log = logging.getLogger(__name__)


class ServedJudge(Judge):
    """Asks the server about each criterion by itself (``expected``) or all at once."""

    def __init__(self, settings: ServedJudgeSettings, connection: Connection) -> None:
        self._settings = settings
        self._connection = connection

    def judge(self, cases: Sequence[Case]) -> list[Answer | SampleError]:
        """An answer for each case, in their order, or what went wrong with it."""
        requests = [self._requests(case) for case in cases]
        replies = iter(self._connection.replies([one for many in requests for one in many]))
        answers: list[Answer | SampleError] = []
        for case, many in zip(cases, requests, strict=True):
            found = [next(replies) for _ in many]
            failed = [reply for reply in found if isinstance(reply, SampleError)]
            whole = [reply for reply in found if not isinstance(reply, SampleError)]
            answers.append(failed[0] if failed else self._answer(case, whole))
        return answers

    def _requests(self, case: Case) -> list[Request]:
        rubric, settings = case.rubric, self._settings
        if case.turn is not None:
            return [self._turn(case.sample.id, case.turn)]
        images = self._images(case)
        if settings.method == "generated":
            fields: dict[str, Any] = {settings.max_tokens_field: settings.max_tokens}
            if settings.response_format == "json_object":
                fields["response_format"] = {"type": "json_object"}
            elif settings.response_format == "json_schema":
                fields["response_format"] = _schema(rubric)
            return [self._request(case, images, rubric.generated_question(), fields)]
        fields = {
            settings.max_tokens_field: 1,
            "logprobs": True,
            "top_logprobs": settings.top_logprobs,
        }
        return [
            self._request(case, images, rubric.expected_question(criterion), fields)
            for criterion in rubric.criteria
        ]

    def _images(self, case: Case) -> list[tuple[str, str, int]]:
        """Heading, data URL and tokens of each image that the judge sees."""
        texts = case.rubric.texts
        shown: list[tuple[str, Image.Image]] = []
        if case.rubric.see_source:
            headings = case.rubric.source_headings(len(case.sources))
            shown += zip(headings, case.sources, strict=True)
        shown.append((texts["edited"], case.edited))
        return [(heading, *self._sent(image)) for heading, image in shown]

    def _sent(self, image: Image.Image) -> tuple[str, int]:
        """Data URL and tokens of an image."""
        settings = self._settings
        image = pictures.scaled(image, settings.max_pixels)
        data = pictures.encoded(image, settings.image_format, settings.jpeg_quality)
        return pictures.data_url(data, settings.image_format), pictures.tokens(image)

    def _turn(self, about: str, turn: Turn) -> Request:
        """A protocol's call."""
        settings, tokens = self._settings, 0
        content: list[dict[str, Any]] = []
        for part in turn.content:
            if isinstance(part, str):
                tokens += pictures.text_tokens(part)
                content.append({"type": "text", "text": part})
            else:
                url, of_image = self._sent(part)
                tokens += of_image
                content.append({"type": "image_url", "image_url": {"url": url, **self._detail}})
        fields: dict[str, Any] = {settings.max_tokens_field: settings.max_tokens}
        if settings.response_format == "json_object":
            fields["response_format"] = {"type": "json_object"}
        if settings.seed is not None:
            # With one seed the next measurement would be the same answer.
            fields["seed"] = settings.seed + turn.measurement
        return self._chat(
            [{"role": "user", "content": content}], fields, about,
            tokens + pictures.text_tokens(turn.system), turn.system,
        )  # fmt: skip

    def _request(
        self,
        case: Case,
        images: Sequence[tuple[str, str, int]],
        question: str,
        fields: Mapping[str, Any],
    ) -> Request:
        content: list[dict[str, Any]] = []
        for heading, url, _ in images:
            content.append({"type": "text", "text": heading})
            content.append({"type": "image_url", "image_url": {"url": url, **self._detail}})
        text = f"{case.rubric.shared_text(case.sample)}\n\n{question}"
        content.append({"type": "text", "text": text})
        texts = [text, *(heading for heading, _, _ in images)]
        tokens = sum(map(pictures.text_tokens, texts)) + sum(of_image for _, _, of_image in images)
        return self._chat([{"role": "user", "content": content}], fields, case.sample.id, tokens)

    @property
    def _detail(self) -> dict[str, str]:
        return {"detail": self._settings.detail} if self._settings.detail else {}

    def _chat(
        self,
        messages: list[dict[str, Any]],
        fields: Mapping[str, Any],
        about: str,
        tokens: int,
        system: str = "",
    ) -> Request:
        """A request with ``messages`` of so many ``tokens``, behind the ``system``'s text."""
        settings = self._settings
        sampling = {"temperature": settings.temperature, "seed": settings.seed}
        if system:
            messages = [{"role": "system", "content": system}, *messages]
        return Request(
            path="/chat/completions",
            fields={
                "model": settings.model,
                "messages": messages,
                **{name: value for name, value in sampling.items() if value is not None},
                **fields,
                **settings.extra,
            },
            most=Usage(tokens, fields[settings.max_tokens_field]),
            about=about,
        )

    def _answer(self, case: Case, replies: Sequence[Mapping[str, Any]]) -> Answer | SampleError:
        """The answer that replies stand for, one for each request about the case."""
        rubric = case.rubric
        by_criterion = self._settings.method == "expected"
        keys = [one.key for one in rubric.criteria] if by_criterion else ["all"]
        told, places, text = {}, {}, ""
        for key, reply in zip(keys, replies, strict=True):
            told[key] = served_by(reply)
            try:
                choice = _choice(reply["body"])
                told[key]["finish_reason"] = choice.get("finish_reason")
                text = _content(choice)
                if by_criterion:
                    _check_refusal(choice)
                    places[key] = _label_place(choice, rubric)
                else:
                    _check_finished(choice, text)
            except SampleError as problem:
                message = str(problem).partition(": ")[2]
                if by_criterion:
                    message = f"{key}: {message}"
                problem = SampleError(problem.kind, message)
                details = {"problem": [problem.kind, message], "replies": told}
                return Unreadable(problem, text, details)
        content = {"text": "" if by_criterion else text, "details": {"replies": told, **places}}
        return read(content, rubric, self._settings)


def _schema(rubric: Rubric) -> dict[str, Any]:
    """An object with each criterion's key and a label of the scale, as OpenAI's strict mode has it.

    Behind them stands the reason, if the rubric asks for one.
    """
    labels = [*rubric.labels, rubric.not_applicable]
    values: list[int] | list[str] = labels
    if all(label.isdecimal() for label in labels):
        values = [int(label) for label in labels]
    kind = "string" if values is labels else "integer"
    keys = [criterion.key for criterion in rubric.criteria]
    properties: dict[str, Any] = {key: {"type": kind, "enum": values} for key in keys}
    if '"reason"' in rubric.texts["ask_all"]:
        properties["reason"] = {"type": "string"}
    schema = {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
    return {
        "type": "json_schema",
        "json_schema": {"name": "scores", "strict": True, "schema": schema},
    }


def _choice(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The one choice of an answer."""
    if "refused" in body:
        raise SampleError("refusal", f"the server refused to answer ({body['message']})")
    choices = body.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], Mapping):
        raise SampleError("no_choice", "the server's answer has no choices")
    return choices[0]


def _content(choice: Mapping[str, Any]) -> str:
    """What the judge wrote; some servers give it in parts."""
    message = choice.get("message")
    content = message.get("content") if isinstance(message, Mapping) else None
    if isinstance(content, list):
        content = "".join(
            str(part.get("text") or "") for part in content if isinstance(part, Mapping)
        )
    return content if isinstance(content, str) else ""


def _check_refusal(choice: Mapping[str, Any]) -> None:
    message = choice.get("message")
    refusal = message.get("refusal") if isinstance(message, Mapping) else None
    if refusal:
        raise SampleError("refusal", f"the judge refused to answer ({refusal})")
    if choice.get("finish_reason") == "content_filter":
        raise SampleError("content_filter", "the server's filter held the answer back")


def _check_finished(choice: Mapping[str, Any], text: str) -> None:
    _check_refusal(choice)
    if choice.get("finish_reason") == "length":
        raise SampleError(
            "length", "the answer was cut off at its longest; raise max_tokens, or use extra to "
            "have the judge think less",
        )  # fmt: skip
    if not text.strip():
        raise SampleError("empty_answer", "the judge wrote nothing")


def _label_place(choice: Mapping[str, Any], rubric: Rubric) -> dict[str, Any]:
    """The probability of each label in an answer's first token, see :func:`label_details`.

    Of labels that are not listed the probability counts as 0, and ``unlisted`` is the most that
    they can have together: each at most that of the least probable token that is listed, and all of
    them at most what the listed ones leave.
    """
    logprobs = choice.get("logprobs")
    tokens = logprobs.get("content") if isinstance(logprobs, Mapping) else None
    first = tokens[0] if isinstance(tokens, list) and tokens else None
    listed = first.get("top_logprobs") if isinstance(first, Mapping) else None
    are_known = isinstance(listed, list) and all(isinstance(entry, Mapping) for entry in listed)
    if not listed or not are_known:
        raise SampleError(
            "no_logprobs", "the server gives no log probabilities; use method: generated"
        )
    labels = [*rubric.labels, rubric.not_applicable]
    by_label = dict.fromkeys(labels, 0.0)
    every, found = [], set()
    for entry in listed:
        token, logprob = entry.get("token"), entry.get("logprob")
        # A NaN is null in the JSON of some servers.
        if not isinstance(logprob, int | float) or math.isnan(logprob):
            raise SampleError("not_finite", f"the log probability of {token!r} is {logprob}")
        probability = math.exp(min(0.0, logprob))
        every.append(probability)
        if token in by_label:
            found.add(token)
            by_label[token] += probability
    place = label_details(by_label)
    missing = len(labels) - len(found)
    if missing:
        place["unlisted"] = min(max(0.0, 1 - sum(every)), missing * min(every))
    return place


@contextmanager
def connect(settings: ServedJudgeSettings, caller: Caller) -> Iterator[ServedJudge]:
    """The judge of ``settings``, for the ``with`` block."""
    with connected(settings, caller) as connection:
        log.info("%s at %s: %s", settings.model, settings.server, connection.served_model())
        yield ServedJudge(settings, connection)
