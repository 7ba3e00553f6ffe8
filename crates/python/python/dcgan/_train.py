"""Training."""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from dcgan import _dcgan
from dcgan._events import Event, Started, Step, from_record
from dcgan._faces import Faces
from dcgan._generator import Generator, check_threads

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

    from dcgan._options import TrainOptions

#: Options that are paths, so that they need not be UTF-8.
PATHS = ("data", "out", "cache")


def image_array(images: Any) -> NDArray[np.uint8]:
    """Return images as a contiguous array, N × H × W × C. Gray images may come as N × H × W."""
    array = np.asarray(images)
    if array.dtype != np.uint8:
        raise ValueError(f"images of type {array.dtype}: give uint8 from 0 (black) to 255 (white)")
    if array.ndim == 3:
        array = array[..., np.newaxis]
    if array.ndim != 4:
        raise ValueError(f"images of the shape {array.shape}: give (N, H, W, C)")
    return np.ascontiguousarray(array)


def is_path(value: Any) -> bool:
    """Return whether a value is a path."""
    return isinstance(value, (str, bytes, os.PathLike))


def text_of(name: str, value: Any) -> str:
    """Return the value of an option as text, as on the command line."""
    if hasattr(value, "item"):
        # A number of numpy or PyTorch.
        return text_of(name, value.item())
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, (list, tuple)):
        return ",".join(text_of(name, part) for part in cast("Sequence[Any]", value))
    raise TypeError(f"{name} cannot be a {type(value).__name__}: give a str, a number or a bool")


@dataclass(frozen=True)
class Run:
    """Result of a training."""

    #: The run's folder, with everything that ``dcgan train`` writes.
    folder: Path
    #: The trained generator.
    generator: Generator
    #: Epochs taken, the last one perhaps not to its end.
    epochs: int
    #: Steps taken.
    steps: int
    #: Whether the run has reached its end; ``False`` if it was stopped before.
    finished: bool
    #: Epoch of the best generator, with ``evaluate_every``.
    best_epoch: int | None

    def metrics(self) -> list[dict[str, Any]]:
        """Return the lines of ``metrics.jsonl``.

        Returns
        -------
        list of dict
            A dict for each step, and one for each evaluation; ``pandas.DataFrame`` takes them.
        """
        with open(self.folder / "metrics.jsonl", encoding="utf-8") as lines:
            return [json.loads(line) for line in lines]


