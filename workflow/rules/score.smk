rule score:
    """A part of a category's edited images scored by one judge on one device. Answers are kept
    in the store as they come."""
    input:
        samples=rules.samples.output.table,
        edits="<results>/edits/{model}/{category}/edits.jsonl",
        rubric=lookup(dpath="{judge}", within=RUBRICS),
        checkpoint=rules.judge_checkpoint.output,
    output:
        table="<results>/scores/{judge}/{model}/{category}/part-{chunk}.jsonl",
    log:
        "<results>/logs/score/{judge}/{model}/{category}/part-{chunk}.log",
    benchmark:
        "<results>/benchmarks/score/{judge}/{model}/{category}/part-{chunk}.tsv"
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
        "python scripts/score.py --samples {input.samples:q} --edits {input.edits:q}"
        " --category {wildcards.category} --model {wildcards.model}"
        " --chunk {wildcards.chunk} --chunk-size {params.size} --judge {wildcards.judge}"
        " --settings {params.settings:q} --checkpoint {input.checkpoint:q} --language {params.language}"
        " --results {params.results:q} --out {output.table:q} --gpu {resources.gpu}"
        " --device-ids {resources.device_ids} --load-slots {resources.load_slots}"
        " --stage-checkpoints={resources.stage_checkpoints:q}"
        " --keep-loaded {resources.keep_loaded} --at-once {resources.at_once}"
        " --budget {resources.budget} 2> {log:q}"


rule collect_scores:
    """A category's score jobs become one table with a row for every sample. The first part is
    named outright, so that a dry run shows the score jobs before anything is edited."""
    input:
        edits="<results>/edits/{model}/{category}/edits.jsonl",
        first="<results>/scores/{judge}/{model}/{category}/part-1.jsonl",
        parts=score_parts,
    output:
        table="<results>/scores/{judge}/{model}/{category}.jsonl",
    log:
        "<results>/logs/collect_scores/{judge}/{model}/{category}.log",
    priority: 20
    localrule: True
    conda:
        "../../environment.yml"
    shell:
        "python scripts/collect_scores.py --edits {input.edits:q} --scores {input.parts:q}"
        " --judge {wildcards.judge} --out {output.table:q} 2> {log:q}"
