"""What a campaign cost, from Snakemake's benchmark files."""

from slumpmap.site.cost import job_costs

HEAD = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"


def test_file_that_a_power_cut_emptied_counts_for_nothing(tmp_path):
    (tmp_path / "tiles_000.tsv").write_text(HEAD + "60\t0:01:00\t512\t-\t-\t-\t-\t-\t-\t30\n")
    alone = job_costs(tmp_path)
    (tmp_path / "scaling.tsv").touch()
    assert job_costs(tmp_path) == alone
    assert alone["jobs"] == 1 and alone["jobs_min"] == 1
