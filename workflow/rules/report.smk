# Tables, figures and the summary for machines.
REPORT = f"{RESULTS}/report"
EVALUATION = f"{REPORT}/evaluation.json"
HAS_TRUTH = INPUTS.truth is not None
SYNTHETIC = "--note 'synthetic data'" if DEMO is not None else ""


if HAS_TRUTH:

    rule evaluate:
        input:
            slumps=SLUMPS,
            truth=INPUTS.truth,
            area=given(INPUTS.evaluation_area),
            candidates=of_all_iterations("candidates/candidates.gpkg"),
        output:
            EVALUATION,
        log:
            f"{LOGS}/evaluate.log",
        benchmark:
            f"{COSTS}/evaluate.tsv"
        conda:
            "../../envs/geo.yaml"
        params:
            area=option("area", INPUTS.evaluation_area),
            mmu=campaign.candidates.mmu_ha,
            candidates=lambda wildcards, input: repeated("candidates", input.candidates),
        message:
            "Comparing candidates and inventory with the truth"
        shell:
            "python -m slumpmap evaluate --slumps {input.slumps:q} {params.candidates} --truth {input.truth:q}"
            " {params.area} --mmu-ha {params.mmu:q} --out {output:q} 2> {log:q}"


rule table2:
    input:
        outcomes=of_all_iterations("outcome/outcome.json"),
        evaluation=[EVALUATION] if HAS_TRUTH else [],
    output:
        csv=report(f"{REPORT}/table2.csv", caption="../report/table2.rst", category="Iterations"),
        markdown=f"{REPORT}/table2.md",
    log:
        f"{LOGS}/table2.log",
    benchmark:
        f"{COSTS}/table2.tsv"
    conda:
        "../../envs/geo.yaml"
    params:
        outcomes=lambda wildcards, input: repeated("outcome", input.outcomes),
        evaluation=option("evaluation", EVALUATION if HAS_TRUTH else None),
    message:
        "Table 2 of this campaign"
    shell:
        "python -m slumpmap table2 {params.outcomes} {params.evaluation} --out {output.csv:q} 2> {log:q}"


rule iterations_figure:
    input:
        outcomes=of_all_iterations("outcome/outcome.json"),
        evaluation=[EVALUATION] if HAS_TRUTH else [],
    output:
        png=report(f"{REPORT}/iterations.png", caption="../report/iterations.rst", category="Iterations"),
        pdf=f"{REPORT}/iterations.pdf",
    log:
        f"{LOGS}/iterations_figure.log",
    benchmark:
        f"{COSTS}/iterations_figure.tsv"
    conda:
        "../../envs/geo.yaml"
    params:
        outcomes=lambda wildcards, input: repeated("outcome", input.outcomes),
        evaluation=option("evaluation", EVALUATION if HAS_TRUTH else None),
        note=SYNTHETIC,
    message:
        "Figure of the iterations"
    shell:
        "python -m slumpmap iterations-figure {params.outcomes} {params.evaluation} {params.note}"
        " --out {output.png:q} 2> {log:q}"


rule missing:
    # A finished cross-validation counts, but is no input: a report must not train its networks again.
    input:
        outcomes=of_all_iterations("outcome/outcome.json"),
        evaluation=[EVALUATION] if HAS_TRUTH else [],
    output:
        png=report(f"{REPORT}/missing.png", caption="../report/missing.rst", category="Iterations"),
        pdf=f"{REPORT}/missing.pdf",
        figures=f"{REPORT}/missing.json",
        words=report(f"{REPORT}/missing.md", caption="../report/missing_words.rst", category="Iterations"),
    log:
        f"{LOGS}/missing.log",
    benchmark:
        f"{COSTS}/missing.tsv"
    conda:
        "../../envs/geo.yaml"
    params:
        outcomes=lambda wildcards, input: repeated("outcome", input.outcomes),
        unseen=crossval_recall,
        evaluation=option("evaluation", EVALUATION if HAS_TRUTH else None),
        note=SYNTHETIC,
    message:
        "What is still missing"
    shell:
        "python -m slumpmap missing {params.outcomes} {params.unseen} {params.evaluation} {params.note}"
        " --out {output.png:q} 2> {log:q}"


