"""The whole configuration of a run."""

from __future__ import annotations

from string import Template
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from edit_benchmark.config.base import (
    Location,
    Name,
    NotNegative,
    Number,
    PathText,
    Positive,
    Section,
    distinct,
    mistake,
    whole_number,
)
from edit_benchmark.config.benchmark import WITH_CANDIDATES, Benchmark
from edit_benchmark.config.editors import (
    CANDIDATES,
    CandidateEditorSettings,
    EditorSettings,
    FolderEditorSettings,
    Layouts,
)
from edit_benchmark.config.judges import JudgeSettings, of_one_measure
from edit_benchmark.config.servers import Served


def _text(value: str) -> str:
    if "\0" in value:
        raise mistake(f"{value!r} holds the character NUL, which no page can show; remove it")
    return value


def _own_layout(format: object, subset: object) -> str:
    """The layout that a benchmark's own scripts have; ``id`` where there is none."""
    has_one = format in get_args(Layouts) and (format, subset) != ("imgedit", "multiturn")
    return str(format) if has_one else "id"


def _device_id(value: Any) -> Any:
    value = whole_number(value)
    is_index = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    if not is_index and value != "cpu":
        raise mistake(f"{value!r} is neither a GPU number nor cpu")
    return value


def _one_kind_of_device(device_ids: list[int | str]) -> list[int | str]:
    gpus = [device for device in device_ids if device != "cpu"]
    if gpus and len(gpus) < len(device_ids):
        raise mistake("GPU numbers and cpu cannot be mixed in one run")
    if len(set(gpus)) < len(gpus):
        raise mistake("a GPU number stands there twice")
    return device_ids


def _node_local(folder: str) -> str:
    if not folder.startswith(("/", "$", "~")):
        raise mistake(
            f"{folder!r} is neither a whole path nor begins with a variable such as $SLURM_TMPDIR: "
            "each node needs a folder on a disk of its own"
        )
    if not Template(folder).is_valid():
        raise mistake(f"{folder!r} holds a $ that names no variable; write $NAME or ${{NAME}}")
    return folder


DeviceId = Annotated[Annotated[int, Field(ge=0)] | Literal["cpu"], BeforeValidator(_device_id, Any)]


class HumanRatings(Section):
    """Ratings of edits by people, which the report compares with the judges."""

    path: PathText | None = None
    """A CSV file with the columns sample, model, rater and score, and optionally category: one
    line for each rating of one edit."""
    model: Name | None = None
    """In place of path: the model whose edits the field human_score of the benchmark rates."""
    lowest: Number
    """The lowest rating that could be given."""
    highest: Number
    """The highest rating that could be given."""

    @model_validator(mode="after")
    def _one_source_and_a_scale(self) -> HumanRatings:
        if (self.path is None) == (self.model is None):
            raise mistake("it needs either path or model: where the ratings are")
        if self.lowest >= self.highest:
            raise mistake(f"lowest {self.lowest:g} is not below highest {self.highest:g}")
        return self