class Trainer(Iterator[Event]):
    """A training as an iterator over its events.

    The training begins with the first event and runs in the background, never more than a step ahead of the loop. If
    the loop is left early, by ``break`` or by an exception, the training stops after the step under way and writes a
    checkpoint. Ctrl-C does the same and raises ``KeyboardInterrupt``.

    Parameters
    ----------
    data : path-like or array_like of uint8, shape (N, H, W, C), optional
        A folder of pictures, flat or nested, or a .zip or .tar of them; or the pictures. ``demo=True`` takes the
        built-in faces instead.
    out : path-like, optional
        The run's folder, new or empty; by default ``runs/NNNN-DATA``.
    resume : path-like or True, optional
        Folder of a run to continue, or ``True`` for the newest in ``runs/``. Its options hold unless others are given.
    config : path-like, optional
        File with options, such as the ``config.toml`` of a run; options given here override it.
    **options
        The options of ``dcgan train`` with underscores, for example ``batch_size=64``; see :class:`TrainOptions`.

    Raises
    ------
    TypeError
        For an option that does not exist; the message names the one that was probably meant.
    ValueError
        For a value that an option cannot have.

    Examples
    --------
    >>> for event in dcgan.Trainer("faces/", epochs=5):  # doctest: +SKIP
    ...     if isinstance(event, dcgan.Epoch):
    ...         print(event.epoch, event.d_loss, event.g_loss)
    """

    def __init__(
        self,
        data: Any = None,
        *,
        out: str | os.PathLike[str] | None = None,
        resume: str | os.PathLike[str] | bool | None = None,
        config: str | os.PathLike[str] | None = None,
        **options: Unpack[TrainOptions],
    ) -> None:
        images = None
        given: dict[str, Any] = {"out": out, **options}
        if data is not None:
            if is_path(data):
                given["data"] = data
            else:
                images = image_array(data)
                if given.get("demo"):
                    raise ValueError("data and demo exclude each other: give one of them")
        texts: list[tuple[str, str]] = []
        paths: list[tuple[str, Any]] = []
        for name, value in given.items():
            if value is None:
                continue
            if name in PATHS:
                paths.append((name, os.fsdecode(value)))
            else:
                texts.append((name, text_of(name, value)))
        if resume is True:
            resume = _dcgan.newest_run()
        folder = None if resume is None or resume is False else os.fsdecode(resume)
        self._native = _dcgan.NativeTrainer(texts, paths, images, folder, config)
        threads = options.get("threads")
        self._threads = None if threads is None else check_threads(int(threads))
        self._folder = None if folder is None else Path(folder)
        self._run: Run | None = None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Event:
        try:
            while True:
                message = self._native.next_event()
                if message is None:
                    raise StopIteration
                record, faces = message
                if record.startswith('{"event":"skipped"'):
                    self._warn_of_skipped(record)
                    continue
                event = from_record(record, None if faces is None else Faces(faces))
                if isinstance(event, Started):
                    self._folder = event.folder
                return event
        except KeyboardInterrupt as interrupt:
            self._add_note(interrupt)
            raise

    @staticmethod
    def _warn_of_skipped(record: str) -> None:
        files: list[str] = json.loads(record)["files"]
        more = f" and {len(files) - 3} more" if len(files) > 3 else ""
        warnings.warn(
            f"{len(files)} pictures cannot be used: {'; '.join(files[:3])}{more}; dcgan.check names them all",
            stacklevel=4,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
            return
        try:
            self.close()
        except Exception as failed:
            # The first error is the cause.
            note(error, f"The training could not be stopped: {failed}")
        else:
            self._add_note(error)

    def _add_note(self, error: BaseException) -> None:
        if self._folder is not None and (self._folder / "checkpoints").is_dir():
            note(error, f"The run is saved. Continue it with dcgan.train(resume={str(self._folder)!r}).")

    def stop(self) -> None:
        """Ask the training to stop after the step under way, with a checkpoint. The last event is :class:`Stopped`."""
        self._native.stop()

    def close(self) -> None:
        """Stop the training and wait until its checkpoint is written. Does nothing if it has ended."""
        self._native.close()

    @property
    def folder(self) -> Path | None:
        """The run's folder; ``None`` before the first event."""
        return self._folder

    @property
    def result(self) -> Run:
        """Result of the training, once it has ended.

        Raises
        ------
        RuntimeError
            If it has not.
        """
        if self._run is None:
            result = self._native.result
            if result is None:
                raise RuntimeError("the training has not ended: iterate over its events first, or close it")
            for text in result.notes:
                warnings.warn(text, stacklevel=2)
            self._run = Run(
                folder=Path(result.folder),
                generator=Generator(result.generator, self._threads),
                epochs=result.epochs,
                steps=result.steps,
                finished=result.finished,
                best_epoch=result.best_epoch,
            )
        return self._run


def note(error: BaseException, text: str) -> None:
    """Add a note to an exception, as Python 3.11 and later can."""
    if sys.version_info >= (3, 11):
        error.add_note(text)


def in_notebook() -> bool:
    """Return whether this is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return type(shell).__name__ == "ZMQInteractiveShell"


def progress_bar(progress: bool | None) -> Any:
    """Return tqdm's progress bar; ``None`` if there is to be none."""
    if progress is False or (progress is None and not (in_notebook() or sys.stderr.isatty())):
        return None
    try:
        with warnings.catch_warnings():
            # Without ipywidgets, tqdm writes text and warns of it.
            warnings.simplefilter("ignore")
            from tqdm.auto import tqdm

            return tqdm(unit="step", disable=False)
    except ImportError:
        if progress:
            raise
        return None


def train(
    data: Any = None,
    *,
    out: str | os.PathLike[str] | None = None,
    callback: Callable[[Event], object] | None = None,
    progress: bool | None = None,
    resume: str | os.PathLike[str] | bool | None = None,
    config: str | os.PathLike[str] | None = None,
    **options: Unpack[TrainOptions],
) -> Run:
    """Train a DCGAN and return the run.

    The same options with the same pictures give the files that ``dcgan train`` writes, byte for byte.

    Parameters
    ----------
    data : path-like or array_like of uint8, shape (N, H, W, C), optional
        A folder of pictures, flat or nested, or a .zip or .tar of them; or the pictures. ``demo=True`` takes the
        built-in faces instead.
    out : path-like, optional
        The run's folder, new or empty; by default ``runs/NNNN-DATA``.
    callback : callable, optional
        Called with each :data:`Event` on the thread that called ``train``. What it raises ends the run with a
        checkpoint.
    progress : bool, optional
        Whether to show a progress bar of tqdm; by default in notebooks and on terminals, if tqdm is installed.
    resume : path-like or True, optional
        Folder of a run to continue, or ``True`` for the newest in ``runs/``. Its options hold unless others are given.
    config : path-like, optional
        File with options, such as the ``config.toml`` of a run; options given here override it.
    **options
        The options of ``dcgan train`` with underscores, for example ``batch_size=64``; see :class:`TrainOptions`.

    Returns
    -------
    Run
        The run's folder and its generator.

    Raises
    ------
    TypeError
        For an option that does not exist; the message names the one that was probably meant.
    ValueError, DataError, TrainingError, OSError
        For impossible values, pictures that do not suffice, a training that diverges, a folder that cannot be written.
    KeyboardInterrupt
        On Ctrl-C, once the checkpoint is written. A second Ctrl-C does not wait for it.
    """
    with Trainer(data, out=out, resume=resume, config=config, **options) as trainer:
        bar = progress_bar(progress)
        try:
            for event in trainer:
                if bar is not None:
                    if isinstance(event, Started):
                        bar.reset(total=event.steps)
                        bar.update(event.step)
                    elif isinstance(event, Step):
                        bar.set_postfix(
                            {"epoch": event.epoch, "D": f"{event.d_loss:.3f}", "G": f"{event.g_loss:.3f}"},
                            refresh=False,
                        )
                        bar.update(event.step - bar.n)
                if callback is not None:
                    callback(event)
        finally:
            if bar is not None:
                bar.close()
    return trainer.result
