from __future__ import annotations

import csv
import math
import shlex
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from toy_region import Toy

from slumpmap.errors import InputError
from slumpmap.learning import training
from slumpmap.learning.batches import Normalisation, Sampler, make_pools, statistics, vary
from slumpmap.learning.bundle import describe, load_bundle
from slumpmap.learning.losses import overlap, segmentation_loss
from slumpmap.learning.network import build_network
from slumpmap.learning.optimisation import Average, learning_rate
from slumpmap.learning.run import Run, take_step
from slumpmap.learning.training import train
from slumpmap.learning.validation import Validation
from slumpmap.options import as_options
from slumpmap.settings.learning import TrainingSettings

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
    for name in ("cross_entropy_dice", "focal_dice"):
        assert float(segmentation_loss(torch.ones(1, 2, 2), labels, name)) == 0.0


def test_focal_loss_by_hand() -> None:
    """Lin et al. (2017): -(1 - p)^2 log p of the probability given to the pixel's class."""
    logits, labels = torch.tensor([[[2.0, -1.0]]]), torch.tensor([[[1, 1]]], dtype=torch.uint8)
    p = [1 / (1 + math.e**-2), 1 / (1 + math.e)]
    expected = sum(-((1 - q) ** 2) * math.log(q) for q in p) / 2
    assert float(segmentation_loss(logits, labels, "focal")) == pytest.approx(expected, rel=1e-5)


def test_parts_of_a_batch_add_up() -> None:
    rng = torch.Generator().manual_seed(1)
    logits = torch.randn(4, 5, 5, generator=rng)
    labels = torch.randint(0, 2, (4, 5, 5), generator=rng, dtype=torch.uint8)
    labels[0, :3] = 255
    valid = int((labels != 255).sum())
    for name in ("cross_entropy", "focal"):
        parts = [segmentation_loss(logits[i : i + 2], labels[i : i + 2], name, valid, 0.5) for i in (0, 2)]
        assert float(sum(parts)) == pytest.approx(float(segmentation_loss(logits, labels, name)), rel=1e-6)
    dices = [
        segmentation_loss(logits[i : i + 2], labels[i : i + 2], "cross_entropy_dice", valid, 0.5)
        - segmentation_loss(logits[i : i + 2], labels[i : i + 2], "cross_entropy", valid, 0.5)
        for i in (0, 2)
    ]
    assert 0 < float(sum(dices)) < 1


