"""Benchmark image-editing models: edit, collect, score, report.

    snakemake --cores all --resources gpu=6           everything that config/config.yaml asks for
    snakemake 物理 --cores all --resources gpu=6      one category, by its Chinese or English name

The target comes first: what follows --resources is taken for a resource.
"""

from snakemake.utils import min_version

# Resource defaults by the workflow, and checkpoints that are evaluated anew on a rerun.
min_version("9.21.1")


##### Configuration #####


# A file given with --configfile is the whole configuration: merged into config.yaml, as Snakemake
# would, a run of the demo would edit with that file's models too.
if not workflow.overwrite_configfiles:

    configfile: "config/config.yaml"


include: "workflow/rules/common.smk"


pathvars:
    results=config["results"],


scattergather:
    edit=config["shards"],
    selftest=SELFTEST_PARTS,


wildcard_constraints:
    model="|".join(map(re.escape, config["models"])),
    first="|".join(map(re.escape, config["models"])),
    second="|".join(map(re.escape, config["models"])),
    judge="|".join(map(re.escape, config["judges"])),
    category="|".join(map(re.escape, CATEGORIES)),
    chunk=r"\d+",


##### Stations #####


include: "workflow/rules/benchmark.smk"
include: "workflow/rules/edit.smk"
include: "workflow/rules/score.smk"
include: "workflow/rules/compare.smk"
include: "workflow/rules/selftest.smk"
include: "workflow/rules/report.smk"


##### Targets #####


rule all:
    """Every category's scores, each by itself so that a failing category costs no other, and the
    report over all of them."""
    default_target: True
    input:
        collect(
            rules.collect_scores.output.table,
            model=config["models"],
            judge=SCORING,
            category=CATEGORIES,
        ),
        preference_tables(CATEGORIES),
        rules.aggregate.output,
    localrule: True


for key, name in target_names(CATEGORIES):

    rule:
        name:
            f"{name}"
        input:
            expand(rules.aggregate_category.output, category=key),
        localrule: True


onstart:
    begin_run()
