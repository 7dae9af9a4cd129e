"""Find or download the checkpoint of a model or judge, and check that it is whole."""

from __future__ import annotations

import argparse
from pathlib import Path

from edit_benchmark.checkpoints import record
from edit_benchmark.checkpoints.resolve import resolve
from edit_benchmark.config.resolve import editor_settings, judge_settings
from edit_benchmark.runtime.command_line import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--settings", required=True, help="the model or judge, as JSON")
    parser.add_argument("--name", required=True, help="its key in the config, such as models.qwen")
    parser.add_argument("--out", type=Path, required=True, help="the record to write")
    arguments = parser.parse_args()
    section, _, name = arguments.name.partition(".")
    parse = judge_settings if section == "judges" else editor_settings
    record.write(resolve(parse(arguments.settings, name), arguments.name), arguments.out)


if __name__ == "__main__":
    run(main)
