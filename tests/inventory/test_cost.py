"""Time and memory of a campaign against timelines worked out by hand."""

from __future__ import annotations

import os

import pytest

from slumpmap.errors import InputError
from slumpmap.inventory.cost import Job, campaign_cost, peak_memory, union_length

HEAD = "s\th:m:s\tmax_rss\tmax_vms\tmean_load\n"


def benchmark(path, end, *rows, head=HEAD):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(head + "".join(f"{s}\t0:00:10\t{rss}\t-\tNA\n" for s, rss in rows))
    os.utime(path, (end, end))


def test_union_of_intervals(tmp_path):
    """0-10 and 5-12 overlap, 12-15 touches, 100-104 stands alone: 15 + 4 s; at most 100 + 50 MB at a time."""
    benchmark(tmp_path / "a.tsv", 1010, (10, 100))
    benchmark(tmp_path / "rule/b.tsv", 1012, (7, 50))
    benchmark(tmp_path / "rule/c.tsv", 1015, (3, 70))
    benchmark(tmp_path / "rule/deep/d.tsv", 1104, (4, 140))
    cost = campaign_cost(tmp_path)
    assert (cost.wall_s, cost.peak_rss_mb) == pytest.approx((19, 150))


def test_unmeasured_memory_and_repeats(tmp_path):
    """Short jobs have marks in place of numbers; a repeated benchmark has one row a run, one after the other."""
    benchmark(tmp_path / "a.tsv", 1010, (0.02, "-"), (0.03, "NA"))
    benchmark(tmp_path / "b.tsv", 2010, (4, 30), (6, 20))
    cost = campaign_cost(tmp_path)
    assert (cost.wall_s, cost.peak_rss_mb) == pytest.approx((10.05, 30), abs=1e-3)


def test_contained_intervals():
    assert union_length([(0, 10), (2, 3), (4, 5), (9, 11)]) == 11
    assert union_length([]) == 0


def test_a_job_that_ends_makes_room():
    assert peak_memory([Job(0, 10, 100), Job(10, 20, 80)]) == 100
    assert peak_memory([Job(0, 10, 100), Job(9, 20, 80)]) == 180


def test_nothing_ran(tmp_path):
    assert campaign_cost(tmp_path).wall_s == 0


def test_other_table_is_refused(tmp_path):
    benchmark(tmp_path / "a.tsv", 1010, (1, 2), head="x\ty\n")
    with pytest.raises(InputError, match="benchmark lacks the column s, max_rss"):
        campaign_cost(tmp_path)
