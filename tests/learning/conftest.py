from __future__ import annotations

from pathlib import Path

import pytest
from toy_region import Toy

from slumpmap.learning.training import train
from slumpmap.settings.learning import TrainingSettings


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    return Toy(tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="session")
def small() -> TrainingSettings:
    """A network that trains in a blink."""
    return TrainingSettings(
        encoder="tu-mobilenetv3_small_050",
        encoder_weights=None,
        batch=2,
        optimizer="adamw",
        learning_rate=0.003,
        weight_decay=0.01,
        loss="cross_entropy_dice",
        checkpoint_every=2,
    )


@pytest.fixture(scope="session")
def trained(toy: Toy, small: TrainingSettings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that has learnt the toy region."""
    settings = small.model_copy(update={"batch": 8, "learning_rate": 0.005, "checkpoint_every": 1000})
    out = tmp_path_factory.mktemp("trained") / "model"
    train(toy.index, toy.pixels, out, settings, 40, 1, 3.0, toy.scaling, threads=1, device="cpu")
    return out
