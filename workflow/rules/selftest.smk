rule selftest_part:
    """A judge is asked about a part of the chosen edits of a model again and again: as they are,
    broken in ways that it has to notice, changed in ways it has to overlook."""
    input:
        samples=rules.samples.output.table,
        edits=collect(
            "<results>/edits/{model}/{category}/edits.jsonl",
            category=CATEGORIES,
            allow_missing=True,
        ),
        rubric=lookup(dpath="{judge}", within=RUBRICS),
        checkpoint=rules.judge_checkpoint.output,
    output:
        "<results>/selftest_parts/{judge}/{model}/{scatteritem}.json",
    log:
        "<results>/logs/selftest_part/{judge}/{model}/{scatteritem}.log",
    priority: selftest_priority
    group:
        group_of("judges")
    conda:
        "../../environment.yml"
    threads: threads_of("judges")
    resources:
        **claims_of("judges"),
        gpu=judge_gpus,
        device_ids=DEVICE_IDS,
        load_slots=config["load_slots"],
        stage_checkpoints=config["stage_checkpoints"] or "",
        keep_loaded=KEEP_LOADED,
        at_once=at_once_of("judges"),
        budget=BUDGET,
    params:
        settings=lookup(dpath="{judge}", within=JUDGES),
        surroundings=lookup(dpath="{judge}", within=JUDGE_SURROUNDINGS),
        samples=lookup(dpath="selftest_samples", within=config),
        language=lookup(dpath="benchmark/language", within=config),
        results=results_folder,
        # Raised when what is asked changes, so that every verdict is of that.
        protocol=2,
    shell:
        "python scripts/selftest.py --samples {input.samples:q} --edits {input.edits:q}"
        " --count {params.samples} --part {wildcards.scatteritem} --model {wildcards.model}"
        " --judge {wildcards.judge} --settings {params.settings:q}"
        " --checkpoint {input.checkpoint:q} --language {params.language}"
        " --results {params.results:q} --out {output:q}"
        " --gpu {resources.gpu} --device-ids {resources.device_ids}"
        " --load-slots {resources.load_slots}"
        " --stage-checkpoints={resources.stage_checkpoints:q}"
        " --keep-loaded {resources.keep_loaded} --at-once {resources.at_once}"
        " --budget {resources.budget} 2> {log:q}"


rule selftest:
    """Is a judge to be trusted? The parts of its test become one verdict."""
    input:
        gather.selftest(rules.selftest_part.output, allow_missing=True),
    output:
        "<results>/selftest/{judge}/{model}.json",
    log:
        "<results>/logs/selftest/{judge}/{model}.log",
    priority: 20
    localrule: True
    conda:
        "../../environment.yml"
    params:
        # Raised when what passes changes.
        protocol=2,
    shell:
        "python scripts/join_selftest.py --parts {input:q} --out {output:q} 2> {log:q}"


rule judge_selftest:
    """Every judge put to the test on every model's edits; the report opens with the verdicts."""
    input:
        collect(rules.selftest.output, judge=TESTED_JUDGES, model=SELFTESTED),
    localrule: True
