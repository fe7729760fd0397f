# The order in which candidates are opened. It hides none, and nothing but the review reads it.
rule candidate_evidence:
    input:
        grid=GRID,
        candidates=f"{ITERATION}/candidates/candidates.gpkg",
        known=f"{ITERATION}/labels/positives.gpkg",
        negatives=f"{ITERATION}/labels/negatives.gpkg",
        rejected=before("outcome/rejected.gpkg"),
        mosaics=[f"{RESULTS}/imagery/{year}/mosaic.vrt" for year in campaign.imagery.years],
        dem=given(INPUTS.dem),
    output:
        f"{ITERATION}/review/evidence.parquet",
    log:
        f"{LOGS}/{{n}}/candidate_evidence.log",
    benchmark:
        f"{COSTS}/{{n}}/candidate_evidence.tsv"
    conda:
        "../../envs/geo.yaml"
    params:
        imagery=imagery_root,
        years=",".join(map(str, campaign.imagery.years)),
        mapping_year=campaign.imagery.mapping_year,
        rejected=lambda wildcards, input: option("rejected", input.rejected),
        dem=lambda wildcards, input: option("dem", input.dem),
    message:
        "Iteration {wildcards.n}: measuring the candidates"
    shell:
        "python -m slumpmap evidence --grid {input.grid:q} --candidates {input.candidates:q} --known {input.known:q}"
        " --negatives {input.negatives:q} {params.rejected} --imagery {params.imagery:q} --years {params.years:q} --mapping-year {params.mapping_year:q}"
        " {params.dem} --out {output:q} 2> {log:q}"


rule rank:
    input:
        candidates=f"{ITERATION}/candidates/candidates.gpkg",
        evidence=lambda wildcards: [
            iteration_file(number, "review/evidence.parquet") for number in range(1, int(wildcards.n) + 1)
        ],
        # The verdicts of all iterations before this one.
        rejected=before("outcome/rejected.gpkg"),
    output:
        f"{ITERATION}/review/queue.gpkg",
    log:
        f"{LOGS}/{{n}}/rank.log",
    benchmark:
        f"{COSTS}/{{n}}/rank.tsv"
    conda:
        "../../envs/geo.yaml"
    params:
        seed=campaign.seed,
        evidence=lambda wildcards, input: repeated("evidence", input.evidence),
        rejected=lambda wildcards, input: option("rejected", input.rejected),
        options=as_options(campaign.ranking),
    message:
        "Iteration {wildcards.n}: ranking the candidates"
    shell:
        "python -m slumpmap rank --candidates {input.candidates:q} {params.evidence} {params.rejected}"
        " --seed {params.seed:q} {params.options} --out {output:q} 2> {log:q}"
