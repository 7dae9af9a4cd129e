"""An editor and a judge that do to their surroundings whatever the instruction says."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from edit_benchmark.api import Answer, Case, SampleError, SkipSample


class Wordless(Exception):
    def __str__(self) -> str:
        raise RuntimeError("not even a message")


def _misbehave(deed: str) -> None:
    if deed == "sys.exit":
        sys.exit(3)
    if deed in ("os._exit", "kill"):
        time.sleep(0.3)  # the image before is written meanwhile
    if deed == "os._exit":
        os._exit(3)
    if deed == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if deed.startswith("raise "):
        raise {
            "KeyboardInterrupt": KeyboardInterrupt,
            "GeneratorExit": GeneratorExit,
            "StopIteration": StopIteration,
            "BaseException": BaseException("of its own"),
            "Wordless": Wordless,
            "surrogate": ValueError("\ud800 " * 10_000),
            "skip": SkipSample("unsupported\nkind", "\udc80"),
        }[deed.removeprefix("raise ")]
    if deed == "print":
        print("\ud800 printed by the class")
        sys.stdout.buffer.write(b"\xff\xfe" * 500_000)
        os.write(1, b"\xff written by the class\n")
        print("x" * 1_000_000, file=sys.stderr)
    if deed == "streams":
        sys.stdout.close()
        sys.stderr.close()
        sys.stdout = sys.stderr = None  # type: ignore[assignment]
        os.close(1)
    if deed == "chdir":
        os.chdir("/")
    if deed == "signals":
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if deed == "thread":
        threading.Thread(target=threading.Event().wait).start()


class Late(Image.Image):
    """Its pixels are asked for in vain."""

    def load(self) -> Any:
        raise OSError("the file is gone")


class Vandal:
    """Inverts the source, and does what the instruction says."""

    def __init__(self, checkpoint: str | None, dtype: str, device: str, words: list[str]) -> None:
        self._given: list[Image.Image] = []
        self.details = {"words": words, "nan": float("nan"), "thing": object, "text": "\ud800"}
        words.append("changed")

    def edit(self, source: Image.Image, instruction: str, seed: int) -> Any:
        for image in self._given:
            image.paste((255, 0, 0), (0, 0, *image.size))
        self._given.clear()
        edited = source.point(lambda value: 255 - value)
        ImageDraw.Draw(source).rectangle((0, 0, 30, 30), fill="red")
        self._given.append(source)
        _misbehave(instruction)
        kind, _, value = instruction.partition(" ")
        if kind == "mode":
            return _in_mode(edited, value)
        if kind == "size":
            return Image.new("L", tuple(map(int, value.split("x"))), 7)
        if instruction == "in place":
            return source
        if instruction == "closed":
            edited.close()
            return edited
        if instruction == "late":
            late = Late()
            late._mode, late._size = edited.mode, edited.size
            return late
        if instruction == "profile":
            edited.info |= {"icc_profile": b"none", "dpi": (7, 7)}
        self._given.append(edited)
        return {"none": None, "array": np.asarray(edited), "class": Image.Image}.get(
            instruction, edited
        )


def _in_mode(image: Image.Image, mode: str) -> Image.Image:
    if mode == "transparent":
        rgba = image.convert("RGBA")
        rgba.putalpha(0)
        return rgba
    if mode == "palette":
        palette = Image.new("P", image.size, 0)
        palette.putpalette([10, 20, 30])
        palette.info["transparency"] = 0
        return palette
    if mode == "I;16":
        return Image.fromarray(np.full(image.size[::-1], 257 * 100, np.uint16))
    if mode == "F":
        return Image.fromarray(np.full(image.size[::-1], 0.5, np.float32))
    return image.convert(mode)


class Tyrant:
    """Answers 6 to what it was not given before, or whatever the instruction says."""

    def __init__(self, checkpoint: str | None, dtype: str, device: str) -> None:
        self._answers: list[Answer] = []

    def prepare(self, case: Case) -> Any:
        if case.sample.instruction == "prepare":
            raise SystemExit("in another thread")
        return "nothing of use"

    def judge(self, cases: Sequence[Case]) -> Any:
        for answer in self._answers:
            answer.criteria.clear()
        answers = [self._one(case) for case in cases]
        wishes = [case.sample.instruction for case in cases]
        if "one too few" in wishes:
            return answers[:-1]
        if "for ever" in wishes:
            return iter(lambda: answers[0], None)
        if "no list" in wishes:
            return None
        return answers

    def _one(self, case: Case) -> Any:
        wish = case.sample.instruction
        keys = [criterion.key for criterion in case.rubric.criteria]
        is_new = case.rubric.labels and not case.sample.tags and case.edited.getextrema()[0][1]
        case.rubric.texts.clear()
        case.rubric.labels.clear()
        case.edited.paste((0, 0, 0), (0, 0, *case.edited.size))
        case.sample.tags.append("changed")
        _misbehave(wish)
        scores: dict[Any, Any] = dict.fromkeys(keys, 6 if is_new else 1)
        odd = {
            "nan": float("nan"), "inf": float("inf"), "eleven": 11, "minus": -0.1, "text": "6",
            "true": True, "numpy": np.float32(6), "numpy bool": np.bool_(True),
            "array": np.array([6.0, 6.0]), "complex": 6j,
        }  # fmt: skip
        if wish in odd:
            scores[keys[0]] = odd[wish]
        if wish == "unknown":
            scores["beauty"] = 6
        if wish == "missing":
            del scores[keys[0]]
        if wish == "no dict":
            scores = [6, 6]  # type: ignore[assignment]
        if wish == "a dict":
            return scores
        if wish == "error":
            return SampleError("un\nreadable", "\ud800" * 1000)
        answer = Answer(scores, text="\ud800 said", details={"tensor": object(), 1: float("nan")})
        self._answers.append(answer)
        return answer
