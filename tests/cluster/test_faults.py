"""What goes wrong on a cluster, against real daemons and through our profile."""

import signal
import time

import pytest

from tests.cluster.conftest import Toy

pytestmark = pytest.mark.cluster

# Each job notes in a file of its own that it was started, with what it was given.
TROUBLED = """
rule all:
    input: "hungry", "cancelled", "slow", "gpus"

rule hungry:
    output: "hungry"
    resources: mem_mb=growing(700)
    shell:
        "echo {resources.mem_mb} >> hungry.starts;"
        " python -c 'import time; x = bytearray(900 * 2**20); time.sleep(5)'; touch {output}"

rule cancelled:
    output: "cancelled"
    shell: "echo $SLURM_JOB_ID >> cancelled.starts; [ $(wc -l < cancelled.starts) -gt 1 ] || sleep 300; touch {output}"

rule slow:
    output: "slow"
    resources: runtime=growing(1)
    shell: "echo {resources.runtime} >> slow.starts; [ $(wc -l < slow.starts) -gt 1 ] || sleep 300; touch {output}"

rule gpus:
    output: "gpus"
    resources: gpu=2
    shell: "echo $CUDA_VISIBLE_DEVICES $SLURM_JOB_PARTITION > {output}"

rule hopeless:
    output: "hopeless"
    shell: "echo x >> hopeless.starts; echo half > {output}; exit 7"
"""


@pytest.fixture(scope="module")
def troubled(tmp_path_factory, slurm):
    """One run with five troubles, in three slots."""
    toy = Toy(tmp_path_factory.mktemp("troubled"), slurm)
    toy.write(TROUBLED)
    process = toy.start("--jobs", "3", "all", "hopeless")
    slurm.until(lambda: toy.lines("cancelled.starts"), 200)
    slurm.call("scancel", toy.lines("cancelled.starts")[0])
    return toy, *toy.finish(process)


def test_job_over_its_memory_is_tried_again_with_more(troubled):
    toy, _, output = troubled
    assert toy.lines("hungry.starts") == ["700", "1400"], output
    assert (toy.folder / "hungry").exists()


def test_cancelled_job_is_tried_again_as_another_job(troubled):
    toy, _, output = troubled
    first, second = toy.lines("cancelled.starts")
    assert first != second and (toy.folder / "cancelled").exists(), output


def test_job_over_its_time_is_tried_again_with_more(troubled):
    toy, _, output = troubled
    assert toy.lines("slow.starts") == ["1", "2"], output
    assert (toy.folder / "slow").exists()


def test_job_gets_all_gpus_that_it_asked_for_in_the_partition_that_has_them(troubled):
    toy, _, output = troubled
    assert toy.lines("gpus") == ["0,1 gpu"], output


def test_failing_job_is_tried_three_times_and_holds_up_no_other(troubled):
    toy, status, output = troubled
    assert status == 1
    # A rule's own retries would be obeyed inside each job too.
    assert toy.lines("hopeless.starts") == ["x"] * 3, output
    assert not (toy.folder / "hopeless").exists()


def test_job_outlives_its_node_daemon(toy, slurm):
    toy.write("""
rule work:
    output: "done"
    shell: "echo $SLURMD_NODENAME >> starts; sleep 12; touch {output}"
""")
    process = toy.start("work")
    slurm.until(lambda: toy.lines("starts"), 100)
    node = toy.lines("starts")[0]
    slurm.end(f"slurmd.{node}", signal.SIGKILL)
    time.sleep(3)
    slurm.start_node(node)
    status, output = toy.finish(process)
    assert status == 0, output
    assert toy.lines("starts") == [node] and (toy.folder / "done").exists()


def test_controller_that_is_away_for_a_minute_is_waited_for(toy, slurm):
    # One job ends while the controller is away, and another becomes ready to be submitted.
    toy.write("""
localrules: wait

rule all:
    input: "early", "late"

rule early:
    output: "early"
    shell: "echo x >> early.starts; sleep 15; touch {output}"

rule wait:
    output: "waited"
    shell: "while [ ! -e away ]; do sleep 1; done; touch {output}"

rule late:
    input: "waited"
    output: "late"
    shell: "echo x >> late.starts; touch {output}"
""")
    process = toy.start("all")
    slurm.until(lambda: toy.lines("early.starts"), 100)
    slurm.end("slurmctld", signal.SIGTERM)
    (toy.folder / "away").touch()
    time.sleep(60)
    assert not (toy.folder / "late").exists() and process.poll() is None
    slurm.start_controller()
    status, output = toy.finish(process)
    assert status == 0, output
    assert toy.lines("early.starts") == toy.lines("late.starts") == ["x"]
