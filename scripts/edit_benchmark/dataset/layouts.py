"""Where public benchmarks expect the edited images: finished edits are read and written there.

Paths are relative to the folder of one model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from edit_benchmark.errors import UserError
from edit_benchmark.records import Sample

#: Endings of edited images that are read, in the order in which they are looked for.
ENDINGS = (".png", ".jpg", ".jpeg", ".webp")


@dataclass(frozen=True)
class OutputLayout:
    """The places of edited images.

    Attributes
    ----------
    place
        The path of a sample's edit, without its ending.
    ending
        The ending that the benchmark's scripts look for.
    needs
        Names of the ``fields`` of a sample that the place is made of.
    source
        What the name of the source image has behind that of its edit, where the scripts want it.
    by_order
        Whether the scripts take the images of a folder by their order, whatever their names are.
    """

    place: Callable[[Sample], str]
    ending: str = ".png"
    needs: tuple[str, ...] = ()
    source: str = ""
    by_order: bool = False


def _of(*names: str) -> tuple[Callable[[Sample], str], tuple[str, ...]]:
    return (lambda sample: "/".join(sample.fields[name] for name in names)), names


def _gedit(sample: Sample) -> str:
    fields = sample.fields
    return f"fullset/{fields['task_type']}/{fields['instruction_language']}/{fields['key']}"


_KEY, _NEEDS_KEY = _of("key")
#: The layout of each benchmark by its format; ``id`` has all images in one folder by their samples.
LAYOUTS: dict[str, OutputLayout] = {
    "gedit": OutputLayout(_gedit, needs=("task_type", "instruction_language"), source="_SRCIMG"),
    "imgedit": OutputLayout(_KEY, needs=_NEEDS_KEY),
    "rise": OutputLayout(
        lambda sample: f"images/{sample.category}/{sample.fields['index']}", needs=("index",)
    ),
    "kris": OutputLayout(
        lambda sample: f"{sample.category}/{sample.fields['id']}", ".jpg", needs=("id",)
    ),
    "complex_edit": OutputLayout(
        lambda sample: f"{sample.category}/{int(sample.fields['row']):04d}",
        needs=("row", "rows"),
        by_order=True,
    ),
    "unicbench": OutputLayout(
        lambda sample: f"{sample.category}/{sample.fields['language']}/{sample.fields['key']}",
        needs=("subtask", "language"),
    ),
    "gedit_v2": OutputLayout(_KEY, needs=_NEEDS_KEY),
    "id": OutputLayout(lambda sample: sample.id),
}


def check_samples(name: str, samples: Iterable[Sample]) -> None:
    """Refuse samples that are of another benchmark than the layout ``name``.

    Raises
    ------
    UserError
        With the first one.
    """
    for sample in samples:
        if any(field not in sample.fields for field in LAYOUTS[name].needs):
            raise UserError(
                f"sample {sample.id} is not one of the benchmark {name}, so that the layout "
                f"{name} has no place for it; id is the layout for any benchmark."
            )


@dataclass(frozen=True)
class FinishedEdits:
    """A folder of edited images in the layout ``name``.

    ``samples`` are all those of the run: which images belong to them tells whether the folder is of
    their benchmark.
    """

    folder: Path
    name: str
    samples: Sequence[Sample]

    def check(self) -> None:
        """Refuse a folder that cannot be that of this benchmark.

        Raises
        ------
        UserError
            If it has no image of any sample, or images that are taken by their order and are not
            as many as the rows.
        """
        check_samples(self.name, self.samples)
        if not any(self.find(sample) for sample in self.samples):
            found, first = len(image_files(self.folder)), self.place_of(self.samples[0])
            raise UserError(
                f"{self.folder}: none of its {found} images lies where the layout {self.name} has "
                f"the edit of one of {len(self.samples)} samples, such as {first}; is it the "
                "folder of another benchmark, or the one above or below?"
            )

    def place_of(self, sample: Sample) -> str:
        """Where the image of a sample should be, as the benchmark's scripts write it."""
        return LAYOUTS[self.name].place(sample) + LAYOUTS[self.name].ending

    def find(self, sample: Sample) -> Path | None:
        """The image of a sample, None if there is none.

        Raises
        ------
        UserError
            If there are two.
        """
        layout = LAYOUTS[self.name]
        place = layout.place(sample)
        if layout.by_order:
            return self._by_order(Path(place).parent.as_posix(), sample)
        # Not with_suffix: a dot in a name is no ending.
        found = [path for ending in ENDINGS if (path := self.folder / f"{place}{ending}").is_file()]
        if len(found) > 1:
            raise UserError(
                f"{found[0]}: sample {sample.id} has another edit, {found[1].name}; remove one."
            )
        return found[0] if found else None

    def _by_order(self, subfolder: str, sample: Sample) -> Path | None:
        images = self._sorted.setdefault(
            subfolder, sorted((self.folder / subfolder).glob(f"*{LAYOUTS[self.name].ending}"))
        )
        rows = int(sample.fields["rows"])
        if images and len(images) != rows:
            raise UserError(
                f"{self.folder / subfolder}: {len(images)} images for {rows} rows; they are taken "
                "by their order, and with one missing the rest would be those of other rows."
            )
        return images[int(sample.fields["row"]) - 1] if images else None

    @cached_property
    def _sorted(self) -> dict[str, list[Path]]:
        return {}


@dataclass(frozen=True)
class Candidates:
    """The edits called ``name`` of a benchmark that brings its own, kept beside its sources."""

    results: Path
    name: str

    def check(self) -> None:
        """As of a folder: there is nothing that could be another benchmark's."""

    def place_of(self, sample: Sample) -> str:
        """What messages call the image of a sample."""
        return f"{self.name} candidate of {sample.id}"

    def find(self, sample: Sample) -> Path | None:
        """The image of a sample, None if there is none."""
        path = sample.fields.get(f"candidate_{self.name}")
        return self.results / path if path else None


def image_files(folder: Path) -> list[Path]:
    """All images below a folder, sorted."""
    return sorted(path for path in folder.rglob("*") if path.suffix in ENDINGS)
