"""The options of a training, for editors and type checkers."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypedDict


class TrainOptions(TypedDict, total=False):
    """The options of ``dcgan train``; ``docs/options.md`` and ``dcgan train --help`` describe them."""

    demo: bool
    epochs: int
    epoch_size: int | None
    time: str | None
    evaluate_every: int
    batch_size: int
    shards: int
    image_size: int
    channels: int
    latent_dim: int
    base_channels: int
    base_channels_g: int | None
    base_channels_d: int | None
    d_norm: str
    lr: float
    beta1: float
    beta2: float
    preset: str | None
    loss: str
    label_smoothing: float
    lr_schedule: str
    r1: float
    r2: float
    d_steps: int
    lr_d: float | None
    lr_g: float | None
    augment: str | Sequence[str]
    ema: float
    recalibrate: bool
    init: str
    seed: int
    threads: int | None
    device: str
    fit: str
    filter: str
    background: str
    flip: bool
    strict: bool
    cache: str | os.PathLike[str] | None
    no_cache: bool
    max_images: int | None
    max_steps: int | None
    save_every: int | None
    sample_every: int
    keep_generators: bool
    keep: int
    keep_every: int | None
