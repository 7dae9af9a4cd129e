"""Find or download the checkpoint of a model or judge, and check that it is whole."""

from __future__ import annotations

import argparse
from pathlib import Path

from edit_benchmark.checkpoints import resolve as checkpoints
from edit_benchmark.runtime.command_line import json_object, run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--settings", type=json_object, required=True, help="model or judge, JSON")
    parser.add_argument("--name", required=True, help="its key in the config, such as models.qwen")
    parser.add_argument("--out", type=Path, required=True, help="the record to write")
    arguments = parser.parse_args()
    checkpoint = checkpoints.resolve(arguments.settings, arguments.name)
    checkpoints.write(checkpoint, arguments.out)


if __name__ == "__main__":
    run(main)
