"""What the values of each measure can be. No heavy library is imported here."""

from __future__ import annotations

from dataclasses import replace

from edit_benchmark.judging.rubrics import Criterion, Rubric, Scale

#: The PSNR in dB that stands for more: equal images would have an infinite one.
MOST_PSNR = 100.0

#: The scale of each measure.
SCALES = {
    "psnr": Scale(0.0, MOST_PSNR, measure="psnr"),
    "ssim": Scale(-1.0, 1.0, measure="ssim"),
    "l1": Scale(0.0, 1.0, measure="l1"),
    "clip_i": Scale(-1.0, 1.0, measure="clip_i"),
    "clip_t": Scale(-1.0, 1.0, measure="clip_t"),
    "dino": Scale(-1.0, 1.0, measure="dino"),
    # Of two images whose features have nothing in common the two largest weights of each layer add
    # up to 7.8 (alex), 5.5 (vgg) and 10.3 (squeeze); other images are hardly ever beyond 1.
    "lpips": Scale(0.0, 10.3, measure="lpips"),
}


def scale_of(measure: str, against: str) -> Scale:
    """The scale of a measure against the ``source`` or the ``target``."""
    return replace(SCALES[measure], to_target=against == "target")


def rubric_of_measure(measure: str, against: str, category: str, language: str) -> Rubric:
    """The one criterion of a measure, in the place of a rubric; nothing is asked."""
    return Rubric(
        name="pixels",
        category=category,
        criteria=(Criterion(measure, measure, ""),),
        labels={},
        not_applicable="",
        see_source=True,
        texts={"language": language},
        scale=scale_of(measure, against),
    )
