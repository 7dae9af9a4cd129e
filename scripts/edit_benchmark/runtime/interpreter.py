"""Which Python the jobs run."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def put_first_on_path() -> None:
    """Make the ``python`` of this process's jobs the one that runs this process, whether or not
    its environment was activated."""
    folder = str(Path(sys.executable).parent)
    os.environ["PATH"] = os.pathsep.join([folder, os.environ.get("PATH", "")])
