"""Train a DCGAN on pictures and draw new ones.

The networks are computed in Rust, with all cores and without holding the GIL. Arrays of numpy go in and come out.

>>> import dcgan
>>> run = dcgan.train("faces/", out="runs/a", epochs=20)  # doctest: +SKIP
>>> run.generator.faces(range(8))  # doctest: +SKIP
"""

from dcgan._dcgan import DataError, ModelError, TrainingError, __version__
from dcgan._events import (
    Checkpoint,
    Epoch,
    Evaluated,
    Event,
    Finished,
    Health,
    Preview,
    RolledBack,
    Sample,
    Started,
    Step,
    Stopped,
)
from dcgan._faces import Faces
from dcgan._generator import Generator, load
from dcgan._options import TrainOptions
from dcgan._tools import (
    DataReport,
    Evaluation,
    Neighbours,
    Projection,
    check,
    convert,
    demo_faces,
    evaluate,
    interpolate,
    neighbours,
    project,
)
from dcgan._train import Run, Trainer, train

__all__ = [
    "Checkpoint",
    "DataError",
    "DataReport",
    "Epoch",
    "Evaluated",
    "Evaluation",
    "Event",
    "Faces",
    "Finished",
    "Generator",
    "Health",
    "ModelError",
    "Neighbours",
    "Preview",
    "Projection",
    "RolledBack",
    "Run",
    "Sample",
    "Started",
    "Step",
    "Stopped",
    "TrainOptions",
    "Trainer",
    "TrainingError",
    "__version__",
    "check",
    "convert",
    "demo_faces",
    "evaluate",
    "interpolate",
    "load",
    "neighbours",
    "project",
    "train",
]
