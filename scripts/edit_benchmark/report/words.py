"""The words of the page and of its script, in English and Chinese."""

from __future__ import annotations

_PAGE = {
    "title": ("Image-edit benchmark", "图像编辑基准测试"),
    "skip": ("Skip to the samples", "跳到样本"),
    "theme": ("Light or dark", "浅色或深色"),
    "sections": ("Sections", "各部分"),
    "overview": ("Overview", "概览"),
    "summary": ("Summary", "汇总"),
    "compare": ("Models compared", "模型比较"),
    "breakdown": ("Breakdown", "细分"),
    "agreement": ("Judges", "评审"),
    "failures": ("Without a score", "无分数"),
    "run": ("Run", "运行"),
    "samples": ("Samples", "样本"),
    "verdict": ("Self-test of judge", "评审自检："),
    "on_edits": ("on edits of", "所用编辑来自"),
    "checks": ("What it was asked, and how it did", "检验项目与结果"),
    "check": ("check", "检验"),
    "measure": ("measure", "度量"),
    "value": ("value", "值"),
    "limit": ("limit", "限值"),
    "outcome": ("outcome", "结果"),
    "passed": ("passed", "通过"),
    "failed": ("FAILED", "未通过"),
    "unclear": ("cannot be said", "无法判断"),
    "warnings": ("Before you trust these numbers", "在相信这些数字之前"),
    "counts": ("samples", "个样本"),
    "judge": ("Judge", "评审"),
    "plot_alt": (
        "Mean score and 95% interval of each model by category, by judge",
        "各模型按类别的平均分与 95% 区间，评审",
    ),
    "plot_note": (
        "Dots are means, lines 95% bootstrap intervals over source pictures. The same numbers are "
        "in the tables. For papers:",
        "点为均值，线为按原图自助抽样的 95% 区间；数值见下表。论文用图：",
    ),
    "leader_note": (
        "Micro pools all samples, macro is the mean of the categories' means. Ranks are over the "
        "samples scored for every model.",
        "微平均合并所有样本，宏平均为各类别均值的均值。名次只基于所有模型都有分数的样本。",
    ),
    "summary_note": (
        "Scores 0 to 10. SD is the population's. Bounds: the mean if every sample without a score "
        "had 0, or 10. † fewer than 5 scored samples. ‡ mostly one and the same score.",
        "得分 0 至 10。标准差为总体标准差。界限：无分数的样本全取 0 或全取 10 时的均值。"
        "† 已评分样本不足 5 个。‡ 分数大多相同。",
    ),
    "compare_note": (
        "Row minus column, over the samples scored for both, in points. Bold: p < 0.05 in a "
        "permutation test, Holm-corrected over the pairs.",
        "行减列，只计两者都有分数的样本，单位为分。粗体：置换检验 p < 0.05（按配对作 Holm 校正）。",
    ),
    "details": ("By category, with tests", "按类别，附检验"),
    "details_note": (
        "p (Holm): corrected over the pairs for the overall rows, over the categories of a pair "
        "for the others. Effect size: mean of the differences over their standard deviation. n for "
        "0.25 and 0.5: samples at which a difference of so many points is seen in four of five "
        "studies.",
        "p（Holm）：总体行按配对校正，其余按该配对的类别校正。"
        "效应量：差值均值除以差值标准差。检出 0.25 / 0.5 需：以八成把握检出该分差所需的样本数。",
    ),
    "agreement_note": (
        "Over the edits that both scored. κ and α fall when one judge is stricter, the "
        "correlations do not.",
        "只计两者都评过的编辑。评审宽严不同时 κ 与 α 会降低，相关系数不会。",
    ),
    "alpha_all": ("Krippendorff's α of all judges:", "全部评审的 Krippendorff α："),
    "repeats_note": (
        "Judges that differ in their repeat alone are one judge asked again: its own noise, apart "
        "from what differs between samples.",
        "仅 repeat 不同的评审视为同一评审的重复：由此分出评审自身的噪声与样本间的差异。",
    ),
    "no_scores": ("no sample lacks a score", "所有样本都有分数"),
    "record": ("The whole record", "完整记录"),
    "no_run": ("There is no record of the run.", "没有运行记录。"),
    "files": ("Tables as files:", "表格文件："),
    "by_criterion": ("By criterion", "按标准"),
    "by_difficulty": ("By difficulty", "按难度"),
    "by_tag": ("By tag", "按标签"),
    "by_language": ("By language of the instruction", "按指令语言"),
    "timings": ("Where the time went", "时间去向"),
    "timings_note": (
        "Of the jobs that made new edits or answers. Loading and compiling are means a job, the "
        "stages seconds an image; idle is the share of the time from the beginning of loading in "
        "which the GPU had no kernel running.",
        "只计实际生成新编辑或新评分的作业。加载与编译为每作业平均值，各阶段为每图秒数；"
        "空闲指从开始加载起 GPU 没有运行内核的时间比例。",
    ),
    "noscript": (
        "The gallery needs JavaScript; all scores are in scores.csv.",
        "图库需要 JavaScript；所有分数见 scores.csv。",
    ),
    "filters": ("Filter and sort samples", "筛选与排序"),
    "search": ("Search", "搜索"),
    "category": ("Category", "类别"),
    "status": ("Status", "状态"),
    "difficulty": ("Difficulty", "难度"),
    "tag": ("Tag", "标签"),
    "flag": ("Flag", "标志"),
    "sort": ("Order", "排序"),
    "models": ("Models", "模型"),
    "all": ("all", "全部"),
    "order_benchmark": ("as in the benchmark", "按基准顺序"),
    "order_worst": ("worst first", "最差在前"),
    "order_best": ("best first", "最好在前"),
    "order_gap": ("models furthest apart first", "模型差距大在前"),
    "reset": ("Reset", "重置"),
    "help": ("Keys", "快捷键"),
    "close": ("Close", "关闭"),
    "previous": ("Previous sample", "上一个样本"),
    "next": ("Next sample", "下一个样本"),
    "side": ("Side by side", "并排"),
    "slider": ("Slider", "滑块"),
    "difference": ("Difference", "差异"),
    "left": ("Left", "左"),
    "right": ("Right", "右"),
    "position": ("Where the two pictures meet", "两图分界位置"),
    "gain": ("Brighter difference", "增亮差异"),
    "viewer": ("Pictures compared", "图片比较"),
    "keys": (
        "j and k: next and previous sample · Enter: compare its pictures · / search · in the "
        "comparison: arrow keys for the neighbours, 1 2 3 for side by side, slider, difference, x "
        "to swap, Esc to close",
        "j / k：下一个 / 上一个样本 · Enter：比较图片 · /：搜索 · "
        "比较窗口中：左右方向键切换样本，1 2 3 切换并排、滑块、差异，x 交换，Esc 关闭",
    ),
}

_SCRIPT = {
    "source": ("source", "原图"),
    "source_alt": ("Source picture of", "原图："),
    "edit_alt": ("Edit of", "编辑结果："),
    "by": ("by", "模型"),
    "compare": ("Compare", "比较"),
    "original": ("full size", "原尺寸"),
    "no_picture": ("no picture", "无图片"),
    "not_applicable": ("does not apply", "不适用"),
    "shown": ("of", "/"),
    "samples": ("samples", "个样本"),
    "nothing": ("No sample fits the filters.", "没有符合条件的样本。"),
    "human": ("human score", "人工评分"),
    "more": ("Scene and difficulty of the edit", "场景与难点"),
    "words": ("judge's words", "评审原话"),
    "link": ("Link to sample", "样本链接"),
    "criterion": ("criterion", "标准"),
    "score": ("score", "得分"),
    "seed": ("seed", "种子"),
    "none": ("(none)", "（无）"),
}


def page(language: str) -> dict[str, str]:
    """Words of the template."""
    return {name: pair[language == "zh"] for name, pair in _PAGE.items()}


def script(language: str) -> dict[str, str]:
    """Words of the script."""
    return {name: pair[language == "zh"] for name, pair in _SCRIPT.items()}
