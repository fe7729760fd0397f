# Cross-validation of the model over spatial blocks: `snakemake crossval`, or `slumpmap crossval`.
CROSSVAL = f"{RESULTS}/crossval"
FOLD = f"{CROSSVAL}/fold_{{fold}}"
FOLDS = [f"{number:02d}" for number in range(1, campaign.crossval.folds + 1)]


rule crossval_windows:
    input:
        grid=GRID,
        positives=iteration_file(campaign.crossval.iteration, "labels/positives.gpkg"),
        negatives=iteration_file(campaign.crossval.iteration, "labels/negatives.gpkg"),
        tiles=expand("{folder}/{tile}.tif", folder=LEARNING_IMAGERY, tile=TILES),
        area=given(INPUTS.training_area),
    output:
        index=f"{FOLD}/windows.gpkg",
        pixels=temp(f"{FOLD}/windows.npy"),
        area=f"{FOLD}/test_area.gpkg",
    log:
        f"{LOGS}/crossval/{{fold}}/windows.log",
    benchmark:
        f"{COSTS}/crossval/{{fold}}/windows.tsv"
    conda:
        "../../envs/geo.yaml"
    params:
        imagery=folder_of("tiles"),
        bands=",".join(LEARNING_BANDS),
        seed=campaign.seed,
        fold=lambda wildcards: f"{int(wildcards.fold)}/{len(FOLDS)}",
        area=option("area", INPUTS.training_area),
        options=as_options(campaign.windows),
    message:
        "Part {params.fold}: cutting windows, those of the part kept for testing"
    shell:
        "python -m slumpmap windows --grid {input.grid:q} --positives {input.positives:q} --negatives {input.negatives:q}"
        " --imagery {params.imagery:q} --bands {params.bands:q} --seed {params.seed:q} --fold {params.fold:q} {params.area} {params.options}"
        " --out-area {output.area:q} --out-pixels {output.pixels:q} --out {output.index:q} 2> {log:q}"


rule crossval_train:
    input:
        grid=GRID,
        scaling=SCALING,
        index=f"{FOLD}/windows.gpkg",
        pixels=f"{FOLD}/windows.npy",
    output:
        weights=f"{FOLD}/model/weights.safetensors",
        card=f"{FOLD}/model/model.json",
        history=f"{FOLD}/model/training_log.csv",
    log:
        f"{LOGS}/crossval/{{fold}}/train.log",
    benchmark:
        f"{COSTS}/crossval/{{fold}}/train.tsv"
    conda:
        "../../envs/learning.yaml"
    threads: campaign.run.torch_threads
    resources:
        mem_mb=growing(6000),
        runtime=growing(480),
        gpu=GPUS,
    params:
        folder=output_folder,
        bands=",".join(LEARNING_BANDS),
        steps=campaign.model.iterations,
        seed=campaign.seed,
        torch=f"--threads {campaign.run.torch_threads} --device {campaign.run.device}",
        options=as_options(campaign.model, TrainingSettings.model_fields),
    message:
        "Part {wildcards.fold}: training on the others for {params.steps} steps"
    shell:
        "python -m slumpmap train --grid {input.grid:q} --scaling {input.scaling:q} --windows {input.index:q}"
        " --pixels {input.pixels:q} --bands {params.bands:q} --steps {params.steps:q} --seed {params.seed:q} {params.torch} {params.options}"
        " --out {params.folder:q} 2> {log:q}"


rule crossval_infer:
    # Windows without ground of the part are skipped, so that one job does all tiles.
    input:
        grid=GRID,
        scaling=SCALING,
        model=f"{FOLD}/model/weights.safetensors",
        card=f"{FOLD}/model/model.json",
        area=f"{FOLD}/test_area.gpkg",
        tiles=expand("{folder}/{tile}.tif", folder=LEARNING_IMAGERY, tile=TILES),
    output:
        expand("{folder}/probability/{tile}.tif", folder=FOLD, tile=TILES, allow_missing=True),
    log:
        f"{LOGS}/crossval/{{fold}}/infer.log",
    benchmark:
        f"{COSTS}/crossval/{{fold}}/infer.tsv"
    conda:
        "../../envs/learning.yaml"
    threads: campaign.run.torch_threads
    resources:
        mem_mb=growing(4000),
        runtime=growing(240),
        gpu=GPUS,
    params:
        folder=output_folder,
        model=folder_of("model"),
        imagery=folder_of("tiles"),
        bands=",".join(LEARNING_BANDS),
        tiles=",".join(TILES),
        torch=f"--threads {campaign.run.torch_threads} --device {campaign.run.device}",
        options=as_options(campaign.inference),
    message:
        "Part {wildcards.fold}: inference on the part kept for testing"
    shell:
        "python -m slumpmap infer --grid {input.grid:q} --scaling {input.scaling:q} --model {params.model:q}"
        " --imagery {params.imagery:q} --bands {params.bands:q} --within {input.area:q} --tiles {params.tiles:q} {params.torch} {params.options}"
        " --out {params.folder:q} 2> {log:q}"


