"""The network of the paper's recipe is the one that it names."""

from __future__ import annotations

import torch

from slumpmap.learning.network import build_network
from slumpmap.recipes import RECIPES
from slumpmap.settings.learning import TrainingSettings


def test_network_of_the_paper() -> None:
    keys = {name: value for name, value in RECIPES["xia2022"]["model"].items() if name in TrainingSettings.model_fields}
    network = build_network(TrainingSettings(**keys), pretrained=False).eval()
    # Xception-65 has 39.9 million weights, 2.0 million of them in its classifier, which is not used.
    assert 36e6 < sum(p.numel() for p in network.encoder.parameters()) < 40e6
    rates = {module.dilation[0] for module in network.decoder.modules() if isinstance(module, torch.nn.Conv2d)}
    assert {6, 12, 18} <= rates
    with torch.inference_mode():
        images = torch.zeros(1, 3, 128, 128)
        assert network.encoder(images)[-1].shape[-2:] == (8, 8), "output stride 16"
        assert network(images).shape == (1, 1, 128, 128)
