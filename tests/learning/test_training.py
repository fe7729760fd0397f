from __future__ import annotations

import csv
import math
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from toy_region import Toy

from slumpmap.config import ModelSettings
from slumpmap.errors import InputError
from slumpmap.learning import training
from slumpmap.learning.batches import Normalisation, Sampler, statistics, vary
from slumpmap.learning.bundle import load_bundle
from slumpmap.learning.losses import overlap, segmentation_loss
from slumpmap.learning.training import Run, learning_rate, take_step, train

LOG2 = math.log(2)


def test_loss_ignores_nodata() -> None:
    logits = torch.tensor([[[0.0, 2.0], [50.0, -1.0]]])
    labels = torch.tensor([[[1, 0], [255, 0]]], dtype=torch.uint8)
    expected = (LOG2 + math.log(1 + math.e**2) + math.log(1 + math.e**-1)) / 3
    assert float(segmentation_loss(logits, labels, "cross_entropy")) == pytest.approx(expected, rel=1e-6)
    p = [0.5, 1 / (1 + math.e**-2), 1 / (1 + math.e)]
    dice = (2 * 0.5 + 1) / (sum(p) + 1 + 1)
    assert float(segmentation_loss(logits, labels, "cross_entropy_dice")) == pytest.approx(
        expected + 1 - dice, rel=1e-6
    )
    assert overlap(logits, labels) == (0, 2)


def test_loss_of_nothing_is_zero() -> None:
    labels = torch.full((1, 2, 2), 255, dtype=torch.uint8)
    assert float(segmentation_loss(torch.ones(1, 2, 2), labels, "cross_entropy_dice")) == 0.0


class Dot(torch.nn.Module):
    """One weight per band: logit = w . x."""

    def __init__(self) -> None:
        super().__init__()
        self.w = torch.nn.Parameter(torch.zeros(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x * self.w.view(1, 3, 1, 1)).sum(dim=1, keepdim=True)


def test_gradient_step_by_hand() -> None:
    settings = ModelSettings(
        encoder_weights=None, optimizer="sgd", learning_rate=0.1, weight_decay=0, batch=2, augment=False
    )
    pixels = np.zeros((2, 4, 1, 2), dtype=np.uint8)
    pixels[0, :, 0] = np.array([[20, 30, 40, 1], [12, 12, 12, 0]]).T
    pixels[1, :, 0] = np.array([[10, 10, 10, 0], [0, 0, 0, 255]]).T
    network = Dot()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    sampler = Sampler(np.array([1, 0]), np.array([0, 1]), 2, 1)
    normalise = Normalisation((10.0, 10.0, 10.0), (2.0, 2.0, 2.0))
    run = Run(settings, 10, 1, pixels, sampler, normalise, network, optimizer, torch.device("cpu"))
    assert take_step(run, 0) == pytest.approx(LOG2)
    # Three valid pixels: inputs (5, 10, 15) slump, (1, 1, 1) and (0, 0, 0) background; d loss/d logit = (p - y)/3.
    gradient = (np.array([5, 10, 15]) * (0.5 - 1) + np.array([1, 1, 1]) * 0.5) / 3
    assert network.w.detach().numpy() == pytest.approx(-0.1 * gradient, rel=1e-5)


def test_learning_rate_by_hand() -> None:
    sgd = ModelSettings(optimizer="sgd", learning_rate=0.01, poly_power=0.9)
    assert learning_rate(sgd, 0, 100) == 0.01
    assert learning_rate(sgd, 50, 100) == pytest.approx(0.01 * 0.5**0.9)
    adamw = ModelSettings(optimizer="adamw", learning_rate=0.01, poly_power=0.9)
    assert learning_rate(adamw, 0, 100) == pytest.approx(0.01 / 6)
    assert learning_rate(adamw, 5, 100) == pytest.approx(0.01 * 0.95**0.9)


def test_sampler_halves_and_rounds() -> None:
    slump_px = np.array([5, 0, 0, 9, 0, 0, 0, 2])
    sampler = Sampler(slump_px, np.arange(8), 4, 3)
    drawn = np.stack([sampler(step) for step in range(15)])
    assert (slump_px[drawn[:, :2]] > 0).all()
    assert (slump_px[drawn[:, 2:]] == 0).all()
    # 30 draws from 3 windows, 30 from 5: each equally often.
    assert set(Counter(drawn[:, :2].ravel().tolist()).values()) == {10}
    assert set(Counter(drawn[:, 2:].ravel().tolist()).values()) == {6}
    assert np.array_equal(sampler(7), Sampler(slump_px, np.arange(8), 4, 3)(7))
    only = Sampler(slump_px, np.array([1, 2]), 4, 3)
    assert sorted(only(0)) == [1, 1, 2, 2]


def test_variation_moves_image_and_label_together() -> None:
    image = torch.arange(64, dtype=torch.float32).reshape(1, 1, 8, 8).expand(40, 3, 8, 8) + 100
    label = torch.arange(64, dtype=torch.uint8).reshape(1, 8, 8).expand(40, 8, 8)
    varied, moved = vary(image, label, (100.0, 100.0, 100.0), 1, 1)
    # Colour changes are linear per band: the order of the values still says where each pixel went.
    order = varied[:, 0].flatten(1).argsort(dim=1)
    assert torch.equal(moved.flatten(1).gather(1, order), label.flatten(1))
    assert len({tuple(m.flatten().tolist()) for m in moved}) == 8
    again = vary(image, label, (100.0, 100.0, 100.0), 1, 1)
    assert torch.equal(varied, again[0])
    assert not torch.equal(varied, vary(image, label, (100.0, 100.0, 100.0), 1, 2)[0])


def test_statistics_by_hand() -> None:
    pixels = np.zeros((1, 4, 1, 3), dtype=np.uint8)
    pixels[0, :3, 0] = [[10, 20, 0], [1, 1, 0], [100, 200, 0]]
    pixels[0, 3, 0] = [0, 1, 255]
    found = statistics(pixels, np.array([0]))
    assert found.mean == (15.0, 1.0, 150.0)
    assert found.std == (5.0, 1.0, 50.0)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "weights.safetensors")


