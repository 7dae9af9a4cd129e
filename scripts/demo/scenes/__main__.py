"""Draw the demo benchmark's source pictures again: ``python scripts/demo/scenes``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

# Run as a folder, Python looks for modules in the folder itself, not beside it.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from demo.scenes import SCENES

_PICTURES = Path(__file__).resolve().parents[3] / "resources" / "demo" / "pictures"


def main() -> None:
    parser = argparse.ArgumentParser(prog="demo.scenes", description=__doc__)
    parser.add_argument("--out", type=Path, default=_PICTURES, help="folder for the pictures")
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    total = sum(scene.save(out).stat().st_size for scene in SCENES)
    print(f"{len(SCENES)} pictures, {total / 1000:.0f} kB, in {out}")


if __name__ == "__main__":
    main()
