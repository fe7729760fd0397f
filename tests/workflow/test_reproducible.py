"""Two clean runs on one machine, synthetic data and training included: `make test-reproduce`."""

import pytest

from tests.workflow.conftest import Workflow

pytestmark = [pytest.mark.workflow, pytest.mark.reproduce]
INVENTORY = "results/tiny/inventory/inventory.gpkg"


def test_two_clean_runs_give_the_same_to_the_byte(tmp_path):
    """All that the inventory rests on is compared, so that a difference shows where it begins."""
    campaigns = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        campaign = Workflow(tmp_path / name)
        campaign.configure()
        status, output = campaign.run(INVENTORY)
        assert status == 0, output
        campaigns.append(campaign)
    first, second = (campaign.hashes() for campaign in campaigns)
    assert len(first) > 40 and "inventory/inventory.gpkg" in first
    assert {name for name in first | second if first.get(name) != second.get(name)} == set()
    files = [(campaign.folder / INVENTORY).read_bytes() for campaign in campaigns]
    assert files[0] == files[1]


def test_the_inventory_is_made_again_from_its_sidecars_alone(tmp_path):
    """A third way to the same bytes: the chain of commands, in a folder of its own."""
    campaign = Workflow(tmp_path)
    campaign.configure(iterations={"maximum": 1})
    status, output = campaign.run(INVENTORY)
    assert status == 0, output
    status, output = campaign.slumpmap("reproduce", INVENTORY)
    assert status == 0 and f"{INVENTORY}: identical" in output, output
    assert "differs" not in output