class Dot(torch.nn.Module):
    """One weight per band: logit = w . x."""

    def __init__(self) -> None:
        super().__init__()
        self.w = torch.nn.Parameter(torch.zeros(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x * self.w.view(1, 3, 1, 1)).sum(dim=1, keepdim=True)


def dot_run(**changes: object) -> Run:
    """A run of the one-layer network on two windows of two pixels, one of which is nodata."""
    settings = TrainingSettings(
        encoder_weights=None,
        optimizer="sgd",
        learning_rate=0.1,
        weight_decay=0,
        warm_up=0,
        batch=2,
        augment=(),
        loss="cross_entropy",
    ).model_copy(update=changes)
    pixels = np.zeros((2, 4, 1, 2), dtype=np.uint8)
    pixels[0, :, 0] = np.array([[20, 30, 40, 1], [12, 12, 12, 0]]).T
    pixels[1, :, 0] = np.array([[10, 10, 10, 0], [0, 0, 0, 255]]).T
    network = Dot()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    sampler = Sampler([(np.array([0]), 1), (np.array([1]), 1)], 1)
    normalise = Normalisation((10.0, 10.0, 10.0), (2.0, 2.0, 2.0))
    nothing = np.array([], dtype=int)
    return Run(settings, 10, 1, pixels, sampler, nothing, normalise, network, optimizer, torch.device("cpu"))


# Three valid pixels: inputs (5, 10, 15) slump, (1, 1, 1) and (0, 0, 0) background; d loss/d logit = (p - y)/3.
GRADIENT = (np.array([5, 10, 15]) * (0.5 - 1) + np.array([1, 1, 1]) * 0.5) / 3


def test_gradient_step_by_hand() -> None:
    run = dot_run()
    assert take_step(run, run.pixels) == pytest.approx(LOG2)
    assert run.network.w.detach().numpy() == pytest.approx(-0.1 * GRADIENT, rel=1e-5)  # type: ignore[operator, union-attr]
    assert run.done == 1


def test_micro_batches_give_the_same_step() -> None:
    run = dot_run()
    run.micro = 1
    assert take_step(run, run.pixels) == pytest.approx(LOG2)
    assert run.network.w.detach().numpy() == pytest.approx(-0.1 * GRADIENT, rel=1e-5)  # type: ignore[operator, union-attr]


class Hungry(Dot):
    """Runs out of memory with more than one window."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if len(x) > 1:
            raise torch.OutOfMemoryError("no memory")
        return super().forward(x)


def test_short_memory_halves_the_micro_batch(capsys: pytest.CaptureFixture[str]) -> None:
    run = dot_run()
    run.network = Hungry()
    run.optimizer = torch.optim.SGD(run.network.parameters(), lr=0.1)
    assert take_step(run, run.pixels) == pytest.approx(LOG2)
    assert run.micro == 1
    assert "out of GPU memory with 2 windows at a time; going on with 1" in capsys.readouterr().err
    assert run.network.w.detach().numpy() == pytest.approx(-0.1 * GRADIENT, rel=1e-5)


def test_no_memory_at_all_is_said() -> None:
    class Starving(Dot):
        def forward(self, _: torch.Tensor) -> torch.Tensor:
            raise torch.OutOfMemoryError("no memory")

    run = dot_run()
    run.network = Starving()
    with pytest.raises(InputError, match="1 windows do not fit the GPU's memory"):
        take_step(run, run.pixels)


def test_learning_rate_by_hand() -> None:
    poly = TrainingSettings(learning_rate=0.01, poly_power=0.9, warm_up=0)
    assert learning_rate(poly, 0, 100) == 0.01
    assert learning_rate(poly, 50, 100) == pytest.approx(0.01 * 0.5**0.9)
    warm = poly.model_copy(update={"warm_up": 0.05})
    assert learning_rate(warm, 0, 100) == pytest.approx(0.01 / 6)
    assert learning_rate(warm, 5, 100) == pytest.approx(0.01 * 0.95**0.9)
    cosine = poly.model_copy(update={"schedule": "cosine"})
    assert [learning_rate(cosine, step, 4) for step in range(4)] == pytest.approx(
        [0.01, 0.01 * (0.5 + math.sqrt(0.125)), 0.005, 0.01 * (0.5 - math.sqrt(0.125))]
    )


def test_average_by_hand() -> None:
    network = torch.nn.BatchNorm1d(1)
    average = Average(network, 0.9)
    with torch.no_grad():
        network.weight.fill_(3.0)
        network.running_mean.fill_(7.0)  # type: ignore[union-attr]
    average.update(network, 1)
    # (1 + 1) / (10 + 1) of the old weight, 1, and the rest of the new one.
    expected = 2 / 11 * 1 + 9 / 11 * 3
    assert float(average.network.weight) == pytest.approx(expected)
    assert float(average.network.running_mean) == 7.0
    average.update(network, 1000)
    assert float(average.network.weight) == pytest.approx(0.9 * expected + 0.1 * 3)


def test_sampler_rounds() -> None:
    slumps, others = np.array([0, 3, 7]), np.array([1, 2, 4, 5, 6])
    sampler = Sampler([(slumps, 2), (others, 2)], 3)
    drawn = np.stack([sampler(step) for step in range(15)])
    # 30 draws from 3 windows, 30 from 5: each equally often.
    assert Counter(drawn[:, :2].ravel().tolist()) == {0: 10, 3: 10, 7: 10}
    assert Counter(drawn[:, 2:].ravel().tolist()) == dict.fromkeys([1, 2, 4, 5, 6], 6)
    assert np.array_equal(sampler(7), Sampler([(slumps, 2), (others, 2)], 3)(7))


SLUMP_PX = np.array([5, 0, 0, 9, 0, 0, 0, 2])
NEGATIVES = np.array([0, 1, 1, 1, 0, 0, 0, 0], dtype=bool)


@pytest.mark.parametrize(
    ("rows", "changes", "expected"),
    [
        (range(8), {}, [([0, 3, 7], 4), ([1, 2, 4, 5, 6], 4)]),
        (range(8), {"slump_share": 0.25}, [([0, 3, 7], 2), ([1, 2, 4, 5, 6], 6)]),
        (range(8), {"hard_share": 0.25}, [([0, 3, 7], 4), ([1, 2], 2), ([4, 5, 6], 2)]),
        ([0, 4, 5], {"hard_share": 0.25}, [([0], 4), ([4, 5], 4)]),
        ([1, 2], {}, [([1, 2], 8)]),
        ([0, 3], {"hard_share": 0.5}, [([0, 3], 8)]),
        # The paper's pool: six varied copies of each window with slumps stand beside it.
        ([0, 1], {"sampling": "uniform", "augment": ("blur", "crop", "scale")}, [([0, 1] + [0] * 6, 8)]),
        ([0, 1], {"sampling": "uniform", "augment": ("flip",)}, [([0, 1], 8)]),
    ],
)
def test_pools(rows: list[int], changes: dict[str, object], expected: list[tuple[list[int], int]]) -> None:
    settings = TrainingSettings(batch=8).model_copy(update=changes)
    found = make_pools(SLUMP_PX, NEGATIVES, np.array(rows), settings)
    assert [(pool.tolist(), count) for pool, count in found] == expected


def test_turns_move_image_and_label_together() -> None:
    image = torch.arange(64, dtype=torch.float32).reshape(1, 1, 8, 8).expand(40, 3, 8, 8) + 100
    label = torch.arange(64, dtype=torch.uint8).reshape(1, 8, 8).expand(40, 8, 8)
    mean, settings = (100.0, 100.0, 100.0), TrainingSettings(augment=("flip", "turn", "light"))
    changed, moved = vary(image, label, mean, settings, 1, 1)
    # Colour changes are linear per band: the order of the values still says where each pixel went.
    order = changed[:, 0].flatten(1).argsort(dim=1)
    assert torch.equal(moved.flatten(1).gather(1, order), label.flatten(1))
    assert len({tuple(m.flatten().tolist()) for m in moved}) == 8
    again = vary(image, label, mean, settings, 1, 1)
    assert torch.equal(changed, again[0])
    assert not torch.equal(changed, vary(image, label, mean, settings, 1, 2)[0])
    flips = vary(image, label, mean, TrainingSettings(augment=("flip",)), 1, 1)[1]
    assert len({tuple(m.flatten().tolist()) for m in flips}) == 4
    assert torch.equal(vary(image, label, mean, TrainingSettings(augment=()), 1, 1)[0], image)


def square(side: int, inner: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A bright square of slump in the middle of a window."""
    label = torch.zeros(side, side, dtype=torch.uint8)
    start = (side - inner) // 2
    label[start : start + inner, start : start + inner] = 1
    return (50.0 + 100.0 * label).expand(1, 3, side, side), label[None]


@pytest.mark.parametrize(("augment", "sizes"), [("crop", {40, 51, 107}), ("scale", {40, 30, 50})])
def test_copies_keep_image_and_label_aligned(augment: str, sizes: set[int]) -> None:
    """A square of 40 of 96 px: cut by 10 or 30 px on each side, or scaled, it grows by a known factor."""
    image, label = square(96, 40)
    found = set()
    for step in range(40):
        changed, moved = vary(image, label, (0.0,) * 3, TrainingSettings(augment=(augment,)), 1, step)
        found.add(int((moved[0, 48] == 1).sum()))
        shown = changed[0, 0] > 100
        known = moved[0] != 255
        # Image and label agree but for the half-bright rim.
        assert int(((shown != (moved[0] == 1)) & known).sum()) <= 4 * 96
        assert bool((changed[0, 0][known] >= 49.9).all())
    expected = {min(size, 96) for size in sizes}
    assert len(found) == len(expected)
    assert all(min(abs(size - value) for value in found) <= 1 for size in expected)


def test_blur_by_hand() -> None:
    """One bright pixel becomes a Gaussian; a nodata pixel lends nothing to its neighbours."""
    image, label = torch.zeros(1, 3, 33, 33), torch.zeros(1, 33, 33, dtype=torch.uint8)
    image[:, :, 16, 16] = 1000.0
    blurred = {}
    for step in range(30):
        changed, moved = vary(image, label, (0.0,) * 3, TrainingSettings(augment=("blur",)), 1, step)
        assert torch.equal(moved, label)
        blurred[round(float(changed[0, 0, 16, 16]))] = changed[0, 0]
    assert len(blurred) == 3
    for peak, sigma in zip(sorted(blurred)[:2], (2.0, 1.0), strict=True):
        ticks = np.arange(-int(3 * sigma), int(3 * sigma) + 1)
        kernel = np.exp(-0.5 * (ticks / sigma) ** 2)
        kernel /= kernel.sum()
        assert peak == pytest.approx(1000 * kernel.max() ** 2, abs=1)
        row = blurred[peak][16].numpy()
        assert row[16 - len(ticks) // 2 : 17 + len(ticks) // 2] == pytest.approx(1000 * kernel * kernel.max(), rel=1e-4)
    flat = torch.full((1, 3, 33, 33), 80.0)
    flat[:, :, 10, 10], label[:, 10, 10] = 0.0, 255
    for step in range(10):
        changed, _ = vary(flat, label, (0.0,) * 3, TrainingSettings(augment=("blur",)), 1, step)
        assert torch.allclose(changed[label[:, None].expand_as(changed) == 0], torch.tensor(80.0))


def test_windows_without_slumps_stay_as_they_are() -> None:
    image, label = square(64, 20)
    images, labels = image.repeat(8, 1, 1, 1), label.repeat(8, 1, 1)
    labels[4:] = 0
    settings = TrainingSettings(augment=("scale", "light"), augment_positives_only=True)
    changed, moved = vary(images, labels, (0.0,) * 3, settings, 1, 1)
    assert torch.equal(changed[4:], images[4:])
    assert torch.equal(moved[4:], labels[4:])
    assert not torch.equal(changed[:4], images[:4])


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


def teach(toy: Toy, out: Path, settings: TrainingSettings, seed: int = 1, steps: int = 5, **more: object) -> Path:
    train(toy.index, toy.pixels, out, settings, steps, seed, 3.0, toy.scaling, threads=1, device="cpu", **more)  # type: ignore[arg-type]
    return out


@pytest.fixture(scope="module")
def unbroken(toy: Toy, small: TrainingSettings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return teach(toy, tmp_path_factory.mktemp("unbroken") / "model", small)


@pytest.fixture
def killed(toy: Toy, small: TrainingSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run that stopped in the fourth of five steps, two steps after its checkpoint."""

    def stop(run: Run, values: NDArray[np.uint8]) -> float:
        if run.done == 3:
            raise KeyboardInterrupt
        return take_step(run, values)

    monkeypatch.setattr(training, "take_step", stop)
    with pytest.raises(KeyboardInterrupt):
        teach(toy, tmp_path / "model", small)
    monkeypatch.undo()
    assert (tmp_path / "model_checkpoints" / "last.pt").exists()
    assert not (tmp_path / "model" / "model.json").exists()
    return tmp_path / "model"


def test_resumed_equals_unbroken(
    toy: Toy, small: TrainingSettings, unbroken: Path, killed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    teach(toy, killed, small)
    assert "resuming after step 2" in capsys.readouterr().err
    assert same(unbroken, killed)
    assert (unbroken / "training_log.csv").read_bytes() == (killed / "training_log.csv").read_bytes()
    assert (unbroken / "model.json").read_bytes() == (killed / "model.json").read_bytes()
    assert not killed.with_name("model_checkpoints").exists()


def test_another_seed_starts_again(
    toy: Toy, small: TrainingSettings, unbroken: Path, killed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    teach(toy, killed, small, seed=2)
    assert "belongs to other settings or labels" in capsys.readouterr().err
    assert not same(unbroken, killed)


def test_checkpoint_interval_may_change(toy: Toy, small: TrainingSettings, unbroken: Path, killed: Path) -> None:
    teach(toy, killed, small.model_copy(update={"checkpoint_every": 1}))
    assert same(unbroken, killed)


@pytest.mark.parametrize("damage", ["truncated", "garbage", "empty"])
@pytest.mark.parametrize("earlier", [True, False])
def test_corrupt_checkpoint(
    toy: Toy,
    small: TrainingSettings,
    unbroken: Path,
    killed: Path,
    damage: str,
    earlier: bool,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The checkpoint before serves where there is one, else training begins again; both end alike."""
    path = killed.with_name("model_checkpoints") / "last.pt"
    whole = path.read_bytes()
    if earlier:
        path.with_name("before.pt").write_bytes(whole)
    path.write_bytes({"truncated": whole[: len(whole) // 2], "garbage": b"\x80\x04garbage" * 99, "empty": b""}[damage])
    teach(toy, killed, small)
    said = capsys.readouterr().err
    assert "last.pt cannot be read" in said
    assert ("resuming after step 2" in said) == earlier
    assert same(unbroken, killed)


def test_log_and_card(small: TrainingSettings, unbroken: Path) -> None:
    with (unbroken / "training_log.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    assert [int(row["step"]) for row in rows] == [1, 2, 3, 4, 5]
    assert float(rows[-1]["learning_rate"]) == pytest.approx(learning_rate(small, 4, 5))
    assert rows[-1]["validation_loss"] and not rows[0]["validation_loss"]
    _, card = load_bundle(unbroken)
    assert card.metrics["validation_loss"] == pytest.approx(float(rows[-1]["validation_loss"]), rel=1e-5)
    assert (card.window_px, card.steps, card.kept_step, card.seed, card.start) == (64, 5, 5, 1, None)
    assert card.windows["training"] + card.windows["validation"] >= card.windows["with_slumps"] > 0
    text = describe(card)
    for fact in ("tu-mobilenetv3_small_050", "64 px at 3 m", "5 steps of 2 windows from scratch", card.weights):
        assert fact in text


def test_held_out_windows_calibrate(unbroken: Path) -> None:
    _, card = load_bundle(unbroken)
    assert card.temperature > 0
    with (unbroken / "reliability.csv").open() as handle:
        assert sum(int(row["count"]) for row in csv.DictReader(handle)) > 1000


@pytest.fixture(scope="module")
def rich(small: TrainingSettings) -> TrainingSettings:
    """Everything that a checkpoint must remember: average, evaluations, the best weights."""
    return small.model_copy(update={"ema": 0.5, "evaluate_every": 1, "schedule": "cosine", "learning_rate": 0.02})


def test_resumed_equals_unbroken_with_average_and_evaluations(
    toy: Toy, rich: TrainingSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = teach(toy, tmp_path / "whole" / "model", rich, steps=6)

    def stop(run: Run, values: NDArray[np.uint8]) -> float:
        if run.done == 5:
            raise KeyboardInterrupt
        return take_step(run, values)

    monkeypatch.setattr(training, "take_step", stop)
    with pytest.raises(KeyboardInterrupt):
        teach(toy, tmp_path / "model", rich, steps=6)
    monkeypatch.undo()
    teach(toy, tmp_path / "model", rich, steps=6)
    for name in ("model.json", "training_log.csv", "weights.safetensors", "reliability.csv"):
        assert (whole / name).read_bytes() == (tmp_path / "model" / name).read_bytes()


def test_best_evaluation_is_kept_and_patience_ends_training(
    toy: Toy, small: TrainingSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = iter([0.1, 0.5, 0.4, 0.3, 0.9])
    monkeypatch.setattr(
        "slumpmap.learning.run.validate", lambda *_: Validation(loss=1.0, iou=0.5, average_precision=next(scores))
    )
    settings = small.model_copy(update={"evaluate_every": 2, "patience": 2})
    out = teach(toy, tmp_path / "model", settings, steps=20)
    _, card = load_bundle(out)
    # Best after step 4; the evaluations after 6 and 8 are no better.
    assert (card.steps, card.kept_step) == (8, 4)
    short = teach(toy, tmp_path / "short", small, steps=20)
    assert not same(out, short)
    with (out / "training_log.csv").open() as handle:
        found = {int(row["step"]): row["validation_ap"] for row in csv.DictReader(handle) if row["validation_ap"]}
    assert found == {2: "0.1", 4: "0.5", 6: "0.4", 8: "0.3"}


def test_frozen_batch_norm_stays(toy: Toy, small: TrainingSettings, unbroken: Path, tmp_path: Path) -> None:
    frozen = small.model_copy(update={"freeze_batch_norm": True})
    out = teach(toy, tmp_path / "model", frozen, steps=2, start=unbroken)
    before, after = weights(unbroken), weights(out)
    norms = [name.removesuffix("running_mean") for name in before if name.endswith("running_mean")]
    assert norms
    for name in norms:
        for kind in ("running_mean", "running_var", "weight", "bias"):
            assert torch.equal(before[name + kind], after[name + kind])
    assert not same(unbroken, out)


def test_bfloat16_learns_too(toy: Toy, small: TrainingSettings, unbroken: Path, tmp_path: Path) -> None:
    out = teach(toy, tmp_path / "model", small.model_copy(update={"precision": "bfloat16"}))
    first, second = (load_bundle(folder)[1].metrics["training_loss"] for folder in (unbroken, out))
    assert second == pytest.approx(first, rel=0.05)
    assert not same(unbroken, out)


def test_more_than_three_bands(small: TrainingSettings) -> None:
    network = build_network(small, pretrained=False, bands=5)
    assert network(torch.zeros(2, 5, 64, 64)).shape == (2, 1, 64, 64)


def test_two_processes_learn_as_one(toy: Toy, small: TrainingSettings, tmp_path: Path) -> None:
    """By torchrun, on the CPU, with frozen statistics: the sum of two halves' gradients is the batch's."""
    settings = small.model_copy(
        update={"freeze_batch_norm": True, "optimizer": "sgd", "loss": "cross_entropy", "batch": 4}
    )
    alone = teach(toy, tmp_path / "alone", settings, steps=3)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "slumpmap"]
    grid = tmp_path / "grid.json"
    grid.write_text(toy.grid.to_json())
    files = f"--grid {grid} --scaling {toy.scaling} --windows {toy.index} --pixels {toy.pixels}"
    options = f"{as_options(settings, TrainingSettings.model_fields)} --steps 3 --seed 1 --threads 1 --device cpu"
    run = f"train {files} {options} --out {tmp_path / 'together'}"
    subprocess.run([*command, *shlex.split(run)], check=True, timeout=300)
    first, second = weights(alone), weights(tmp_path / "together")
    assert all(torch.allclose(first[name], second[name], atol=1e-6) for name in first)


def test_start_takes_up_the_weights(toy: Toy, small: TrainingSettings, unbroken: Path, tmp_path: Path) -> None:
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


def test_refusals(toy: Toy, small: TrainingSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
