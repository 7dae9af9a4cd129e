"""Jobs as pods: what is asked of Kubernetes for them, by a stand-in that runs their commands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from conftest import ROOT, Project, five_each
from edit_benchmark.runtime import run_lock
from runs import asked
from served_fixtures import all_end, begun, serve

PROFILE = ROOT / "workflow" / "profiles" / "kubernetes"
KUBECTL = ROOT / "tests" / "plugins" / "kubectl"


@pytest.fixture
def cluster(tmp_path: Path) -> dict[str, str]:
    """Variables of the environment with which kubectl is the stand-in."""
    for name in ("bin", "jobs"):
        (tmp_path / name).mkdir()
    (tmp_path / "bin" / "kubectl").symlink_to(KUBECTL)
    path = f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return {"PATH": path, "KUBERNETES_JOBS": str(tmp_path / "jobs")}


def manifests(cluster: dict[str, str]) -> list[dict[str, Any]]:
    folder = Path(cluster["KUBERNETES_JOBS"])
    return [json.loads(path.read_text()) for path in folder.glob("*.json")]


def pod_of(manifest: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """A job's pod, and its container."""
    pod = manifest["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    return pod, container


def pods(act: str, what: str | Path, cluster: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, PROFILE / "pods.py", act, what],
        env=os.environ | cluster, capture_output=True, text=True,
    )  # fmt: skip


def script(folder: Path, command: str, **resources: int) -> Path:
    """A job's script as Snakemake writes it."""
    resources = {"mem_mb": 2000, "runtime": 30} | resources
    properties = json.dumps({"threads": 3, "resources": resources})
    path = folder / "job.sh"
    path.write_text(f"#!/bin/sh\n# properties = {properties}\n{command}\n")
    return path


@pytest.mark.parametrize("gpus", [0, 2])
def test_a_pod_has_what_its_job_asks_for(
    tmp_path: Path, cluster: dict[str, str], gpus: int
) -> None:
    assert pods("submit", script(tmp_path, "true", gpu=gpus), cluster).returncode == 0
    (manifest,) = manifests(cluster)
    pod, container = pod_of(manifest)
    gpu = {"nvidia.com/gpu": str(gpus)} if gpus else {}
    assert container["resources"] == {
        "requests": {"cpu": "3", "memory": "2000M", **gpu},
        # Of a GPU that is no limit Kubernetes takes no request.
        "limits": {"memory": "2000M", **gpu},
    }
    assert pod["activeDeadlineSeconds"] == 1800
    assert container["command"] == ["/bin/sh", str(tmp_path / "job.sh")]
    assert container["image"]
    assert {"name": "shared", "mountPath": "/shared"} in container["volumeMounts"]


def test_how_a_pod_ended_is_how_its_job_did(tmp_path: Path, cluster: dict[str, str]) -> None:
    for command, ending in (("true", "success"), ("exit 3", "failed"), ("kill -9 $$", "failed")):
        name = pods("submit", script(tmp_path, command), cluster).stdout.strip()
        status = "running"
        while status == "running":
            status = pods("status", name, cluster).stdout.strip()
        assert status == ending
    assert pods("status", "gone", cluster).stdout == "failed\n"
    # The cluster does not answer, and will be asked again.
    (tmp_path / "bin" / "kubectl").unlink()
    (tmp_path / "bin" / "kubectl").write_text("#!/bin/sh\necho refused >&2; exit 1\n")
    (tmp_path / "bin" / "kubectl").chmod(0o755)
    assert pods("status", name, cluster).stdout == "running\n"
    refused = pods("submit", script(tmp_path, "true"), cluster)
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1].startswith("error: kubectl could not submit the job")


def test_a_run_in_pods(project: Project, cluster: dict[str, str]) -> None:
    """Jobs of a judge whose server the run starts are one pod, which starts it once."""
    pytest.importorskip("snakemake_executor_plugin_cluster_generic")
    categories = ["physical", "causal"]
    project.benchmark([row for row in five_each(2) if row["category"] in categories])
    diary = project.root / "diary.txt"
    project.configure(
        benchmark={"path": "data/benchmark.jsonl", "categories": categories},
        shards=1,
        judges={"big": {"judge": "openai", **serve(diary)}},
        score_chunk=1,
    )
    arguments = ("--seconds-between-status-checks", "1", "--latency-wait", "5")
    profile = ("--profile", "workflow/profiles/kubernetes", "--configfile", "config/test.yaml")
    project.snakemake(*profile, *arguments, env=cluster)
    assert len(asked(project)) == 4
    logs = list((project.root / "results/logs/edit").rglob("*.log"))
    assert [log for log in logs if "device kubernetes-" in log.read_text()] == logs
    for category in categories:
        rows = project.scores(category, judge="big").values()
        assert [row.status for row in rows] == ["scored", "scored"]
    (pids,) = begun(diary)
    assert all_end(pids)
    run = {"name": run_lock.RUN, "value": run_lock.this_run(project.root / "results")}
    # Two edit jobs, and one of all four score jobs; the others are the head's.
    for _, container in map(pod_of, found := manifests(cluster)):
        assert container["workingDir"] == str(project.root)
        assert run in container["env"]
        assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert len(found) == 3
