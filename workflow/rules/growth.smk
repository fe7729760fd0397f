# Initiation and growth: what the networks of an iteration say of each candidate, and later of each confirmed slump,
# in the images of all years. One year alone tells nothing of growth.
YEARS = sorted(campaign.imagery.years)
GROWS = len(YEARS) > 1
YEARLY = f"{ITERATION}/review/yearly"
GROWTH = f"{ITERATION}/review/growth.gpkg"


# Folders of the tiles that the network sees, by year.
YEARLY_IMAGERY = {year: f"{RESULTS}/imagery/{year}{'_layers' if LAYERS else ''}" for year in YEARS}
# All tiles of all years: a candidate may reach far beyond the tile that holds its centre.
ALL_YEARS = [f"{folder}/mosaic.vrt" for folder in YEARLY_IMAGERY.values()]
ALL_FOLDERS = " ".join(option("imagery", f"{year}={folder}") for year, folder in YEARLY_IMAGERY.items())
YEARLY_OPTIONS = " ".join(
    [
        ALL_FOLDERS,
        f"--mapping-year {campaign.imagery.mapping_year} --bands {','.join(LEARNING_BANDS)}",
        f"--threads {campaign.run.torch_threads} --device {campaign.run.device}",
        as_options(campaign.growth, ["margin_m"]),
        as_options(campaign.inference),
    ]
)


if GROWS:

    for number, batch in enumerate(BATCHES):

        rule:
            name:
                f"yearly_{number:03d}"
            input:
                grid=GRID,
                scaling=SCALING,
                candidates=f"{ITERATION}/candidates/candidates.gpkg",
                models=expand(f"{ITERATION}/{{bundle}}/weights.safetensors", bundle=BUNDLES, allow_missing=True),
                cards=expand(f"{ITERATION}/{{bundle}}/model.json", bundle=BUNDLES, allow_missing=True),
                tiles=ALL_YEARS,
            output:
                [f"{YEARLY}/{tile}.zip" for tile in batch],
            log:
                f"{LOGS}/{{n}}/yearly_{number:03d}.log",
            benchmark:
                f"{COSTS}/{{n}}/yearly_{number:03d}.tsv"
            conda:
                "../../envs/learning.yaml"
            threads: campaign.run.torch_threads
            resources:
                mem_mb=growing(4000),
                runtime=growing(240),
                gpu=min(GPUS, 1),
            params:
                folder=output_folder,
                models=lambda _, input: repeated("model", [Path(file).parent for file in input.models]),
                tiles=",".join(batch),
                options=YEARLY_OPTIONS,
            message:
                f"Iteration {{wildcards.n}}: candidates in all years, {which_batch(number, BATCHES)}"
            shell:
                "python -m slumpmap yearly --grid {input.grid:q} --scaling {input.scaling:q} {params.models}"
                " --candidates {input.candidates:q} --tiles {params.tiles:q} {params.options} --out {params.folder:q} 2> {log:q}"

    rule yearly_slumps:
        # Again for confirmed slumps, since people may have drawn them larger than the candidates were.
        input:
            grid=GRID,
            scaling=SCALING,
            slumps=slumps_of,
            models=expand(f"{ITERATION}/{{bundle}}/weights.safetensors", bundle=BUNDLES, allow_missing=True),
            cards=expand(f"{ITERATION}/{{bundle}}/model.json", bundle=BUNDLES, allow_missing=True),
            tiles=ALL_YEARS,
        output:
            f"{ITERATION}/review/yearly_slumps.zip",
        log:
            f"{LOGS}/{{n}}/yearly_slumps.log",
        benchmark:
            f"{COSTS}/{{n}}/yearly_slumps.tsv"
        conda:
            "../../envs/learning.yaml"
        threads: campaign.run.torch_threads
        resources:
            mem_mb=growing(4000),
            runtime=growing(240),
            gpu=min(GPUS, 1),
        params:
            slumps=lambda _, input: repeated("slumps", input.slumps),
            models=lambda _, input: repeated("model", [Path(file).parent for file in input.models]),
            options=YEARLY_OPTIONS,
        message:
            "Iteration {wildcards.n}: confirmed slumps in all years"
        shell:
            "python -m slumpmap yearly-slumps --grid {input.grid:q} --scaling {input.scaling:q} {params.models}"
            " {params.slumps} {params.options} --out {output:q} 2> {log:q}"

    rule growth:
        input:
            slumps=slumps_of,
            yearly=f"{ITERATION}/review/yearly_slumps.zip",
            aspect=[ASPECT] if HAS_DEM else [],
        output:
            gpkg=GROWTH,
            csv=f"{ITERATION}/review/growth.csv",
        log:
            f"{LOGS}/{{n}}/growth.log",
        benchmark:
            f"{COSTS}/{{n}}/growth.tsv"
        conda:
            "../../envs/geo.yaml"
        params:
            slumps=lambda _, input: repeated("slumps", input.slumps),
            aspect=option("aspect", ASPECT if HAS_DEM else None),
            options=as_options(campaign.growth),
        message:
            "Iteration {wildcards.n}: measuring initiation and growth"
        shell:
            "python -m slumpmap growth {params.slumps} --yearly {input.yearly:q} {params.aspect} {params.options}"
            " --out {output.gpkg:q} 2> {log:q}"
