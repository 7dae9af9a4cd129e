import os
import re
import subprocess
import sys
from functools import cache
from itertools import combinations
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger
from snakemake.utils import update_config

# The library lies beside the commands; nothing that is imported here knows torch.
SCRIPTS = Path(workflow.current_basedir).parents[1] / "scripts"
sys.path.insert(0, str(SCRIPTS))

from edit_benchmark import categories
from edit_benchmark.checkpoints.resolve import weights_state
from edit_benchmark.config.editors import DiffusersEditorSettings
from edit_benchmark.config.judges import TransformersJudgeSettings
from edit_benchmark.config.resolve import resolve
from edit_benchmark.config.written import check_file, typed
from edit_benchmark.dataset import image_files
from edit_benchmark.dataset.readers import registry as readers
from edit_benchmark.dataset.readers.options import Options
from edit_benchmark.editing import registry as editors
from edit_benchmark.errors import UserError
from edit_benchmark.records import dumps
from edit_benchmark.results import plan
from edit_benchmark.results.files import check_folder, state
from edit_benchmark.results.layout import Layout
from edit_benchmark.judging import registry as judges
from edit_benchmark.judging.chunks import EditTables
from edit_benchmark.runtime import devices, interpreter, run_lock
from edit_benchmark.runtime.keeping import place, room
from edit_benchmark.runtime.schedulers import given_jobs

interpreter.put_first_on_path()
interpreter.keep_caches_together()

if {*"{}<>"} & {*str(workflow.basedir)}:
    raise WorkflowError(
        f"{workflow.basedir}: Snakemake takes what stands in {{}} or <> in a path for the name of "
        "something else; rename the folder."
    )

try:
    for path in workflow.configfiles:
        check_file(Path(path))
    # What --config nests comes as texts alone.
    for key, value in workflow.config_settings.config.items():
        if isinstance(value, (dict, list)):
            update_config(config, {key: typed(value)})
    settings = resolve(config)
except UserError as error:
    raise WorkflowError(str(error)) from None

# Rules look values up in plain dictionaries; defaults are filled in.
config.update(settings.model_dump(mode="json"))

CATEGORIES = config["benchmark"]["categories"]
BENCHMARK = (
    Path(settings.benchmark.path),
    settings.benchmark.format,
    Options.of(settings.benchmark.language, settings.benchmark.options),
)
try:
    BENCHMARK_FILES = list(map(str, readers.files_of(*BENCHMARK)))
except UserError as error:
    raise WorkflowError(str(error)) from None

# Settings as one canonical text each: params compare as text, so that a rerun is triggered by what
# changed and not by the order of keys.
MODELS = {name: dumps(model) for name, model in config["models"].items()}
JUDGES = {name: dumps(judge) for name, judge in config["judges"].items()}
# What else is in the keys of edits and answers and may change between two runs: versions, the user's
# own code, the environment. As parameters, so that a run notices.
try:
    EDITOR_SURROUNDINGS = {
        name: dumps(editors.KINDS[model.editor].noticed(model))
        for name, model in settings.models.items()
    }
    JUDGE_SURROUNDINGS = {
        name: dumps(judges.KINDS[judge.judge].noticed(judge))
        for name, judge in settings.judges.items()
    }
except UserError as error:
    raise WorkflowError(str(error)) from None
EDITOR_WEIGHTS = {name: weights_state(model) for name, model in settings.models.items()}
JUDGE_WEIGHTS = {name: weights_state(judge) for name, judge in settings.judges.items()}
# The files that each judge is asked by; a measure between images asks nothing.
RUBRICS = {
    name: list(map(str, judge.asked_by)) for name, judge in settings.judges.items()
}
# Those that score edits, and those that compare each two models' edits.
SCORING = [name for name, judge in settings.judges.items() if not judge.compares]
COMPARING = [name for name in JUDGES if name not in SCORING]
# In the order of their names: another order in the configuration is no other pair.
PAIRS = list(combinations(sorted(MODELS), 2))
# What has no opinion cannot be put to the test; its probes are about a rubric, or about pairs.
TESTED_JUDGES = [
    name
    for name, judge in settings.judges.items()
    if judge.rubric_file is not None or judge.compares
]
# The source unchanged is no edit to test a judge with, unless there is no other.
SELFTESTED = [
    name for name, model in config["models"].items() if model["editor"] != "identity"
] or list(MODELS)
if config["selftest_samples"] == 0:
    SELFTESTED = []