rule crossval_parts:
    input:
        grid=GRID,
        tiles=expand("{folder}/probability/{tile}.tif", folder=FOLD, tile=TILES, allow_missing=True),
    output:
        temp(expand("{folder}/parts/{tile}.parquet", folder=FOLD, tile=TILES, allow_missing=True)),
    log:
        f"{LOGS}/crossval/{{fold}}/parts.log",
    benchmark:
        f"{COSTS}/crossval/{{fold}}/parts.tsv"
    conda:
        "../../envs/geo.yaml"
    params:
        folder=output_folder,
        probability=folder_of("tiles"),
        tiles=",".join(TILES),
        options=as_options(campaign.candidates, ["threshold", "connectivity"]),
    message:
        "Part {wildcards.fold}: tracing polygons"
    shell:
        "python -m slumpmap parts --grid {input.grid:q} --probability {params.probability:q} --tiles {params.tiles:q}"
        " {params.options} --out {params.folder:q} 2> {log:q}"


rule crossval_polygons:
    input:
        grid=GRID,
        parts=expand("{folder}/parts/{tile}.parquet", folder=FOLD, tile=TILES, allow_missing=True),
    output:
        f"{FOLD}/polygons.gpkg",
    log:
        f"{LOGS}/crossval/{{fold}}/polygons.log",
    benchmark:
        f"{COSTS}/crossval/{{fold}}/polygons.tsv"
    conda:
        "../../envs/geo.yaml"
    params:
        parts=folder_of("parts"),
        area=option("area-crs", campaign.inventory.area_crs),
        options=as_options(campaign.candidates, ["mmu_ha", "connectivity"]),
    message:
        "Part {wildcards.fold}: joining polygons across tiles"
    shell:
        "python -m slumpmap polygons --grid {input.grid:q} --parts {params.parts:q} {params.area} {params.options}"
        " --out {output:q} 2> {log:q}"


rule crossval_score:
    input:
        polygons=f"{FOLD}/polygons.gpkg",
        truth=iteration_file(campaign.crossval.iteration, "labels/positives.gpkg"),
        area=f"{FOLD}/test_area.gpkg",
    output:
        scores=f"{FOLD}/scores.json",
        curve=f"{FOLD}/curve.csv",
    log:
        f"{LOGS}/crossval/{{fold}}/score.log",
    benchmark:
        f"{COSTS}/crossval/{{fold}}/score.tsv"
    conda:
        "../../envs/geo.yaml"
    params:
        mmu=campaign.candidates.mmu_ha,
        block=campaign.windows.block_m,
        boundary=campaign.crossval.boundary_m,
        seed=campaign.seed,
    message:
        "Part {wildcards.fold}: comparing with the outlines kept for testing"
    shell:
        "python -m slumpmap score --polygons {input.polygons:q} --truth {input.truth:q} --area {input.area:q}"
        " --mmu-ha {params.mmu:q} --block-m {params.block:q} --boundary-m {params.boundary:q} --seed {params.seed:q} --out-curve {output.curve:q}"
        " --out {output.scores:q} 2> {log:q}"


rule crossval_table:
    input:
        scores=expand("{folder}/scores.json", folder=expand(FOLD, fold=FOLDS)),
        curves=expand("{folder}/curve.csv", folder=expand(FOLD, fold=FOLDS)),
    output:
        csv=report(f"{CROSSVAL}/table.csv", caption="../report/crossval.rst", category="Cross-validation"),
        markdown=f"{CROSSVAL}/table.md",
        png=report(f"{CROSSVAL}/curves.png", caption="../report/crossval.rst", category="Cross-validation"),
        pdf=f"{CROSSVAL}/curves.pdf",
    log:
        f"{LOGS}/crossval/table.log",
    benchmark:
        f"{COSTS}/crossval/table.tsv"
    conda:
        "../../envs/geo.yaml"
    params:
        scores=lambda _, input: repeated("scores", input.scores),
        curves=lambda _, input: repeated("curve", input.curves),
        note=SYNTHETIC,
    message:
        "Table and curves of the cross-validation"
    shell:
        "python -m slumpmap crossval-table {params.scores} {params.curves} {params.note}"
        " --out-curves {output.png:q} --out {output.csv:q} 2> {log:q}"


rule crossval:
    input:
        rules.crossval_table.output,
