# The static site: a folder that opens from disk. The pictures have rules of their own, since a changed figure must not
# render a thousand slumps again.
SITE = f"{REPORT}/index.html"


rule site_ground:
    input:
        grid=GRID,
        mosaic=[f"{IMAGERY}/mosaic.vrt"] if campaign.maps else [],
        dem=given(INPUTS.dem),
        roads=given(INPUTS.roads),
        streams=TERRAIN_FILES["streams"][:1] if HAS_DEM and "streams" in campaign.terrain.products else [],
    output:
        directory(f"{REPORT}/ground"),
    log:
        f"{LOGS}/site_ground.log",
    benchmark:
        f"{COSTS}/site_ground.tsv"
    conda:
        "../../envs/geo.yaml"
    params:
        mosaic=lambda wildcards, input: repeated("mosaic", input.mosaic),
        dem=option("dem", INPUTS.dem),
        roads=option("roads", INPUTS.roads),
        streams=lambda wildcards, input: repeated("streams", input.streams),
    message:
        "Relief and images under the site's map"
    shell:
        "python -m slumpmap site-ground --grid {input.grid:q} {params.mosaic} {params.dem} {params.roads}"
        " {params.streams} --out {output:q} 2> {log:q}"


rule site_sheets:
    input:
        grid=GRID,
        inventory=INVENTORY,
        mosaics=[f"{RESULTS}/imagery/{year}/mosaic.vrt" for year in campaign.imagery.years],
    output:
        directory(f"{REPORT}/sheets"),
    log:
        f"{LOGS}/site_sheets.log",
    benchmark:
        f"{COSTS}/site_sheets.tsv"
    conda:
        "../../envs/geo.yaml"
    params:
        imagery=imagery_root,
        years=",".join(map(str, campaign.imagery.years)),
    message:
        "Images of each slump for the site"
    shell:
        "python -m slumpmap site-sheets --grid {input.grid:q} --inventory {input.inventory:q}"
        " --imagery {params.imagery:q} --years {params.years:q} --out {output:q} 2> {log:q}"


rule site:
    # The command takes from the campaign's folder what is there; what it may find is named here, so that it waits.
    input:
        grid=GRID,
        ground=rules.site_ground.output,
        sheets=rules.site_sheets.output if campaign.maps else [],
        brought=[path.as_posix() for _, path in INPUTS if path is not None],
        shown=shown_on_site,
    output:
        page=SITE,
        files=directory(f"{REPORT}/site"),
    log:
        f"{LOGS}/site.log",
    benchmark:
        f"{COSTS}/site.tsv"
    conda:
        "../../envs/geo.yaml"
    params:
        settings=campaign.model_dump_json(exclude_defaults=True),
    message:
        "Static site of the campaign"
    shell:
        "python -m slumpmap site --settings {params.settings:q} --out {output.page:q} 2> {log:q}"
