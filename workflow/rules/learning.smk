# Labels to training windows to model bundle to probability tiles.
if campaign.iterations.maximum > 1:

    rule labels:
        # Labels of an iteration after the first: what was known, and what people decided of it.
        input:
            positives=before("labels/positives.gpkg"),
            negatives=before("labels/negatives.gpkg"),
            accepted=before("outcome/accepted.gpkg"),
            rejected=before("outcome/rejected.gpkg"),
        output:
            positives=f"{ITERATION}/labels/positives.gpkg",
            negatives=f"{ITERATION}/labels/negatives.gpkg",
        log:
            f"{LOGS}/{{n}}/labels.log",
        benchmark:
            f"{COSTS}/{{n}}/labels.tsv"
        wildcard_constraints:
            # The first iteration's labels are the user's outlines, which rule intake writes.
            n=r"(?!01)\d\d",
        conda:
            "../../envs/geo.yaml"
        params:
            folder=output_folder,
            options=as_options(campaign.iterations, ["new_negatives", "negative_spacing_m"]),
        message:
            "Iteration {wildcards.n}: joining the finds to the labels"
        shell:
            "python -m slumpmap labels --positives {input.positives:q} --negatives {input.negatives:q}"
            " --accepted {input.accepted:q} --rejected {input.rejected:q} {params.options}"
            " --out {params.folder:q} 2> {log:q}"


rule windows:
    input:
        grid=GRID,
        positives=f"{ITERATION}/labels/positives.gpkg",
        negatives=f"{ITERATION}/labels/negatives.gpkg",
        tiles=expand("{folder}/{tile}.tif", folder=LEARNING_IMAGERY, tile=TILES),
        area=given(INPUTS.training_area),
    output:
        index=f"{ITERATION}/training_set/windows.gpkg",
        pixels=passing(f"{ITERATION}/training_set/windows.npy"),
    log:
        f"{LOGS}/{{n}}/windows.log",
    benchmark:
        f"{COSTS}/{{n}}/windows.tsv"
    conda:
        "../../envs/geo.yaml"
    params:
        imagery=folder_of("tiles"),
        bands=",".join(LEARNING_BANDS),
        seed=campaign.seed,
        area=option("area", INPUTS.training_area),
        options=as_options(campaign.windows),
    message:
        "Iteration {wildcards.n}: cutting training windows"
    shell:
        "python -m slumpmap windows --grid {input.grid:q} --positives {input.positives:q} --negatives {input.negatives:q}"
        " --imagery {params.imagery:q} --bands {params.bands:q} --seed {params.seed:q} {params.area} {params.options}"
        " --out-pixels {output.pixels:q} --out {output.index:q} 2> {log:q}"


rule train:
    input:
        grid=GRID,
        scaling=SCALING,
        index=f"{ITERATION}/training_set/windows.gpkg",
        pixels=f"{ITERATION}/training_set/windows.npy",
        start=lambda wildcards: (
            before(f"{wildcards.bundle}/weights.safetensors")(wildcards)
            if campaign.model.start_from == "previous"
            else []
        ),
    output:
        weights=lasting(f"{ITERATION}/{{bundle}}/weights.safetensors"),
        card=lasting(f"{ITERATION}/{{bundle}}/model.json"),
        history=lasting(f"{ITERATION}/{{bundle}}/training_log.csv"),
        reliability=lasting(f"{ITERATION}/{{bundle}}/reliability.csv"),
    log:
        f"{LOGS}/{{n}}/train_{{bundle}}.log",
    benchmark:
        f"{COSTS}/{{n}}/train_{{bundle}}.tsv"
    conda:
        "../../envs/learning.yaml"
    threads: campaign.run.torch_threads
    resources:
        mem_mb=growing(6000),
        runtime=growing(480),
        gpu=GPUS,
    params:
        folder=output_folder,
        start=lambda wildcards, input: option("start", Path(input.start[0]).parent if input.start else None),
        steps=lambda wildcards: (campaign.model.iterations if int(wildcards.n) == 1 else campaign.model.iterations_next),
        bands=",".join(LEARNING_BANDS),
        seed=lambda wildcards: campaign.seed + BUNDLES.index(wildcards.bundle),
        torch=f"--threads {campaign.run.torch_threads} --device {campaign.run.device}",
        options=as_options(campaign.model, TrainingSettings.model_fields),
    message:
        "Iteration {wildcards.n}: training {wildcards.bundle} for {params.steps} steps"
    shell:
        "python -m slumpmap train --grid {input.grid:q} --scaling {input.scaling:q} --windows {input.index:q}"
        " --pixels {input.pixels:q} --bands {params.bands:q} {params.start} --steps {params.steps:q} --seed {params.seed:q} {params.torch}"
        " {params.options} --out {params.folder:q} 2> {log:q}"


for number, batch in enumerate(INFERENCE_BATCHES):

    rule:
        name:
            f"infer_{number:03d}"
        input:
            grid=GRID,
            scaling=SCALING,
            models=expand(f"{ITERATION}/{{bundle}}/weights.safetensors", bundle=BUNDLES, allow_missing=True),
            cards=expand(f"{ITERATION}/{{bundle}}/model.json", bundle=BUNDLES, allow_missing=True),
            tiles=[f"{LEARNING_IMAGERY}/{tile}.tif" for tile in with_margin(batch, campaign.inference.window_px)],
        output:
            passing([f"{ITERATION}/probability/{tile}.tif" for tile in batch], kept=("all", "needed")),
        log:
            f"{LOGS}/{{n}}/infer_{number:03d}.log",
        benchmark:
            f"{COSTS}/{{n}}/infer_{number:03d}.tsv"
        conda:
            "../../envs/learning.yaml"
        threads: campaign.run.torch_threads
        resources:
            mem_mb=growing(4000),
            runtime=growing(240),
            gpu=GPUS,
        params:
            folder=output_folder,
            models=lambda _, input: repeated("model", [Path(file).parent for file in input.models]),
            imagery=folder_of("tiles"),
            bands=",".join(LEARNING_BANDS),
            tiles=",".join(batch),
            torch=f"--threads {campaign.run.torch_threads} --device {campaign.run.device}",
            options=as_options(campaign.inference),
        message:
            f"Iteration {{wildcards.n}}: inference, {which_batch(number, INFERENCE_BATCHES)}"
        shell:
            "python -m slumpmap infer --grid {input.grid:q} --scaling {input.scaling:q} {params.models}"
            " --imagery {params.imagery:q} --bands {params.bands:q} --tiles {params.tiles:q} {params.torch} {params.options}"
            " --out {params.folder:q} 2> {log:q}"
