rule samples:
    """The benchmark file, in any of its formats, becomes the samples table, and its source
    images files under their hash. Prints which sample goes to which shard."""
    input:
        BENCHMARK_FILES,
    output:
        table="<results>/benchmark/samples.jsonl",
        sources=directory("<results>/benchmark/sources"),
        assignment="<results>/benchmark/assignment.txt",
    log:
        "<results>/logs/samples.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        path=benchmark_path,
        options=benchmark_options,
        format=lookup(dpath="benchmark/format", within=config),
        language=lookup(dpath="benchmark/language", within=config),
        categories=CATEGORIES,
        limit=f"--limit {limit}" if (limit := config["benchmark"]["limit"]) else "",
        strict="--strict" if config["benchmark"]["strict"] else "",
        shards=lookup(dpath="shards", within=config),
        results=results_folder,
        # Not for the command: another image is a reason to run it again.
        images=benchmark_images,
    shell:
        "python scripts/samples.py --benchmark {params.path:q} --format {params.format}"
        " --language {params.language} --categories {params.categories} {params.limit}"
        " {params.strict} --options={params.options:q}"
        " --shards {params.shards} --results {params.results:q} --sources {output.sources:q}"
        " --out {output.table:q} 2> {log:q} | tee {output.assignment:q}"


rule editor_checkpoint:
    """The model's weights: found or downloaded, checked to be whole, weighed and identified,
    before any device is taken."""
    output:
        "<results>/checkpoints/editors/{model}.json",
    log:
        "<results>/logs/checkpoints/editors/{model}.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        settings=lookup(dpath="{model}", within=MODELS),
        weights=lookup(dpath="{model}", within=EDITOR_WEIGHTS),
    shell:
        "python scripts/checkpoint.py --settings {params.settings:q}"
        " --name models.{wildcards.model} --out {output:q} 2> {log:q}"


rule judge_checkpoint:
    """The same for a judge."""
    output:
        "<results>/checkpoints/judges/{judge}.json",
    log:
        "<results>/logs/checkpoints/judges/{judge}.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        settings=lookup(dpath="{judge}", within=JUDGES),
        weights=lookup(dpath="{judge}", within=JUDGE_WEIGHTS),
    shell:
        "python scripts/checkpoint.py --settings {params.settings:q}"
        " --name judges.{wildcards.judge} --out {output:q} 2> {log:q}"
