"""Which Python the jobs run, and where their libraries keep what they compile."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def put_first_on_path() -> None:
    """Make the ``python`` of this process's jobs the one that runs this process, whether or not
    its environment was activated."""
    folder = str(Path(sys.executable).parent)
    os.environ["PATH"] = os.pathsep.join([folder, os.environ.get("PATH", "")])


def keep_caches_together() -> None:
    """Where XDG_CACHE_HOME moves the caches, since a home cannot be written, move Triton's too."""
    if "XDG_CACHE_HOME" in os.environ:
        folder = Path(os.environ["XDG_CACHE_HOME"]) / "triton"
        os.environ.setdefault("TRITON_CACHE_DIR", str(folder))
