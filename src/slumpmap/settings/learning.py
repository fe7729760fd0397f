"""Sections of training windows, network, training, inference and cross-validation."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from slumpmap.settings.base import Count, FromText, Metres, Settings, Share


class WindowSettings(Settings):
    """Training windows cut around labelled polygons."""

    window_px: int = Field(480, ge=32, description="width of a window, pixels; a multiple of 16, as in inference")
    overlap_px: int = Field(160, ge=0, description="overlap of neighbouring windows, pixels")
    buffer_m: Metres = Field(300.0, description="margin around a polygon's box, metres")
    min_valid: Share = Field(0.6, description="windows with a smaller share of valid pixels are left out")
    block_m: float = Field(2000.0, gt=0, description="side of the spatial blocks of the split, metres")
    validation_share: Share = Field(0.2, description="share of the blocks that is held out for validation")

    @model_validator(mode="after")
    def _overlap_fits(self) -> WindowSettings:
        if self.overlap_px >= self.window_px:
            raise ValueError("overlap_px must be smaller than window_px")
        if self.window_px % 16:
            raise ValueError("window_px must be a multiple of 16, the encoder's stride")
        return self


class NetworkSettings(Settings):
    """The network."""

    architecture: str = Field("DeepLabV3Plus", description="a segmentation-models-pytorch architecture")
    encoder: str = Field("tu-xception65", description="a segmentation-models-pytorch encoder")
    encoder_weights: str | None = Field(
        "imagenet",
        description="pretrained weights by name (needs the network), a local .safetensors, .pth, .pt or .bin file, or "
        "null for none",
    )
    output_stride: Annotated[Literal[8, 16], FromText] = Field(16, description="output stride of the encoder")
    atrous_rates: tuple[int, int, int] = Field(
        (6, 12, 18), description="dilation of the decoder's atrous convolutions, where the architecture has them"
    )


class TrainingSettings(NetworkSettings):
    """The network and how it is taught."""

    batch: int = Field(8, ge=2, description="windows in a training step, of all GPUs together")
    optimizer: Literal["sgd", "adamw"] = Field("adamw", description="optimizer; sgd has a momentum of 0.9")
    learning_rate: float = Field(0.0003, gt=0, description="highest learning rate")
    schedule: Literal["poly", "cosine"] = Field("poly", description="how the learning rate falls to 0")
    poly_power: float = Field(0.9, ge=0, description="power of the polynomial fall (`poly`)")
    warm_up: Share = Field(0.05, description="share of the steps in which the learning rate climbs from 0")
    weight_decay: float = Field(0.01, ge=0, description="weight decay")
    loss: Literal["cross_entropy", "cross_entropy_dice", "focal", "focal_dice"] = Field(
        "cross_entropy_dice", description="loss; focal has a gamma of 2"
    )
    sampling: Literal["balanced", "uniform"] = Field(
        "balanced", description="windows of a step: by kind as the shares say, or any window as likely as another"
    )
    slump_share: Share = Field(0.5, description="share of windows that hold a slump (`balanced`)")
    hard_share: Share | None = Field(
        None, description="share of windows around negatives (`balanced`); null: as many as there are"
    )
    augment: tuple[Literal["flip", "turn", "light", "blur", "crop", "scale"], ...] = Field(
        ("flip", "turn", "light"),
        description="variations of a window: flips, quarter turns, brightness with contrast and colour, Gaussian "
        "blur (sigma 1 or 2 px), a crop of 10 or 30 px from each side, a scale of 0.75 or 1.25",
    )
    augment_positives_only: bool = Field(False, description="leave windows without slumps as they are")
    freeze_batch_norm: bool = Field(False, description="keep the pretrained statistics and scales of batch norm")
    ema: float = Field(
        0.0, ge=0, lt=1, description="decay of the moving average of the weights that is kept in the end; 0: none"
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="arithmetic of training; auto: bfloat16 on GPUs that have it, else float32"
    )
    evaluate_every: Count = Field(
        0, description="steps between evaluations on the held-out blocks, the best of which is kept; 0: none"
    )
    patience: Count = Field(0, description="evaluations without a better one after which training stops; 0: never")
    calibrate: bool = Field(True, description="fit the temperature of the probabilities to the held-out blocks")
    deterministic: bool = Field(True, description="repeatable algorithms only, also where others are faster (GPU)")
    checkpoint_every: int = Field(500, ge=1, description="steps between checkpoints")

    @model_validator(mode="after")
    def _shares_fit(self) -> Self:
        if self.slump_share + (self.hard_share or 0) > 1:
            raise ValueError("slump_share and hard_share must not exceed 1 together")
        return self


class ModelSettings(TrainingSettings):
    """The networks of a campaign."""

    members: int = Field(1, ge=1, le=9, description="networks of the ensemble; their mean probability counts")
    iterations: int = Field(30000, ge=1, description="training steps of the first iteration")
    iterations_next: int = Field(30000, ge=1, description="training steps of each later iteration")
    start_from: Literal["previous", "pretrained"] = Field(
        "previous", description="where a later iteration starts: the last one's weights, or as the first did"
    )


class InferenceSettings(Settings):
    """Sliding-window inference."""

    window_px: int = Field(480, ge=32, description="width of a window, pixels; a multiple of 16")
    stride_px: int = Field(320, ge=16, description="distance of neighbouring windows, pixels")
    batch: int = Field(8, ge=1, description="windows in a batch")
    fusion: Literal["blend", "mean", "or"] = Field(
        "blend",
        description="overlapping windows: weighted to the middle, plain mean, or a slump where any window says so",
    )
    test_time: Literal["none", "flips", "symmetries"] = Field(
        "none", description="mean over a window and its turned copies: none, 4 flips, or all 8 symmetries"
    )
    backend: Literal["auto", "torch", "openvino"] = Field(
        "auto", description="what computes on the CPU; auto: OpenVINO. On a GPU it is always torch"
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="arithmetic of inference; auto: bfloat16 where the processor computes with it"
    )

    @model_validator(mode="after")
    def _windows_fit(self) -> InferenceSettings:
        if self.stride_px > self.window_px:
            raise ValueError("stride_px must not be larger than window_px, or pixels would be skipped")
        if self.window_px % 16:
            raise ValueError("window_px must be a multiple of 16, the encoder's stride")
        return self


class CrossvalSettings(Settings):
    """Cross-validation of the model over spatial blocks (`slumpmap crossval`)."""

    folds: int = Field(5, ge=2, le=20, description="parts of the blocks, each of which is tested once")
    iteration: int = Field(1, ge=1, le=99, description="iteration whose labels are divided")
    boundary_m: Metres = Field(15.0, description="width of the rims that the boundary IoU compares, metres")
