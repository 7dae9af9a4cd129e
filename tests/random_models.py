"""Make an editor and a judge of the real classes with tiny random weights, for long tests.

PYTHONPATH=scripts python tests/random_models.py --out build/random-models     (make models)
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from edit_benchmark.results.files import write_text
from edit_benchmark.runtime.command_line import run
from edit_benchmark.versions import installed

_MARKER = ".made-with"
_CODE = Path(__file__).parents[1] / "scripts" / "demo" / "models.py"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for editor/ and judge/")
    folder = parser.parse_args().out
    # Other versions of the libraries may save other files or draw other weights; so may our code.
    code = _CODE.read_bytes()
    versions = installed("torch", "diffusers", "transformers", "tokenizers")
    wanted = f"{versions} {hashlib.sha256(code).hexdigest()}\n"
    for name in ("editor", "judge"):
        marker = folder / name / _MARKER
        if marker.is_file() and marker.read_text(encoding="utf-8") == wanted:
            print(f"{folder / name}: there already")
            continue
        _make(folder / name, _saver(name), wanted)
        print(f"{folder / name}: made")


def _saver(name: str) -> Callable[[Path], None]:
    # Imported only when something has to be made: torch takes seconds.
    import transformers

    from demo.models import save_edit_pipeline, save_judge

    transformers.utils.logging.disable_progress_bar()
    return save_edit_pipeline if name == "editor" else save_judge


def _make(path: Path, save: Callable[[Path], None], marker: str) -> None:
    """Save into a temporary folder and rename it, so that a killed run leaves no half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=".making-"))
    try:
        save(temporary)
        write_text(temporary / _MARKER, marker)
        temporary.chmod(0o755)
        shutil.rmtree(path, ignore_errors=True)
        temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


if __name__ == "__main__":
    run(main)
