rule compare:
    """A part of a category's edits of two models, compared by one judge in both orders. Answers
    are kept in the store as they come, so that a model added later costs its own pairs alone.
    """
    input:
        samples=rules.samples.output.table,
        first="<results>/edits/{first}/{category}/edits.jsonl",
        second="<results>/edits/{second}/{category}/edits.jsonl",
        rubric=lookup(dpath="{judge}", within=RUBRICS),
        checkpoint=rules.judge_checkpoint.output,
    output:
        table="<results>/preferences/{judge}/{first}/{second}/{category}/part-{chunk}.jsonl",
    log:
        "<results>/logs/compare/{judge}/{first}/{second}/{category}/part-{chunk}.log",
    benchmark:
        "<results>/benchmarks/compare/{judge}/{first}/{second}/{category}/part-{chunk}.tsv"
    priority: judge_priority
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
        size=lookup(dpath="score_chunk", within=config),
        language=lookup(dpath="benchmark/language", within=config),
        results=results_folder,
    shell:
        "python scripts/compare.py --samples {input.samples:q}"
        " --edits {input.first:q} {input.second:q}"
        " --models {wildcards.first} {wildcards.second} --category {wildcards.category}"
        " --chunk {wildcards.chunk} --chunk-size {params.size} --judge {wildcards.judge}"
        " --settings {params.settings:q} --checkpoint {input.checkpoint:q} --language {params.language}"
        " --results {params.results:q} --out {output.table:q} --gpu {resources.gpu}"
        " --device-ids {resources.device_ids} --load-slots {resources.load_slots}"
        " --stage-checkpoints={resources.stage_checkpoints:q}"
        " --keep-loaded {resources.keep_loaded} --at-once {resources.at_once}"
        " --budget {resources.budget} 2> {log:q}"


rule collect_preferences:
    """The jobs of two models and a category become one table with a row for every pair. The first
    part is named outright, so that a dry run shows the jobs before anything is edited.
    """
    input:
        first="<results>/preferences/{judge}/{first}/{second}/{category}/part-1.jsonl",
        parts=preference_parts,
    output:
        table="<results>/preferences/{judge}/{first}/{second}/{category}.jsonl",
    log:
        "<results>/logs/collect_preferences/{judge}/{first}/{second}/{category}.log",
    priority: 20
    localrule: True
    conda:
        "../../environment.yml"
    shell:
        "python scripts/collect_preferences.py --parts {input.parts:q} --out {output.table:q}"
        " 2> {log:q}"
