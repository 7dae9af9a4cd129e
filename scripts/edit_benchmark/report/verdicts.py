"""What the self-test says of the judges, for the top of the page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edit_benchmark.errors import UserError
from edit_benchmark.selftest.verdict import UNTESTED

MISSING = "missing"

_VERDICTS = {
    "passes": ("passed its self-test", "通过自检"),
    "doubtful": ("leaves doubts in its self-test", "自检存疑"),
    "fails": ("FAILED its self-test: do not trust its scores", "未通过自检：其分数不可信"),
    UNTESTED: (
        "could not be put to the self-test: the model has no edit",
        "无法自检：该模型没有任何编辑结果",
    ),
    MISSING: (
        "was not put to the self-test; run: snakemake judge_selftest",
        "未经自检；请运行 snakemake judge_selftest",
    ),
}
# What a failed check means, in words that stand by themselves.
_FAILURES = {
    "answers": ("it has no score for many edits", "许多编辑得不到分数"),
    "on_scale": (
        "it hardly puts any probability on the scale's labels: it wants to say something else",
        "它几乎不把概率放在评分标签上，而是想说别的",
    ),
    "black": ("it cannot tell a black picture from an edit", "它分不清黑图与编辑结果"),
    "noise": ("it cannot tell noise from an edit", "它分不清噪声与编辑结果"),
    "source": ("it does not see that nothing was edited", "它看不出图片未被编辑"),
    "swapped": (
        "it does not notice another sample's instruction",
        "换成别的样本的指令，它也察觉不到",
    ),
    "repeated": ("it does not repeat itself", "重复提问时答案不一致"),
    "reordered": ("its scores depend on the order of the samples", "分数随样本顺序而变"),
    "jpeg": ("storing the edit as JPEG moves its scores", "存为 JPEG 会改变分数"),
    "resized": ("one pixel more moves its scores", "放大一个像素会改变分数"),
}
_CHECKS = {
    "answers": ("edits that have a score", "得到分数的编辑"),
    "on_scale": ("probability on the scale", "评分标签上的概率"),
    "black": ("edit above a black picture", "编辑高于黑图"),
    "noise": ("edit above noise", "编辑高于噪声"),
    "source": ("edit above its untouched source", "编辑高于未改动的原图"),
    "swapped": ("right instruction above another one", "原指令高于别的指令"),
    "repeated": ("asked again", "再次提问"),
    "reordered": ("in another order", "改变顺序"),
    "jpeg": ("stored as JPEG", "存为 JPEG"),
    "resized": ("a pixel larger", "放大一个像素"),
}
_MEASURES = {
    "share": ("share", "比例"),
    "mass": ("mean probability", "平均概率"),
    "auc": ("AUC", "AUC"),
    "change": ("mean change in points", "平均变化（分）"),
}


@dataclass(frozen=True)
class Verdict:
    """One judge on one model's edits.

    Attributes
    ----------
    state
        ``passes``, ``doubtful``, ``fails``, ``untested`` or ``missing``.
    sentence
        The verdict in words.
    failures
        What the failed checks mean.
    checks
        Rows of the table: name, measure, n, value, low, high, limit, passed.
    """

    judge: str
    model: str
    state: str
    sentence: str
    failures: list[str]
    checks: list[dict[str, Any]]


def read(paths: Sequence[Path]) -> list[dict[str, Any]]:
    """Records of self-tests.

    Raises
    ------
    UserError
        If a file is none.
    """
    records = []
    for path in paths:
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            records.append({key: record[key] for key in ("judge", "model", "verdict", "checks",
                                                         "settings")})  # fmt: skip
        except (OSError, ValueError, KeyError, TypeError):
            raise UserError(
                f"{path}: not the record of a self-test; remove it and run snakemake "
                "judge_selftest."
            ) from None
    return records


def verdicts(
    records: Sequence[Mapping[str, Any]],
    judges: Sequence[str],
    run: Mapping[str, Any],
    language: str,
) -> list[Verdict]:
    """The worst first; a judge without a self-test of its present settings has the state missing.

    Parameters
    ----------
    judges
        The judges of the report.
    run
        The record of the run, whose configuration says what a judge is now.
    """
    settings = (run.get("config") or {}).get("judges") or {}
    found = []
    for judge in judges:
        mine = [
            record
            for record in records
            if record["judge"] == judge and record["settings"] == settings.get(judge)
        ]
        found += [_verdict(record, language) for record in mine]
        if not mine:
            found.append(Verdict(judge, "", MISSING, _pick(_VERDICTS[MISSING], language), [], []))
    order = ["fails", MISSING, UNTESTED, "doubtful", "passes"]
    return sorted(found, key=lambda verdict: order.index(verdict.state))


def _verdict(record: Mapping[str, Any], language: str) -> Verdict:
    checks = [
        check
        | {
            "title": _pick(_CHECKS[check["name"]], language),
            "unit": _pick(_MEASURES[check["measure"]], language),
        }
        for check in record["checks"]
    ]
    failures = [
        _pick(_FAILURES[check["name"]], language) for check in checks if check["passed"] is False
    ]
    sentence = _pick(_VERDICTS[record["verdict"]], language)
    return Verdict(record["judge"], record["model"], record["verdict"], sentence, failures, checks)


def _pick(pair: tuple[str, str], language: str) -> str:
    return pair[1] if language == "zh" else pair[0]
