"""Snakemake's jobs as jobs of Kubernetes: what the cluster-generic executor calls.

pods.py submit JOBSCRIPT     create a job from job.yaml; prints its name
pods.py status NAME          prints running, success or failed
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from snakemake.utils import read_job_properties

_TEMPLATE = Path(__file__).with_name("job.yaml")
# Set by the workflow for jobs on other hosts: a pod ends once another run has its results folder.
_RUN = "EDIT_BENCHMARK_CLUSTER_RUN"


def manifest(jobscript: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    """The job of Kubernetes that runs ``jobscript``, which lies on the shared volume."""
    job: dict[str, Any] = yaml.safe_load(_TEMPLATE.read_text(encoding="utf-8"))
    resources = properties["resources"]
    pod = job["spec"]["template"]["spec"]
    container = pod["containers"][0]
    container["command"] = ["/bin/sh", jobscript]
    container["workingDir"] = str(Path.cwd())
    container.setdefault("env", []).append({"name": _RUN, "value": os.environ.get(_RUN, "")})
    memory = f"{resources['mem_mb']}M"
    limits = {"memory": memory}
    # Of GPUs a request alone would be refused: they cannot be shared.
    if resources.get("gpu"):
        limits["nvidia.com/gpu"] = str(resources["gpu"])
    requests = {**limits, "cpu": str(properties["threads"])}
    container["resources"] = {"requests": requests, "limits": limits}
    # The pod's: that of the job would count the time in which it waits for a node.
    pod["activeDeadlineSeconds"] = 60 * int(resources["runtime"])
    return job


def submit(jobscript: str) -> str:
    """Create the job; its name."""
    job = manifest(jobscript, read_job_properties(jobscript))
    created = subprocess.run(
        ["kubectl", "create", "--filename=-", "--output=name"],
        input=json.dumps(job),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return created.stdout.strip().rpartition("/")[2]


def status(name: str) -> str:
    """What became of a job; one that is not there any more has failed."""
    asked = subprocess.run(
        ["kubectl", "get", "job", name, "--output=json"], capture_output=True, text=True
    )
    if asked.returncode:
        print(asked.stderr, end="", file=sys.stderr)
        # A cluster that does not answer is asked again.
        return "failed" if "NotFound" in asked.stderr else "running"
    conditions = json.loads(asked.stdout).get("status", {}).get("conditions", [])
    held = {condition["type"] for condition in conditions if condition["status"] == "True"}
    return "success" if "Complete" in held else "failed" if "Failed" in held else "running"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("act", choices=["submit", "status"])
    parser.add_argument("what", help="a job script, or the name of a job")
    arguments = parser.parse_args()
    try:
        print({"submit": submit, "status": status}[arguments.act](arguments.what))
    except (subprocess.CalledProcessError, OSError) as error:
        sys.exit(f"error: kubectl could not {arguments.act} the job: {error}")


if __name__ == "__main__":
    main()
