rule estimate:
    """What the run will ask of servers, and about what that will cost: a target for itself."""
    input:
        rules.samples.output.table,
    log:
        "<results>/logs/estimate.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        settings=run_settings,
        results=results_folder,
        selftested=SELFTESTED,
    shell:
        "python scripts/estimate.py --samples {input:q} --settings {params.settings:q}"
        " --selftested {params.selftested} --results {params.results:q} 2> {log:q}"


rule run_record:
    """What was run: configuration, checkpoints, rubrics, benchmark file, versions, command."""
    input:
        benchmark=BENCHMARK_FILES,
        editors=collect(rules.editor_checkpoint.output, model=MODELS),
        judges=collect(rules.judge_checkpoint.output, judge=JUDGES),
        rubrics=sorted({path for paths in RUBRICS.values() for path in paths}),
        # Last, so that the versions and devices are those of the run that made the scores.
        scores=collect(
            rules.collect_scores.output.table,
            model=MODELS,
            judge=SCORING,
            category=CATEGORIES,
        ),
        preferences=preference_tables(CATEGORIES),
    output:
        "<results>/run.json",
    log:
        "<results>/logs/run_record.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        settings=run_settings,
        path=benchmark_path,
        results=results_folder,
    shell:
        "python scripts/run_record.py --settings {params.settings:q}"
        " --benchmark {params.path:q} --checkpoints {input.editors:q} {input.judges:q}"
        " --scores {input.scores:q} --preferences {input.preferences:q} --results {params.results:q}"
        " --out {output:q} 2> {log:q}"


rule aggregate:
    """Tables, plots and the page over all categories, models and judges."""
    input:
        samples=rules.samples.output.table,
        scores=collect(
            rules.collect_scores.output.table,
            model=MODELS,
            judge=SCORING,
            category=CATEGORIES,
        ),
        preferences=preference_tables(CATEGORIES),
        run=rules.run_record.output,
        # The report opens with what the self-test says of its judges.
        selftests=rules.judge_selftest.input,
        ratings=RATINGS,
    output:
        summary=report(
            "<results>/report/summary.csv",
            caption="../report/tables.rst",
            category="Tables",
            labels={"table": "summary"},
        ),
        breakdown=report(
            "<results>/report/breakdown.csv",
            caption="../report/tables.rst",
            category="Tables",
            labels={"table": "by turn, criterion, difficulty, tag, language"},
        ),
        comparison=report(
            "<results>/report/comparison.csv",
            caption="../report/tables.rst",
            category="Tables",
            labels={"table": "models compared sample by sample"},
        ),
        ranks=report(
            "<results>/report/ranks.csv",
            caption="../report/tables.rst",
            category="Tables",
            labels={"table": "ranks of the models"},
        ),
        agreement=report(
            "<results>/report/agreement.csv",
            caption="../report/tables.rst",
            category="Tables",
            labels={"table": "agreement of the judges"},
        ),
        timings=report(
            "<results>/report/timings.csv",
            caption="../report/tables.rst",
            category="Tables",
            labels={"table": "where the time went"},
        ),
        scores=report(
            "<results>/report/scores.csv",
            caption="../report/tables.rst",
            category="Tables",
            labels={"table": "scores of every sample"},
        ),
        plots=report(
            directory("<results>/report/plots"),
            patterns=["overview-{judge}.svg"],
            caption="../report/plots.rst",
            category="Plots",
            labels={"judge": "{judge}"},
        ),
        contact_sheets=report(
            directory("<results>/report/contact_sheets"),
            patterns=["{category}/{model}.jpg"],
            caption="../report/contact_sheets.rst",
            category="Contact sheets",
            subcategory="{category}",
            labels={"model": "{model}", "category": "{category}"},
        ),
        markdown="<results>/report/summary.md",
        latex="<results>/report/summary.tex",
        json="<results>/report/summary.json",
        run="<results>/report/run.json",
        page="<results>/report/index.html",
    log:
        "<results>/logs/aggregate.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        results=results_folder,
        language=lookup(dpath="benchmark/language", within=config),
        note=report_note,
        human=human_ratings,
        equal_share=lookup(dpath="equal_share", within=config),
        merge=lookup(dpath="merge", within=config),
    shell:
        "python scripts/aggregate.py --samples {input.samples:q} --scores {input.scores:q}"
        " --preferences {input.preferences:q}"
        " --results {params.results:q} --run {input.run:q} --merge {params.merge:q}"
        " --selftest {input.selftests:q}"
        " --language {params.language} --note={params.note:q}"
        " --equal-share {params.equal_share} --human-ratings {params.human:q}"
        " --out {params.results:q}/report 2> {log:q}"


rule aggregate_category:
    """The same over one category, for its target."""
    input:
        samples=rules.samples.output.table,
        scores=collect(
            rules.collect_scores.output.table,
            model=MODELS,
            judge=SCORING,
            allow_missing=True,
        ),
        preferences=category_preferences,
        ratings=RATINGS,
    output:
        page="<results>/report/categories/{category}/index.html",
    log:
        "<results>/logs/aggregate/{category}.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        results=results_folder,
        judges=judges_settings,
        language=lookup(dpath="benchmark/language", within=config),
        note=report_note,
        human=human_ratings,
        equal_share=lookup(dpath="equal_share", within=config),
    shell:
        "python scripts/aggregate.py --samples {input.samples:q} --scores {input.scores:q}"
        " --preferences {input.preferences:q}"
        " --results {params.results:q} --judges {params.judges:q}"
        " --language {params.language} --note={params.note:q}"
        " --equal-share {params.equal_share} --human-ratings {params.human:q}"
        " --out {params.results:q}/report/categories/{wildcards.category} 2> {log:q}"