# A part of fewer edits would spend its time on loading.
SELFTEST_PARTS = max(
    1, min(len(config["device_ids"]), config["selftest_samples"] // 10)
)
# A file of people's ratings, if there is one: the report is made anew when it changes.
RATINGS = [
    path for path in [(config["human_ratings"] or {}).get("path")] if path is not None
]
# A job of the model that is placed over most devices takes so many.
MOST_GPUS = max(
    model.gpu
    for section in (settings.models, settings.judges)
    for model in section.values()
)
DEVICE_IDS = ",".join(map(str, config["device_ids"]))
# Here workflow.local_exec is always true: which executor there is, is known when jobs are planned.
# A scheduler ends all processes of a job with it: then each job loads its model, unless it was given
# with others as a group. They have the process that was given them for their run on this host.
if workflow.remote_exec and len(given_jobs(sys.argv)) > 1:
    os.environ[place.RUN] = place.this_run()
IS_ALONE = workflow.remote_exec and place.run_pid() is None
KEEP_LOADED = 0 if IS_ALONE else config["keep_loaded"]
# In an allocation of a scheduler it is what that handed out, whatever device_ids says.
DEVICE_COUNT = (
    devices.worker_count(config["device_ids"])
    if workflow.is_main_process
    else len(config["device_ids"])
)

SERVED = settings.served
# Jobs at one server share what it takes at once: each claims its concurrency of the server's own
# resource, whose limit is that of one job unless --resources says more.
SERVERS = sorted({server.resource for server in SERVED.values()})
for resource in SERVERS:
    workflow.global_resources.setdefault(
        resource,
        max(one.concurrency for one in SERVED.values() if one.resource == resource),
    )
# As text: Snakemake takes no number with a point for a resource.
BUDGET = str(config["budget"] or 0)

# What is known of the tables of edits, by which jobs are planned.
EDIT_TABLES = EditTables()

# Rules whose jobs load a model, unless all that they would make is in the store.
USE_MODELS = {"edit", "score", "compare", "selftest_part"}
# Set by Snakemake for each job, to the job's threads.
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "GOTO_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)
# Undocumented, but the only way to have a limit without --resources on the command line: without
# one Snakemake would start a job for every core, all at once.
workflow.global_resources.setdefault("gpu", DEVICE_COUNT)
if workflow.global_resources["gpu"] == 0:
    raise WorkflowError(
        "--resources gpu=0 means no limit to Snakemake, not none: give the number of devices to "
        "use, at most as many as device_ids names, or leave it out."
    )

# Snakemake would start such a job with fewer.
if workflow.is_main_process and workflow.global_resources["gpu"].value < MOST_GPUS:
    raise WorkflowError(
        f"--resources gpu={workflow.global_resources['gpu'].value} is too few: a model or judge of the "
        f"configuration is placed over {MOST_GPUS} devices (gpu: {MOST_GPUS}); give at least so "
        "many, or leave it out."
    )


def results_folder(wildcards):
    """The results folder, as a parameter: what the tables name is relative to it."""
    return config["results"]


def benchmark_path(wildcards):
    """The benchmark's file or folder, as a parameter: rules' inputs are the files that it has."""
    return config["benchmark"]["path"]


# Texts of the user's own are parameters by functions: in a plain parameter Snakemake takes {x} for
# a wildcard.


def run_settings(wildcards):
    """The whole configuration as one JSON text."""
    return dumps(config)


def judges_settings(wildcards):
    """The judges' settings as one JSON text."""
    return dumps(config["judges"])


def human_ratings(wildcards):
    """Where people's ratings are, as one JSON text."""
    return dumps(config["human_ratings"])


def report_note(wildcards):
    """The sentence at the top of the report."""
    return config["note"]


def benchmark_options(wildcards):
    """What else the configuration says of the benchmark, as one JSON text."""
    return settings.benchmark.options


def benchmark_images(wildcards):
    """What tells that an image file that the benchmark names is another one than it was."""
    return benchmark_images_state()


@cache
def benchmark_images_state():
    """The same, looked at once each time the workflow is parsed."""
    return image_files.state(*BENCHMARK)


def model_gpus(wildcards):
    """Devices that a model is placed over, none where nothing is computed."""
    return settings.models[wildcards.model].gpu


def judge_gpus(wildcards):
    """The same of a judge."""
    return settings.judges[wildcards.judge].gpu


def edit_priority(wildcards):
    """A model's edits come before those of the next one, so that it is loaded once a device."""
    return len(MODELS) - list(MODELS).index(wildcards.model)


def judge_priority(wildcards):
    """After all edits, or before more of them where that costs no loading.

    It costs none where editors and judges fit on each device together, and where nothing is kept.
    One judge's work comes before that of the next one, so that its server is started once.
    """
    first = len(MODELS) + 1 if judging_costs_nothing() else 0
    return first - list(JUDGES).index(wildcards.judge) / len(JUDGES)


def selftest_priority(wildcards):
    """Before the judging that is ready at the same time: a test on all devices, not at the end."""
    return judge_priority(wildcards) + 0.5 / len(JUDGES)


@cache
def judging_costs_nothing():
    """Whether judging between edits has no model loaded again."""
    if any(server.serve is not None for server in SERVED.values()):
        return False  # what it is started on, it does not share
    is_kept = KEEP_LOADED and workflow.local_exec
    return not is_kept or room.fit_together(settings)


def edit_threads():
    """Cores of a job that drives a device: up to four, so that every device finds a job.

    One for each server is left, so that it is asked beside them.
    """
    # workflow.cores is an error where a cluster is given --jobs and no --cores.
    cores = workflow.resource_settings.cores
    if workflow.remote_exec or not workflow.local_exec or cores is None:
        return 4
    return max(1, min(4, (cores - len(SERVERS)) // DEVICE_COUNT))


def threads_of(section):
    """Threads of a job of ``models`` or ``judges``: one if it only asks a server that is there."""

    def threads(wildcards):
        server = server_of(section, wildcards)
        return 1 if server is not None and server.serve is None else edit_threads()

    return threads


def server_of(section, wildcards):
    """Settings of the server that a job of ``models`` or ``judges`` asks, None if it asks none."""
    name = wildcards.model if section == "models" else wildcards.judge
    return SERVED.get((section, name))


def at_once_of(section, resource=None):
    """Requests that a job may have under way: at its server, or at the one of ``resource``."""

    def at_once(wildcards):
        server = server_of(section, wildcards)
        if server is None or resource not in (None, server.resource):
            return 0
        limit = workflow.global_resources[server.resource].value
        return min(server.concurrency, limit)

    return at_once


def claims_of(section):
    """What a job claims of each server's resource, by its name."""
    return {resource: at_once_of(section, resource) for resource in SERVERS}


def group_of(section):
    """The group of a job of ``models`` or ``judges`` under a scheduler, None if it has none.

    All that use a server which the run starts are one job, so that it is started once.
    """

    def group(wildcards):
        server = server_of(section, wildcards)
        if workflow.local_exec or server is None or server.serve is None:
            return None
        name = f"{section}_{server.resource}"
        # All of this is undocumented. Jobs that do not need one another are a group each, unless
        # --group-components asks for one by its name, which the user cannot know; it is read once
        # jobs are planned.
        workflow.group_settings.group_components = {
            name: sys.maxsize,
            **workflow.group_settings.group_components,
        }
        # Groups of the last plan are kept, with jobs that were replaced when a checkpoint was done.
        workflow.dag.group_job_factory.cache.clear()
        # Where a part fails since another run has begun, the tables of the others are that run's:
        # this one is not to remove them. Of the part itself nothing is left, nor half written.
        if workflow.remote_exec:
            workflow.execution_settings.keep_incomplete = True
        return name

    return group


def score_parts(wildcards):
    """The score jobs of a category: as many as its edited images fill parts of score_chunk."""
    table = checkpoints.collect_edits.get(
        model=wildcards.model, category=wildcards.category
    ).output.table
    parts = range(1, EDIT_TABLES.score_jobs(Path(table), config["score_chunk"]) + 1)
    return collect(
        rules.score.output.table,
        judge=wildcards.judge,
        model=wildcards.model,
        category=wildcards.category,
        chunk=parts,
    )


def preference_parts(wildcards):
    """The jobs that compare two models' edits of a category: of score_chunk pairs each."""
    first, second = (
        Path(
            checkpoints.collect_edits.get(
                model=model, category=wildcards.category
            ).output.table
        )
        for model in (wildcards.first, wildcards.second)
    )
    jobs = EDIT_TABLES.compare_jobs(first, second, config["score_chunk"])
    parts = range(1, jobs + 1)
    return collect(rules.compare.output.table, **dict(wildcards.items()), chunk=parts)


def preference_tables(keys):
    """The tables of all judges that compare, and of each two models, in these categories."""
    return [
        path
        for first, second in PAIRS
        for path in collect(
            rules.collect_preferences.output.table,
            judge=COMPARING,
            first=first,
            second=second,
            category=keys,
        )
    ]


def category_preferences(wildcards):
    """The same of one category."""
    return preference_tables([wildcards.category])


def target_names(keys):
    """Each category's key under every name that its target goes by."""
    for key in keys:
        for name in dict.fromkeys([key, categories.label(key, "zh")]):
            if workflow.is_rule(name):
                raise WorkflowError(
                    f"config: benchmark.categories: {name!r} is the name of a rule, so that it "
                    "cannot be a target; give the category another name in the benchmark file."
                )
            yield key, name


def begin_run():
    """Before the first job: results can be written by this run alone, and the GPUs are there."""
    global held_results
    try:
        check_folder(Path(config["results"]))
        # Until this process ends, however it does: nothing is left that has to be unlocked.
        held_results = run_lock.hold(Path(config["results"]))
        if workflow.local_exec:
            os.environ[place.RUN] = place.this_run()
            if MOST_GPUS:
                devices.usable(config["device_ids"])
        else:
            os.environ[run_lock.RUN] = run_lock.this_run(Path(config["results"]))
    except UserError as error:
        raise WorkflowError(str(error)) from None
    for (section, name), server in SERVED.items():
        if not server.is_dated and server.serve is None:
            logger.warning(
                f"{section}.{name}: the name {server.model} has no date, so that the server may "
                "put another model behind it, today or during the run; if there is a dated name, "
                "use that."
            )
    # A run that only makes a report anew needs none.
    models_needed = {job.rule.name for job in workflow.dag.needrun_jobs()} & USE_MODELS
    layout = Layout(Path(config["results"]))
    is_of_models = any(job.rule.name in USE_MODELS for job in workflow.dag.jobs)
    if models_needed or (is_of_models and not layout.plan.exists()):
        plan.write(layout, this_plan())
    # With --sdm jobs have another Python than this one, which may lack their libraries.
    is_own_python = not workflow.deployment_settings.deployment_method
    if KEEP_LOADED and workflow.local_exec and models_needed and is_own_python:
        warm_up()


def this_plan():
    """What this run is to make, for scripts/status.py."""
    to_make = set(workflow.dag.needrun_jobs())
    tables = {"edit": [], "score": [], "compare": [], "selftest": []}
    for job in workflow.dag.jobs:
        if job.rule.name in tables:
            # Wildcards come in the order of the output's path.
            place = list(job.wildcards_dict.values())
            tables[job.rule.name].append(plan.Table(place, job in to_make))
    return plan.Plan(
        # By the clock of the file system, which gives the times of the tables.
        begun=Layout(Path(config["results"])).run_lock.stat().st_mtime,
        models={
            name: plan.Maker(
                MODELS[name] + EDITOR_SURROUNDINGS[name] + EDITOR_WEIGHTS[name],
                model.repeats,
            )
            for name, model in settings.models.items()
        },
        judges={
            name: plan.Maker(
                JUDGES[name]
                + JUDGE_SURROUNDINGS[name]
                + JUDGE_WEIGHTS[name]
                + state(map(Path, RUBRICS[name]))
            )
            for name in SCORING
        },
        edits=tables["edit"],
        scores=tables["score"],
        comparisons=tables["compare"],
        selftests=tables["selftest"],
    )


def warm_up():
    """Have the models' libraries imported on all devices, while other jobs read what there is."""
    sections = [("editor", settings.models), ("judge", settings.judges)]
    ahead = [
        f"{role}={Path(model.checkpoint).expanduser()}"
        for role, section in sections
        for model in section.values()
        # A process that is ready ahead of its job sees one device.
        if isinstance(model, DiffusersEditorSettings | TransformersJudgeSettings)
        and model.gpu == 1
    ]
    if not ahead:
        return
    # The environment of a job: what Snakemake adds to its own.
    threads = dict.fromkeys(THREAD_VARIABLES, str(edit_threads()))
    subprocess.run(
        [
            sys.executable,
            SCRIPTS / "warm.py",
            f"--results={config['results']}",
            f"--each={len(ahead)}",
            f"--device-ids={DEVICE_IDS}",
            f"--keep-loaded={KEEP_LOADED}",
            "--ahead",
            *ahead,
        ],
        env=os.environ | threads,
        check=False,
    )
