"""What a training tells while it runs."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from dcgan._faces import Faces


@dataclass(frozen=True)
class Started:
    """The first weights were drawn, or read from a checkpoint."""

    #: The run's folder.
    folder: Path
    #: Images in the data set.
    pictures: int
    #: Epochs of the run.
    epochs: int
    #: Images in a batch.
    batch_size: int
    #: Steps of the run.
    steps: int
    #: Steps taken before, in a run that is resumed.
    step: int
    #: Seed of the run.
    seed: int
    #: What the networks are computed on.
    engine: str


@dataclass(frozen=True)
class Step:
    """A training step: a line of ``metrics.jsonl``."""

    #: The step, counted from 1 over the whole run.
    step: int
    #: The epoch it belongs to, counted from 1.
    epoch: int
    #: D's loss on real images.
    d_loss_real: float
    #: D's loss on generated images.
    d_loss_fake: float
    #: G's loss.
    g_loss: float
    #: Mean of D(x): a probability, but with least squares D's output as it is.
    d_x: float
    #: Mean of D(G(z)) before D learns from these images.
    d_g_z1: float
    #: Mean of D(G(z)) of new noise after D has learned.
    d_g_z2: float
    #: Real images per second of this step.
    images_per_second: float
    #: Seconds of this step that were spent waiting for images.
    data_seconds: float
    #: Mean of ‖∇D(x)‖² over the real images, if it is penalized.
    d_gradient_real: float | None = None
    #: The same over the generated images.
    d_gradient_fake: float | None = None

    @property
    def d_loss(self) -> float:
        """D's loss on real and generated images together."""
        return self.d_loss_real + self.d_loss_fake


@dataclass(frozen=True)
class Epoch:
    """The end of an epoch: means over its steps."""

    #: The epoch, counted from 1.
    epoch: int
    #: Steps taken in it.
    steps: int
    #: D's loss, real and generated together.
    d_loss: float
    #: G's loss.
    g_loss: float
    #: D(x).
    d_x: float
    #: D(G(z)), before D learns from these images.
    d_g_z1: float


@dataclass(frozen=True, eq=False)
class Preview:
    """Images from the same noise before training and after each epoch."""

    #: Epochs so far; 0 before training.
    epoch: int
    #: File of the sheet.
    file: Path
    #: The images: uint8, 32 × H × W × C.
    faces: Faces


@dataclass(frozen=True, eq=False)
class Sample:
    """Images from the noise of the previews within an epoch, with ``sample_every``."""

    #: The epoch that is under way, counted from 1.
    epoch: int
    #: Steps taken.
    step: int
    #: File of the sheet.
    file: Path
    #: The images: uint8, 32 × H × W × C.
    faces: Faces


@dataclass(frozen=True)
class Evaluated:
    """The measures of the generator after an epoch, with ``evaluate_every``."""

    #: Steps taken.
    step: int
    #: Epochs done.
    epoch: int
    #: The measures by their names in ``dcgan evaluate --json``, such as ``measures["swd"]["mean"]``.
    measures: dict[str, Any]


@dataclass(frozen=True)
class Health:
    """The diagnosis after an epoch."""

    #: The epoch, counted from 1.
    epoch: int
    #: How much the preview's images differ, divided by how much real ones do; ``None`` if those do not differ.
    diversity: float | None
    #: Problems, each with its name under ``"finding"`` and its figures; empty if there are none.
    findings: list[dict[str, Any]]
    #: The same as a sentence.
    text: str


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint was written."""

    #: Steps taken.
    step: int


@dataclass(frozen=True)
class RolledBack:
    """A number was not finite, and the run goes on from its last checkpoint with lower learning rates."""

    #: The step from which it goes on.
    step: int
    #: What was wrong.
    problem: str
    #: Factor of the learning rates from now on.
    learning_rate_scale: float


@dataclass(frozen=True)
class Stopped:
    """The run was stopped, and its checkpoint is written."""

    #: Steps taken.
    step: int


@dataclass(frozen=True)
class Finished:
    """The run has reached its end."""

    #: Epochs taken.
    epochs: int
    #: Steps taken.
    steps: int


#: Any event of a training.
Event: TypeAlias = (
    Started | Step | Epoch | Preview | Sample | Evaluated | Health | Checkpoint | RolledBack | Stopped | Finished
)

#: Classes by the names of their records.
CLASSES: dict[str, Any] = {
    "started": Started,
    "step": Step,
    "epoch": Epoch,
    "preview": Preview,
    "sample": Sample,
    "evaluation": Evaluated,
    "health": Health,
    "checkpoint": Checkpoint,
    "rolled_back": RolledBack,
    "stopped": Stopped,
    "finished": Finished,
}


def from_record(record: str, faces: Faces | None) -> Event:
    """Make an event from its JSON record and the images of a preview or sample."""
    fields: dict[str, Any] = json.loads(record)
    name = fields.pop("event")
    if name == "started":
        fields["folder"] = Path(fields["folder"])
    elif name in ("preview", "sample"):
        fields["file"] = Path(fields["file"])
        fields["faces"] = faces
    elif name == "evaluation":
        fields = {"step": fields.pop("step"), "epoch": fields.pop("epoch"), "measures": fields}
    elif name == "step":
        # JSON has no numbers that are not finite.
        for field in dataclasses.fields(Step):
            if field.name in fields and fields[field.name] is None:
                fields[field.name] = math.nan
    event: Event = CLASSES[name](**fields)
    return event
