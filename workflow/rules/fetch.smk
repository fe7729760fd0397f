# Inputs that are downloaded. Without the section `fetch` there is no rule here, and nothing goes onto the network.
from slumpmap.settings.download import ElevationSettings, SceneFetchSettings

FETCH = campaign.fetch

if "catalogue" in campaign.fetched:

    # Beside the main process: there the key is in the environment, which on a cluster would stand in a job's script;
    # and nodes of a cluster often cannot reach the network.
    localrules:
        fetch_scenes,

    rule fetch_scenes:
        input:
            grid=GRID,
        output:
            INPUTS.catalogue.as_posix(),
        log:
            f"{LOGS}/fetch_scenes.log",
        benchmark:
            f"{COSTS}/fetch_scenes.tsv"
        conda:
            "../../envs/fetch.yaml"
        resources:
            mem_mb=growing(4000),
            runtime=growing(1440),
        params:
            years=",".join(map(str, campaign.imagery.years)),
            months=",".join(map(str, campaign.imagery.months)),
            clouds=campaign.imagery.max_cloud,
            options=as_options(FETCH, SceneFetchSettings.model_fields),
        message:
            f"Fetching {FETCH.scenes} scenes"
        shell:
            "python -m slumpmap fetch scenes --grid {input.grid:q} --years {params.years:q} --months {params.months:q}"
            " --max-cloud {params.clouds:q} {params.options} --out {output:q} 2> {log:q}"


if "dem" in campaign.fetched:

    localrules:
        fetch_dem,

    rule fetch_dem:
        input:
            grid=GRID,
        output:
            INPUTS.dem.as_posix(),
        log:
            f"{LOGS}/fetch_dem.log",
        benchmark:
            f"{COSTS}/fetch_dem.tsv"
        conda:
            "../../envs/fetch.yaml"
        resources:
            mem_mb=growing(2000),
            runtime=growing(240),
        params:
            options=as_options(FETCH, ElevationSettings.model_fields),
            source=FETCH.dem,
        message:
            f"Fetching the {FETCH.dem} elevation model"
        shell:
            "python -m slumpmap fetch dem --grid {input.grid:q} --source {params.source:q} {params.options}"
            " --out {output:q} 2> {log:q}"