rule training_figure:
    input:
        history=f"{ITERATION}/{{bundle}}/training_log.csv",
    output:
        png=report(
            f"{ITERATION}/{{bundle}}/training.png",
            caption="../report/training.rst",
            category="Training",
            labels={"iteration": "{n}", "network": "{bundle}"},
        ),
        pdf=f"{ITERATION}/{{bundle}}/training.pdf",
    log:
        f"{LOGS}/{{n}}/training_figure_{{bundle}}.log",
    benchmark:
        f"{COSTS}/{{n}}/training_figure_{{bundle}}.tsv"
    conda:
        "../../envs/geo.yaml"
    params:
        note=SYNTHETIC,
    message:
        "Iteration {wildcards.n}: how {wildcards.bundle} was trained"
    shell:
        "python -m slumpmap training-figure --history {input.history:q} {params.note} --out {output.png:q} 2> {log:q}"


rule reliability_figure:
    input:
        tables=of_all_iterations("model/reliability.csv"),
    output:
        png=report(f"{REPORT}/reliability.png", caption="../report/reliability.rst", category="Training"),
        pdf=f"{REPORT}/reliability.pdf",
    log:
        f"{LOGS}/reliability_figure.log",
    benchmark:
        f"{COSTS}/reliability_figure.tsv"
    conda:
        "../../envs/geo.yaml"
    params:
        tables=lambda wildcards, input: repeated("table", input.tables),
        note=SYNTHETIC,
    message:
        "How reliable the probabilities are"
    shell:
        "python -m slumpmap reliability-figure {params.tables} {params.note} --out {output.png:q} 2> {log:q}"


rule contact_sheet:
    input:
        grid=GRID,
        inventory=INVENTORY,
        tiles=expand("{folder}/imagery/{year}/{tile}.tif", folder=RESULTS, year=campaign.imagery.years, tile=TILES),
    output:
        png=report(f"{REPORT}/contact_sheet.png", caption="../report/contact_sheet.rst", category="Inventory"),
    log:
        f"{LOGS}/contact_sheet.log",
    benchmark:
        f"{COSTS}/contact_sheet.tsv"
    conda:
        "../../envs/geo.yaml"
    params:
        imagery=lambda wildcards, input: Path(input.tiles[0]).parent.parent.as_posix(),
        years=",".join(map(str, campaign.imagery.years)),
        mapping_year=campaign.imagery.mapping_year,
        note=SYNTHETIC,
    message:
        "Contact sheet of slumps"
    shell:
        "python -m slumpmap contact-sheet --grid {input.grid:q} --inventory {input.inventory:q}"
        " --imagery {params.imagery:q} --years {params.years:q} --mapping-year {params.mapping_year:q} {params.note}"
        " --out {output.png:q} 2> {log:q}"


rule summary:
    input:
        outcomes=of_all_iterations("outcome/outcome.json"),
        evaluation=[EVALUATION] if HAS_TRUTH else [],
        inventory=INVENTORY,
    output:
        summary=report(f"{RESULTS}/summary.json", caption="../report/summary.rst", category="Iterations"),
    log:
        f"{LOGS}/summary.log",
    benchmark:
        f"{COSTS}/summary.tsv"
    conda:
        "../../envs/geo.yaml"
    params:
        campaign=campaign.campaign,
        synthetic="--synthetic" if DEMO is not None else "",
        costs=COSTS,
        outcomes=lambda wildcards, input: repeated("outcome", input.outcomes),
        evaluation=option("evaluation", EVALUATION if HAS_TRUTH else None),
    message:
        "Summary for machines"
    shell:
        "python -m slumpmap summary --campaign {params.campaign:q} {params.synthetic} {params.outcomes}"
        " {params.evaluation} --inventory {input.inventory:q} --benchmarks {params.costs:q}"
        " --out {output.summary:q} 2> {log:q}"
