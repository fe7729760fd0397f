# Inspection. In a people's campaign decision files are inputs that no rule writes; in a synthetic campaign
# simulated experts write the same files below the results.
rule review_template:
    input:
        f"{ITERATION}/candidates/candidates.gpkg",
    output:
        f"{ITERATION}/review/to_inspect.gpkg",
    log:
        f"{LOGS}/{{n}}/review_template.log",
    benchmark:
        f"{COSTS}/{{n}}/review_template.tsv"
    conda:
        "../../envs/geo.yaml"
    message:
        "Iteration {wildcards.n}: writing the candidates to inspect"
    shell:
        "python -m slumpmap review-template --candidates {input:q} --out {output:q} 2> {log:q}"


for number, batch in enumerate(BATCHES):

    rule:
        name:
            f"chips_{number:03d}"
        input:
            grid=GRID,
            candidates=f"{ITERATION}/candidates/candidates.gpkg",
            known=f"{ITERATION}/labels/positives.gpkg",
            rejected=before("outcome/rejected.gpkg"),
            mosaics=[f"{RESULTS}/imagery/{year}/mosaic.vrt" for year in campaign.imagery.years],
            catalogue=CATALOGUE,
            dem=given(INPUTS.dem),
            images=[image.path.as_posix() for image in campaign.dated_images()],
        output:
            [f"{ITERATION}/review/chips/{tile}.zip" for tile in batch],
        log:
            f"{LOGS}/{{n}}/chips_{number:03d}.log",
        benchmark:
            f"{COSTS}/{{n}}/chips_{number:03d}.tsv"
        conda:
            "../../envs/geo.yaml"
        params:
            folder=output_folder,
            imagery=imagery_root,
            years=",".join(map(str, campaign.imagery.years)),
            mapping_year=campaign.imagery.mapping_year,
            rejected=lambda wildcards, input: option("rejected", input.rejected),
            dem=option("dem", INPUTS.dem),
            images=repeated("image", [image.model_dump_json() for image in campaign.dated_images()]),
            tiles=",".join(batch),
            options=as_options(campaign.chips),
        message:
            f"Iteration {{wildcards.n}}: pictures of the candidates, {which_batch(number, BATCHES)}"
        shell:
            "python -m slumpmap chips --grid {input.grid:q} --candidates {input.candidates:q} --known {input.known:q}"
            " {params.rejected} --imagery {params.imagery:q} --years {params.years:q} --mapping-year {params.mapping_year:q}"
            " --catalogue {input.catalogue:q} {params.dem} {params.images} --tiles {params.tiles:q} {params.options}"
            " --out {params.folder:q} 2> {log:q}"


rule timelapse:
    input:
        queue=f"{ITERATION}/review/queue.gpkg",
        packs=expand("{folder}/review/chips/{tile}.zip", folder=ITERATION, tile=TILES, allow_missing=True),
    output:
        directory(f"{ITERATION}/review/timelapse"),
    log:
        f"{LOGS}/{{n}}/timelapse.log",
    benchmark:
        f"{COSTS}/{{n}}/timelapse.tsv"
    conda:
        "../../envs/geo.yaml"
    params:
        packs=folder_of("packs"),
        files=",".join(campaign.chips.files),
    message:
        "Iteration {wildcards.n}: time-lapse files of the candidates"
    shell:
        "python -m slumpmap timelapse --chips {params.packs:q} --queue {input.queue:q} --files {params.files:q}"
        " --out {output:q} 2> {log:q}"


if SIMULATED:

    rule simulate_review:
        input:
            candidates=f"{ITERATION}/candidates/candidates.gpkg",
            known=f"{ITERATION}/labels/positives.gpkg",
            truth=INPUTS.truth,
            disputed_by=lambda wildcards: (
                [decision_file(wildcards.n, name) for name in REVIEW.reviewers]
                if wildcards.reviewer == REVIEW.adjudicator
                else []
            ),
        output:
            f"{ITERATION}/simulated_decisions/{{reviewer}}.gpkg",
        log:
            f"{LOGS}/{{n}}/simulate_review_{{reviewer}}.log",
        benchmark:
            f"{COSTS}/{{n}}/simulate_review_{{reviewer}}.tsv"
        conda:
            "../../envs/geo.yaml"
        params:
            seed=campaign.seed,
            options=as_options(campaign.experts),
            disputed_by=lambda wildcards, input: repeated("disputed-by", input.disputed_by),
        message:
            "Iteration {wildcards.n}: simulated expert {wildcards.reviewer} inspects"
        shell:
            "python -m slumpmap simulate-review --candidates {input.candidates:q} --known {input.known:q}"
            " --truth {input.truth:q} {params.disputed_by} --reviewer {wildcards.reviewer:q} --seed {params.seed:q}"
            " {params.options} --out {output:q} 2> {log:q}"


checkpoint outcome:
    input:
        candidates=f"{ITERATION}/candidates/candidates.gpkg",
        template=f"{ITERATION}/review/to_inspect.gpkg",
        positives=f"{ITERATION}/labels/positives.gpkg",
        negatives=f"{ITERATION}/labels/negatives.gpkg",
        rejected=before("outcome/rejected.gpkg"),
        decisions=decisions_there,
    output:
        outcome=f"{ITERATION}/outcome/outcome.json",
        accepted=f"{ITERATION}/outcome/accepted.gpkg",
        rejected=f"{ITERATION}/outcome/rejected.gpkg",
        verdicts=f"{ITERATION}/outcome/verdicts.gpkg",
        disputed=f"{ITERATION}/outcome/disputed.gpkg",
    log:
        f"{LOGS}/{{n}}/outcome.log",
    benchmark:
        f"{COSTS}/{{n}}/outcome.tsv"
    conda:
        "../../envs/geo.yaml"
    params:
        folder=output_folder,
        number=lambda wildcards: int(wildcards.n),
        rejected=lambda wildcards, input: option("rejected", input.rejected),
        decisions=named_decisions,
        options=as_options(campaign.review, BoundarySettings.model_fields),
    message:
        "Iteration {wildcards.n}: counting the decisions"
    shell:
        "python -m slumpmap outcome --candidates {input.candidates:q} --positives {input.positives:q}"
        " --negatives {input.negatives:q} {params.rejected} {params.decisions} --iteration {params.number:q}"
        " {params.options} --out {params.folder:q} 2> {log:q}"
