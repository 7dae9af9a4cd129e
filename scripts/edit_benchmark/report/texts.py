"""The report's words in English and Chinese."""

from __future__ import annotations

from edit_benchmark.categories import label
from edit_benchmark.report.tables import EQUAL_MARK, FEW_MARK, MACRO, MICRO

LANGUAGES = {"en": "en", "zh": "zh-Hans"}

_COLUMNS = {
    "model": ("model", "模型"),
    "judge": ("judge", "评审"),
    "category": ("category", "类别"),
    "n": ("n", "样本数"),
    "scored": ("scored", "已评分"),
    "edit_failed": ("edit failed", "编辑失败"),
    "judge_failed": ("judge failed", "评审失败"),
    "skipped": ("skipped", "跳过"),
    "coverage": ("coverage", "覆盖率"),
    "mean": ("mean", "均值"),
    "standard_error": ("SE", "标准误"),
    "interval": ("95% interval", "95% 区间"),
    "std": ("SD", "标准差"),
    "median": ("median", "中位数"),
    "min": ("min", "最小"),
    "max": ("max", "最大"),
    "bounds": ("bounds", "界限"),
    "extreme": ("", ""),
    "marks": ("marks", "标记"),
    "dimension": ("by", "维度"),
    "value": ("value", "取值"),
    "a": ("A", "A"),
    "b": ("B", "B"),
    "left_out": ("left out", "未计入"),
    "difference": ("A − B", "A − B"),
    "p": ("p", "p"),
    "p_holm": ("p (Holm)", "p（Holm）"),
    "record": ("win/tie/loss", "胜/平/负"),
    "effect_size": ("effect size", "效应量"),
    "needed_0.25": ("n for 0.25", "检出 0.25 需"),
    "needed_0.5": ("n for 0.5", "检出 0.5 需"),
    "rank": ("rank", "名次"),
    "rank_interval": ("95% interval of the rank", "名次 95% 区间"),
    "spearman": ("Spearman", "Spearman"),
    "kendall": ("Kendall τ-b", "Kendall τ-b"),
    "kappa": ("quadratic κ", "二次加权 κ"),
    "alpha": ("Krippendorff α", "Krippendorff α"),
    "judges": ("judges", "评审"),
    "noise_std": ("judge noise SD", "评审噪声标准差"),
    "sample_std": ("sample SD", "样本间标准差"),
    "reliability": ("reliability (ICC)", "信度（ICC）"),
    "count": ("samples", "样本数"),
    "status": ("status", "状态"),
    "reason": ("reason", "原因"),
    "kind": ("step", "步骤"),
    "name": ("of", "名称"),
    "gpu": ("GPU", "GPU"),
    "jobs": ("jobs", "作业数"),
    "images": ("images", "图片数"),
    "load_seconds": ("load, s a job", "每作业加载秒数"),
    "compile_seconds": ("compile, s a job", "每作业编译秒数"),
    "seconds_per_image": ("s an image", "每图秒数"),
    "idle": ("GPU idle", "GPU 空闲"),
    "peak_gib": ("peak memory, GiB", "显存峰值 GiB"),
}

_WORDS = {
    MICRO: ("overall (micro)", "总体（微平均）"),
    MACRO: ("overall (macro)", "总体（宏平均）"),
    "best": ("best", "最高"),
    "worst": ("worst", "最低"),
    FEW_MARK: ("n<5", "n<5"),
    EQUAL_MARK: ("equal scores", "分数相同"),
    "scored": ("scored", "已评分"),
    "edit_failed": ("edit failed", "编辑失败"),
    "judge_failed": ("judge failed", "评审失败"),
    "skipped": ("skipped", "跳过"),
    "criterion": ("criterion", "标准"),
    "difficulty": ("difficulty", "难度"),
    "tag": ("tag", "标签"),
    "language": ("language", "语言"),
    "en": ("English", "英文"),
    "zh": ("Chinese", "中文"),
    "(none)": ("(none)", "（无）"),
    "(all)": ("all models", "全部模型"),
    "human": ("human scores", "人工评分"),
    "edit": ("edit", "编辑"),
    "score": ("score", "评分"),
    "encoding": ("encoding", "编码"),
    "denoising": ("denoising", "去噪"),
    "decoding": ("decoding", "解码"),
    "editing": ("editing", "编辑"),
    "judging": ("judging", "评分"),
    "reading": ("reading, beside", "读图（并行）"),
    "waiting": ("waiting for pictures", "等待读图"),
}

_SENTENCES = {
    "equal": (
        "{share:.0%} of the {n} scores of {model} by {judge} in {category} are exactly {value}: "
        "the judge may not be answering what it is asked.",
        "{judge} 给 {model} 在“{category}”中的 {n} 个分数有 {share:.0%} 完全等于 {value}：评审可能"
        "并没有回答所问的问题。",
    ),
    "coverage": (
        "{model} by {judge}: {missing} of {n} samples have no score; the means are over the "
        "others, and the bounds say what the missing ones could change.",
        "{model}（{judge}）：{n} 个样本中有 {missing} 个没有分数；均值只针对其余样本，"
        "界限给出缺失样本可能带来的变化。",
    ),
    "few": (
        "{model} by {judge}: fewer than 5 scored samples in {categories}; marked †.",
        "{model}（{judge}）：{categories} 的已评分样本不足 5 个，以 † 标记。",
    ),
    "caption": (
        "Scores (0 to 10) by category. SD is the population's; the interval is a bootstrap over "
        "source pictures; the macro row is the mean of the categories' means. † fewer than 5 "
        "scored samples; ‡ mostly equal scores.",
        "各类别得分（0 至 10）。标准差为总体标准差；区间为按原图自助抽样所得；"
        "宏平均为各类别均值的均值。† 已评分样本不足 5 个；‡ 分数大多相同。",
    ),
    "failures": ("Without a score:", "没有分数的样本："),
    "more": (
        "... and {count} more kinds; every sample is in scores.csv",
        "……另有 {count} 种；见 scores.csv",
    ),
    "warning": ("warning:", "警告："),
}  # fmt: skip


def column(name: str, language: str) -> str:
    """A column's heading."""
    return _pick(_COLUMNS.get(name, (name, name)), language)


def word(name: str, language: str) -> str:
    """A status, mark, category or other value of a cell; what is not known stays as it is."""
    if name in _WORDS:
        return _pick(_WORDS[name], language)
    return label(name, language)


def sentence(name: str, language: str, **values: object) -> str:
    """A sentence with ``values`` filled in."""
    return _pick(_SENTENCES[name], language).format(**values)


def _pick(pair: tuple[str, str], language: str) -> str:
    return pair[1] if language == "zh" else pair[0]
