"""What an editor is: the base class of every one, the user's own included."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from PIL import Image


class Editor:
    """One loaded model on one device.

    A class of one's own needs only :meth:`edit`; deriving from this class is optional.

    Attributes
    ----------
    details
        How images are made beyond the settings; recorded with every image.
    stages
        Seconds of the last image's stages by name; empty where they are not told apart.
    compile_seconds
        Time that compiling kernels took while the model was loaded.
    """

    details: Mapping[str, Any] = MappingProxyType({})
    stages: Mapping[str, float] = MappingProxyType({})
    compile_seconds: float = 0.0

    def edit(self, source: Image.Image, instruction: str, seed: int) -> Image.Image:
        """The edited image.

        Parameters
        ----------
        source
            The source image, RGB, upright, at its own size; the call's own copy.
        instruction
            The edit instruction.
        seed
            0 to 2**32 - 1. Equal arguments give equal pixels, whatever was edited before.
        more_sources, mask
            Parameters that a class has if it takes samples with more than one source image, or with
            a mask: the images after ``source``, in their order, and a grey image (mode ``L``) of
            the size of ``source``, white where it is edited. They are given for such samples
            alone; a class without the parameter skips them.

        Returns
        -------
        PIL.Image.Image
            Of any size up to 100 megapixels. Another mode than RGB is taken as in a source image:
            transparency lies on white, 16 bits are scaled to 8, floating point is refused.

        Raises
        ------
        SampleError
            If this sample cannot be edited; SkipSample if the model cannot take such a sample.
        """
        raise NotImplementedError
