"""Keep finished work that other library versions made, after an upgrade.

python scripts/accept_versions.py --configfile config/config.yaml          what there is
python scripts/accept_versions.py --configfile config/config.yaml --keep   go on with it
"""

from __future__ import annotations

import argparse
from pathlib import Path

import yaml

from edit_benchmark.acceptance import Balance, accept, balances
from edit_benchmark.config.resolve import resolve
from edit_benchmark.config.written import check_file
from edit_benchmark.runtime.command_line import run


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--configfile", type=Path, default=Path("config/config.yaml"))
    parser.add_argument("--keep", action="store_true", help="keep what other versions made")
    arguments = parser.parse_args()
    check_file(arguments.configfile)
    config = resolve(yaml.safe_load(arguments.configfile.read_text(encoding="utf-8")))
    found = balances(config)
    for balance in found:
        print(line(balance))
        if arguments.keep:
            accept(balance)
    number = sum(len(balance.acceptable) for balance in found)
    if arguments.keep:
        print(f"kept {number} pieces of work; the next run finds them, and its report says so.")
    elif number:
        print("nothing was changed; with --keep the next run goes on with them.")


def line(balance: Balance) -> str:
    """A balance as one line."""
    text = f"{balance.what}: {balance.present} found by the next run, {balance.missing} never made"
    if not balance.acceptable:
        return text
    made = {
        ", ".join(f"{name} {version}" for name, version in sorted(kept.versions.items()))
        for kept in balance.acceptable.values()
    }
    return (
        f"{text}, {len(balance.acceptable)} made with other versions "
        f"({'; '.join(sorted(made))}): {balance.seconds / 3600:.2f} h of a device to make again"
    )


if __name__ == "__main__":
    run(main)