def same(a: Path, b: Path) -> bool:
    first, second = weights(a), weights(b)
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def teach(toy: Toy, out: Path, settings: ModelSettings, seed: int = 1, steps: int = 5, **more: object) -> Path:
    train(toy.index, toy.pixels, out, settings, steps, seed, 3.0, toy.scaling, threads=1, device="cpu", **more)  # type: ignore[arg-type]
    return out


@pytest.fixture(scope="module")
def unbroken(toy: Toy, small: ModelSettings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return teach(toy, tmp_path_factory.mktemp("unbroken") / "model", small)


@pytest.fixture
def killed(toy: Toy, small: ModelSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run that stopped in the fourth of five steps, two steps after its checkpoint."""

    def stop(run: Run, step: int) -> float:
        if step == 3:
            raise KeyboardInterrupt
        return take_step(run, step)

    monkeypatch.setattr(training, "take_step", stop)
    with pytest.raises(KeyboardInterrupt):
        teach(toy, tmp_path / "model", small)
    monkeypatch.undo()
    assert (tmp_path / "checkpoints" / "last.pt").exists()
    assert not (tmp_path / "model" / "model.json").exists()
    return tmp_path / "model"


def test_resumed_equals_unbroken(
    toy: Toy, small: ModelSettings, unbroken: Path, killed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    teach(toy, killed, small)
    assert "resuming after step 2" in capsys.readouterr().err
    assert same(unbroken, killed)
    assert (unbroken / "training_log.csv").read_bytes() == (killed / "training_log.csv").read_bytes()
    assert (unbroken / "model.json").read_bytes() == (killed / "model.json").read_bytes()
    assert not killed.with_name("checkpoints").exists()


def test_another_seed_starts_again(
    toy: Toy, small: ModelSettings, unbroken: Path, killed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    teach(toy, killed, small, seed=2)
    assert "belongs to other settings or labels" in capsys.readouterr().err
    assert not same(unbroken, killed)


def test_checkpoint_interval_may_change(toy: Toy, small: ModelSettings, unbroken: Path, killed: Path) -> None:
    teach(toy, killed, small.model_copy(update={"checkpoint_every": 1}))
    assert same(unbroken, killed)


@pytest.mark.parametrize("damage", ["truncated", "garbage", "empty"])
def test_corrupt_checkpoint_is_ignored(
    toy: Toy, small: ModelSettings, unbroken: Path, killed: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = killed.with_name("checkpoints") / "last.pt"
    whole = path.read_bytes()
    path.write_bytes({"truncated": whole[: len(whole) // 2], "garbage": b"\x80\x04garbage" * 99, "empty": b""}[damage])
    teach(toy, killed, small)
    assert "cannot be read" in capsys.readouterr().err
    assert same(unbroken, killed)


def test_log_and_card(small: ModelSettings, unbroken: Path) -> None:
    with (unbroken / "training_log.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    assert [int(row["step"]) for row in rows] == [1, 2, 3, 4, 5]
    assert float(rows[-1]["learning_rate"]) == pytest.approx(learning_rate(small, 4, 5))
    assert rows[-1]["validation_loss"] and not rows[0]["validation_loss"]
    _, card = load_bundle(unbroken)
    assert card.metrics["validation_loss"] == pytest.approx(float(rows[-1]["validation_loss"]), rel=1e-5)
    assert (card.window_px, card.steps, card.seed, card.start) == (64, 5, 1, None)


def test_start_takes_up_the_weights(toy: Toy, small: ModelSettings, unbroken: Path, tmp_path: Path) -> None:
    frozen = small.model_copy(update={"optimizer": "sgd", "learning_rate": 1e-30, "weight_decay": 0.0})
    out = teach(toy, tmp_path / "model", frozen, steps=1, start=unbroken)
    before, after = weights(unbroken), weights(out)
    learnt = [name for name in before if "running" not in name and "tracked" not in name]
    assert all(torch.allclose(before[name], after[name], rtol=0, atol=1e-20) for name in learnt)
    assert load_bundle(out)[1].start == load_bundle(unbroken)[1].weights
    other = small.model_copy(update={"encoder": "tu-mobilenetv3_small_075"})
    with pytest.raises(InputError, match="has the encoder tu-mobilenetv3_small_050"):
        teach(toy, tmp_path / "other", other, start=unbroken)
    shutil.copytree(unbroken, tmp_path / "torn")
    (tmp_path / "torn" / "weights.safetensors").write_bytes(b"")
    with pytest.raises(InputError, match="damaged"):
        teach(toy, tmp_path / "other", small, start=tmp_path / "torn")


def test_refusals(toy: Toy, small: ModelSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="no GPU"):
        train(toy.index, toy.pixels, tmp_path, small, 1, 1, 3.0, toy.scaling, device="cuda")
    wild = small.model_copy(update={"optimizer": "sgd", "learning_rate": 1e30})
    with pytest.raises(InputError, match="the loss is no number"):
        teach(toy, tmp_path / "model", wild, steps=20)


def test_learns_the_toy(trained: Path) -> None:
    iou = load_bundle(trained)[1].metrics["validation_iou"]
    assert iou is not None
    assert iou > 0.4