class Config(Section):
    """Everything that a run is told. Unknown keys are refused; a key left out takes its default."""

    results: PathText = "results"
    """Folder for everything that the run writes, relative to the working directory."""
    note: Annotated[str, AfterValidator(_text)] = ""
    """A sentence shown at the top of the report, such as what the run must not be used for."""
    benchmark: Benchmark
    """The samples to edit."""
    device_ids: Annotated[
        list[DeviceId], Field(min_length=1), AfterValidator(_one_kind_of_device)
    ] = [0]
    """GPU numbers in order of preference, as nvidia-smi counts them, or cpu once per worker."""
    load_slots: Positive = 2
    """How many models may be loading at once on a host; two hardly slow each other down
    (tests/performance/RESULTS.md), more help where memory and disk are fast."""
    stage_checkpoints: Annotated[Location, AfterValidator(_node_local)] | None = None
    """A folder on each node's own disk, such as $SLURM_TMPDIR, where the first job of a node copies
    the checkpoint that it loads, for all jobs there that do. Variables are those of the job; where
    one is not set, or the disk too small, the job's log says so and the checkpoint is loaded from
    where it lies. null for no copies."""
    keep_loaded: Annotated[NotNegative, Field(le=3600)] = 60
    """Seconds for which a loaded model waits for another job on its device, until the run ends; 0
    has each job load its own."""
    shards: Positive | None = None
    """Shards of a category; null for as many as device_ids."""
    score_chunk: Positive = 200
    """Edited images that one score job takes; a category with more has more score jobs."""
    selftest_samples: NotNegative = 40
    """Edits, evenly over categories, that the self-test puts each judge to the test with; 0 leaves
    it out, and the report says so."""
    equal_share: Annotated[Number, Field(ge=0, le=1)] = 0.5
    """The report warns of a category of which more than this share of the scores is one same
    number."""
    merge: list[PathText] = []
    """Results folders of earlier runs that the report shows beside this one's; runs that differ in
    what makes numbers comparable are refused."""
    human_ratings: HumanRatings | None = None
    """Ratings of edits by people; null for none."""
    budget: Annotated[Number, Field(gt=0)] | None = None
    """The most that all requests to servers may cost together, in the currency of their prices: the
    run stops before one that could exceed it. null for no limit."""
    models: Annotated[dict[Name, EditorSettings], Field(min_length=1), AfterValidator(distinct)]
    """The editors to compare, by the name that tables show. A benchmark of format editreward or
    editreward_editscore has its own: leave it out there."""
    judges: Annotated[
        dict[Name, JudgeSettings],
        Field(min_length=1),
        BeforeValidator(of_one_measure),
        AfterValidator(distinct),
    ]
    """The judges that score every edit, by the name that tables show."""

    @model_validator(mode="after")
    def _rated_model_exists(self) -> Config:
        rated = self.human_ratings.model if self.human_ratings else None
        if rated is not None and rated not in self.models:
            raise mistake(
                f"human_ratings.model {rated} is not one of the models: {', '.join(self.models)}"
            )
        return self

    @model_validator(mode="after")
    def _pairs_have_two_models_and_scores(self) -> Config:
        for name, judge in self.judges.items():
            if judge.compares and len(self.models) < 2:
                raise mistake(
                    f"judges.{name} compares two models' edits, and there is one model; add "
                    "another, such as one of editor: identity"
                )
        if all(judge.compares for judge in self.judges.values()):
            raise mistake(
                "judges has only such as compare pairs, which give no scores; add one that does, "
                "such as {judge: pixels}"
            )
        return self

    @model_validator(mode="after")
    def _budget_has_prices(self) -> Config:
        for (section, name), settings in self.served.items():
            if self.budget is not None and settings.price is None:
                raise mistake(
                    f"budget is {self.budget:g}, but {section}.{name} says no price; add price: "
                    "{input: , output: }, with 0 for a server that costs nothing"
                )
        return self

    @model_validator(mode="after")
    def _one_server_at_an_address(self) -> Config:
        first: dict[str, tuple[str, Served]] = {}
        for (section, name), settings in self.served.items():
            where, other = first.setdefault(settings.server, (f"{section}.{name}", settings))
            if other.serve != settings.serve:
                raise mistake(
                    f"{where} and {section}.{name} are both at {settings.server}, with another "
                    "serve; give both the same, or each a port of its own"
                )
        return self

    @property
    def served(self) -> dict[tuple[str, str], Served]:
        """Settings of what is behind a server, by section and name."""
        return {
            (section, name): settings
            for section in ("models", "judges")
            for name, settings in getattr(self, section).items()
            if isinstance(settings, Served)
        }

    @model_validator(mode="after")
    def _devices_are_enough(self) -> Config:
        for section, named in (("models", self.models), ("judges", self.judges)):
            for name, model in named.items():
                if model.gpu > len(self.device_ids):
                    key = "serve.gpu" if isinstance(model, Served) else "gpu"
                    raise mistake(
                        f"{section}.{name}.{key}: {model.gpu} devices for a model, and device_ids "
                        f"names {len(self.device_ids)}; name more, or lower gpu"
                    )
        return self

    @model_validator(mode="after")
    def _targets_can_be_there(self) -> Config:
        for name, judge in self.judges.items():
            if (
                getattr(judge, "against", "source") == "target"
                and not self.benchmark.may_have_targets
            ):
                raise mistake(
                    f"judges.{name}.against: a benchmark of format {self.benchmark.format} has no "
                    "target images as it is configured; jsonl and csv have them in the field "
                    "target, parquet in the column that benchmark.columns.target names"
                )
        return self

    @model_validator(mode="after")
    def _layouts_are_of_the_benchmark(self) -> Config:
        own = _own_layout(self.benchmark.format, self.benchmark.subset)
        for name, model in self.models.items():
            if isinstance(model, FolderEditorSettings) and model.layout not in (own, "id"):
                part = f" ({self.benchmark.subset})" if self.benchmark.subset else ""
                raise mistake(
                    f"models.{name}.layout {model.layout} is not that of the benchmark, which is "
                    f"of format {self.benchmark.format}{part}; id is the layout for any benchmark"
                )
        return self

    @model_validator(mode="after")
    def _candidates_are_of_the_benchmark(self) -> Config:
        for name, model in self.models.items():
            if (
                isinstance(model, CandidateEditorSettings)
                and self.benchmark.format not in WITH_CANDIDATES
            ):
                raise mistake(
                    f"models.{name}.editor: candidate is for {' and '.join(WITH_CANDIDATES)}, "
                    f"whose samples have edits; format {self.benchmark.format} has none"
                )
        return self

    @model_validator(mode="before")
    @classmethod
    def _models_of_candidates(cls, values: Any) -> Any:
        """The models of a benchmark that brings its own edits."""
        benchmark = values.get("benchmark") if isinstance(values, dict) else None
        format = benchmark.get("format") if isinstance(benchmark, dict) else None
        if format not in WITH_CANDIDATES:
            return values
        if values.get("models") not in (None, CANDIDATES):
            raise mistake(
                f"models: a benchmark of format {format} asks the judges about its own edits, and "
                "edits nothing; remove models"
            )
        return {**values, "models": CANDIDATES}

    @model_validator(mode="before")
    @classmethod
    def _layouts_of_folders(cls, values: Any) -> Any:
        """The benchmark's own layout where a model of kind folder names none."""
        if not (isinstance(values, dict) and isinstance(values.get("models"), dict)):
            return values
        benchmark = values.get("benchmark")
        said = benchmark if isinstance(benchmark, dict) else {}
        layout = _own_layout(said.get("format"), said.get("subset"))
        models = {
            name: {**model, "layout": layout}
            if isinstance(model, dict)
            and model.get("editor") == "folder"
            and model.get("layout") is None
            else model
            for name, model in values["models"].items()
        }
        return {**values, "models": models}

    @model_validator(mode="before")
    @classmethod
    def _shards_of_all_devices(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("shards") is None:
            device_ids = values.get("device_ids", [0])
            if isinstance(device_ids, list) and device_ids:
                return {**values, "shards": len(device_ids)}
        return values
