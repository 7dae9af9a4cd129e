"""Draw the demo benchmark's source images again: ``python scripts/demo/scenes``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

# Python puts the folder that it runs on its search path, not the one that holds the package.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from demo.scenes import SCENES

_IMAGES = Path(__file__).resolve().parents[3] / "resources" / "demo" / "images"


def main() -> None:
    parser = argparse.ArgumentParser(prog="demo.scenes", description=__doc__)
    parser.add_argument("--out", type=Path, default=_IMAGES, help="folder for the images")
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    total = sum(scene.save(out).stat().st_size for scene in SCENES)
    print(f"{len(SCENES)} images, {total / 1000:.0f} kB, in {out}")


if __name__ == "__main__":
    main()
