rule edit:
    """One shard of a category (samples with idx % n = k) edited by one model on one device.

    The images go to a store beside the declared output, each as soon as it is made, so that a
    job that fails or is killed loses none: the next one edits only what is missing."""
    input:
        samples=rules.samples.output.table,
        sources=rules.samples.output.sources,
        checkpoint=rules.editor_checkpoint.output,
    output:
        table="<results>/edits/{model}/{category}/{scatteritem}.jsonl",
    log:
        "<results>/logs/edit/{model}/{category}/{scatteritem}.log",
    benchmark:
        "<results>/benchmarks/edit/{model}/{category}/{scatteritem}.tsv"
    priority: edit_priority
    group:
        group_of("models")
    conda:
        "../../environment.yml"
    threads: threads_of("models")
    resources:
        **claims_of("models"),
        gpu=model_gpus,
        # Where a job may run is no reason to run it again, so this is no parameter.
        device_ids=DEVICE_IDS,
        load_slots=config["load_slots"],
        stage_checkpoints=config["stage_checkpoints"] or "",
        keep_loaded=KEEP_LOADED,
        at_once=at_once_of("models"),
        budget=BUDGET,
    params:
        settings=lookup(dpath="{model}", within=MODELS),
        surroundings=lookup(dpath="{model}", within=EDITOR_SURROUNDINGS),
        results=results_folder,
    shell:
        "python scripts/edit.py --samples {input.samples:q} --category {wildcards.category}"
        " --shard {wildcards.scatteritem} --model {wildcards.model}"
        " --settings {params.settings:q} --checkpoint {input.checkpoint:q}"
        " --results {params.results:q} --out {output.table:q} --gpu {resources.gpu}"
        " --device-ids {resources.device_ids} --load-slots {resources.load_slots}"
        " --stage-checkpoints={resources.stage_checkpoints:q}"
        " --keep-loaded {resources.keep_loaded} --at-once {resources.at_once}"
        " --budget {resources.budget} 2> {log:q}"


checkpoint collect_edits:
    """All shards of a category become one table of what was edited and what was not, and the
    images lie under their samples' ids. How many were edited decides how many score jobs
    follow."""
    input:
        samples=rules.samples.output.table,
        shards=gather.edit(rules.edit.output.table, allow_missing=True),
    output:
        # The images lie beside it, undeclared: a checkpoint that lacks an output is never evaluated,
        # and runs from before 0.2 have them in another folder.
        table="<results>/edits/{model}/{category}/edits.jsonl",
    log:
        "<results>/logs/collect_edits/{model}/{category}.log",
    # What is edited can be scored while other categories are edited.
    priority: 20
    localrule: True
    conda:
        "../../environment.yml"
    params:
        results=results_folder,
    shell:
        "python scripts/collect.py --samples {input.samples:q} --category {wildcards.category}"
        " --model {wildcards.model} --shards {input.shards:q} --results {params.results:q}"
        " --out {output.table:q} 2> {log:q}"
