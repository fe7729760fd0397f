# What it takes to share a machine and to run on a cluster: one run at a time, memory, commands that wait for SLURM.
import os
import shutil
import sys
from pathlib import Path

from slumpmap.cluster import refuse_orphans
from slumpmap.errors import InputError
from slumpmap.runlock import enter

# Held until this process ends. Jobs on other nodes read this file too; only the main process may claim.
RUN_LOCK = None
if workflow.is_main_process:
    # For bin/sbatch.
    os.environ.update(SLUMPMAP_MAIN=str(os.getpid()))
    try:
        RUN_LOCK = enter(Path.cwd(), sys.argv[1:])
        if RUN_LOCK is not None:
            refuse_orphans(Path.cwd())
    except InputError as error:
        sys.exit(f"error: {error}")

SLURM_PROFILE = Path(workflow.current_basedir) / ".." / "profiles" / "slurm"
if shutil.which("sbatch"):
    # Before SLURM's own: bin/sacct and bin/sbatch ride out what those do not.
    os.environ.update(PATH=os.pathsep.join([str((SLURM_PROFILE / "bin").resolve()), os.getenv("PATH", os.defpath)]))
    os.environ.setdefault("SNAKEMAKE_SLURM_PARTITIONS", str((SLURM_PROFILE / "partitions.yaml").resolve()))

# --jobs counts what is submitted, and is not given for a workstation.
if workflow.resource_settings.nodes is None and not {"mem", "mem_mb"} & set(workflow.global_resources):
    machine_mb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    workflow.global_resources["mem_mb"] = machine_mb * 9 // 10


def growing(amount):
    """Resource function: so much at the first attempt, as much again more at each further one."""
    return lambda wildcards, attempt: amount * attempt
