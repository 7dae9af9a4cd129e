"""Checkouts of public benchmarks with prompts of our own, where protocols look for theirs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from edit_benchmark.config.protocols import PROTOCOLS, read

#: What the toy judge writes to each call of each benchmark's protocol, and the score it comes to.
ANSWERS: dict[str, tuple[dict[str, str], float]] = {
    "gedit": ({"SC": '{"score": [8, 6]}', "PQ": '{"score": [9, 4]}'}, 24**0.5),
    "imgedit": ({"edit": "Fine.\nCompliance: 4\nSeams: 3\nDetail: 3"}, 10 / 3),
    "imgedit_uge": ({"edit": "Score: 2."}, 2.0),
    "rise": ({"consistency": "**Final Score:** **4**", "reasoning": "Final Score: 5",
              "plausibility": "Final Score: 3"}, 4.3),
    "kris": ({"consistency": '{"consistency_score": 5}', "quality": '{"quality_score": 4}',
              "instruction": '{"instruction_score": 3}',
              "knowledge": '{"instruction_score": 3, "knowledge_score": 2}'}, 3.5),
    "complex_edit": ({"alignment": '{"instruction_following": "9", "identity_preservation": "6"}',
                      "quality": '{"perceptual_quality": "3"}'}, 6.0),
    "unicbench": ({"if": '{"score": 8}', "nc": '{"score": 4}', "vq": '{"score": 2}',
                   "ra": '{"score": 4}'}, 4.0),
    "re_edit": ({"verdict": '{"score": "Yes"}', "instruction_following": '{"score": 7}',
                 "sc_metric": '{"score": [8, 6]}', "pq_metric": '{"score": [9, 4]}'}, 100.0),
}  # fmt: skip


def checkout(protocol: str, folder: Path, category: str = "") -> Path:
    """A checkout with a text for each prompt: its name, and all that is filled into it."""
    texts: dict[Path, dict[str, str]] = {}
    for prompt in read(PROTOCOLS / f"{protocol}.yaml").prompts:
        if prompt.file is None:
            continue
        for name in prompt.names:
            name = name.replace("{category}", category)
            words = [f"<{name.rpartition('.')[2] or name}>", *prompt.fill]
            texts.setdefault(folder / prompt.file, {})[name] = " ".join(words)
    for path, named in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_written(path.suffix, named), encoding="utf-8")
    return folder


def _written(suffix: str, named: dict[str, str]) -> str:
    if suffix == ".py":
        return "import sys\n" + "".join(f"{name} = {text!r}\n" for name, text in named.items())
    content: dict[str, Any] = {}
    for name, text in named.items():
        *path, last = name.split(".")
        part = content
        for key in path:
            part = part.setdefault(key, {})
        part[last] = text
    return json.dumps(content) if suffix == ".json" else yaml.safe_dump(content)
