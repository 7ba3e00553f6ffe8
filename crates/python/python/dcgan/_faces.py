"""Arrays of images that show themselves."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dcgan import _dcgan

if TYPE_CHECKING:
    from PIL.Image import Image

#: Images in a row of a sheet.
COLUMNS = 8


class Faces(np.ndarray[Any, np.dtype[np.uint8]]):
    """Images as an array: uint8, N × H × W × C, or H × W × C for one of them.

    It is an array like any other. In a notebook it shows itself as a sheet.

    Parameters
    ----------
    images : array_like of uint8, shape (N, H, W, C) or (H, W, C)
        The images, gray (C = 1) or RGB (C = 3). An array is not copied.
    """

    def __new__(cls, images: ArrayLike) -> Faces:
        array = np.asarray(images)
        if array.dtype != np.uint8:
            raise ValueError(f"images of type {array.dtype}: give uint8 from 0 (black) to 255 (white)")
        return array.view(cls)

    def _images(self) -> NDArray[np.uint8]:
        """Return the images as a contiguous array, N × H × W × C."""
        array = np.asarray(self)
        if array.ndim == 3:
            array = array[np.newaxis]
        if array.ndim != 4 or array.dtype != np.uint8:
            raise ValueError(f"an array of shape {self.shape} and type {self.dtype} holds no images: (N, H, W, C) does")
        return np.ascontiguousarray(array)

    def sheet(self, columns: int = COLUMNS) -> Faces:
        """Return one image with all of them side by side.

        Parameters
        ----------
        columns : int
            Images in a row.

        Returns
        -------
        Faces, shape (H', W', C)
            The sheet, as ``dcgan generate`` draws it without ``--scale``.
        """
        images = self._images()
        return Faces(_dcgan.sheet(images, max(1, min(columns, len(images)))))

    def to_pil(self) -> list[Image]:
        """Return each of the images as one of Pillow.

        Returns
        -------
        list of PIL.Image.Image
            Images in mode "RGB", or "L" if they are gray.
        """
        from PIL import Image

        return [Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image) for image in self._images()]

    def save(self, path: str | os.PathLike[str], columns: int = COLUMNS) -> None:
        """Write a PNG file of the image, or of the sheet of several.

        Parameters
        ----------
        path : path-like
            The file, replaced if it exists.
        columns : int
            Images in a row.
        """
        image = self if self.ndim == 3 else self.sheet(columns)
        png = _dcgan.png(image._images()[0])
        with open(path, "wb") as file:
            file.write(png)

    def _repr_png_(self) -> bytes | None:
        """Return the sheet as a PNG file, for notebooks; ``None`` if the array holds no images."""
        is_image = self.dtype == np.uint8 and self.size > 0 and self.ndim in (3, 4) and self.shape[-1] in (1, 3)
        # Images that are not square, such as frames of several walks, make no sheet.
        if not is_image or (self.ndim == 4 and self.shape[1] != self.shape[2]):
            return None
        image = self if self.ndim == 3 else self.sheet()
        return _dcgan.png(image._images()[0])
