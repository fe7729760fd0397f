# The products for other programs: a QGIS project that shows them all, and a STAC collection of the rasters.
PROJECT = f"{RESULTS}/{campaign.campaign}.qgz"
STAC = f"{RESULTS}/stac"
TERRAIN_RASTERS = [file for file in [SLOPE, ASPECT, *TERRAIN_PRODUCTS] if HAS_DEM and file.endswith(".tif")]
SHOWN_PROBABILITY = [
    f"{RESULTS}/gis/probability.{suffix}" for suffix in ("vrt", "qml") if campaign.maps and campaign.run.keep != "final"
]
MOSAICS = [f"{RESULTS}/imagery/{year}/mosaic.vrt" for year in campaign.imagery.years if campaign.maps]
TITLE = f"slumpmap: {campaign.campaign}{' (synthetic data)' if DEMO is not None else ''}"


rule qgis_project:
    input:
        grid=GRID,
        files=shown_in_qgis,
        rasters=TERRAIN_RASTERS,
        mosaics=MOSAICS,
        probability=last_probability,
        dem=given(INPUTS.dem),
    output:
        project=PROJECT,
        area=f"{RESULTS}/gis/area.gpkg",
        probability=SHOWN_PROBABILITY,
        styles=[str(Path(file).with_suffix(".qml")) for file in TERRAIN_RASTERS],
    log:
        f"{LOGS}/qgis_project.log",
    benchmark:
        f"{COSTS}/qgis_project.tsv"
    conda:
        "../../envs/geo.yaml"
    params:
        title=TITLE,
        files=lambda _, input: repeated("file", [*input.files, *input.rasters]),
        mosaics=lambda _, input: repeated("mosaic", input.mosaics),
        year=option("year", campaign.imagery.mapping_year if campaign.maps else None),
        probability=lambda _, input: option("probability", common_folder(input.probability)),
        dem=option("dem", INPUTS.dem),
    message:
        "QGIS project of the campaign"
    shell:
        "python -m slumpmap qgis-project --grid {input.grid:q} --title {params.title:q} {params.files} {params.mosaics}"
        " {params.year} {params.probability} {params.dem} --out {output.project:q} 2> {log:q}"


if campaign.maps:

    rule stac:
        input:
            grid=GRID,
            catalogue=CATALOGUE,
            rasters=TERRAIN_RASTERS,
            mosaics=MOSAICS,
            probability=last_probability,
            files=[rules.inventory.output.gpkg, rules.inventory.output.parquet],
        output:
            directory(STAC),
        log:
            f"{LOGS}/stac.log",
        benchmark:
            f"{COSTS}/stac.tsv"
        conda:
            "../../envs/geo.yaml"
        params:
            campaign=campaign.campaign,
            title=TITLE,
            rasters=lambda _, input: repeated("terrain", input.rasters),
            mosaics=lambda _, input: repeated("mosaic", input.mosaics),
            probability=lambda _, input: option("probability", common_folder(input.probability)),
            year=campaign.imagery.mapping_year,
            files=lambda _, input: repeated("file", input.files),
        message:
            "STAC collection of the rasters"
        shell:
            "python -m slumpmap stac --grid {input.grid:q} --campaign {params.campaign:q} --title {params.title:q}"
            " --catalogue {input.catalogue:q} {params.rasters} {params.mosaics} {params.probability}"
            " --year {params.year:q} {params.files} --out {output:q} 2> {log:q}"
