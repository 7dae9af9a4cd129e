"""A real Slurm of two nodes on this machine, under a folder of its own.

The nodes' six GPUs are plain files, their cores and memory are made up: Slurm hands them out and
holds jobs to them as it does with real ones. All that runs ends with the program that began it.
"""

from __future__ import annotations

import getpass
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

NODES = ("node1", "node2")
GPUS_PER_NODE = 3
# Of Debian and what derives from it.
_PACKAGES = ("slurm-wlm", "munge")
_PROGRAMS = ("slurmctld", "slurmd", "sbatch", "squeue", "srun", "scontrol", "munged")
# Debian keeps daemons where only root's path leads.
_PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"
_START_SECONDS = 60.0
_END_SECONDS = 15.0
_CONF = """\
ClusterName=test
SlurmctldHost=localhost
SlurmctldPort={ctld_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmctldPidFile={folder}/slurmctld.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdSpoolDir={folder}/spool.%n
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmdLogFile={folder}/slurmd.%n.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerParameters=sched_interval=2,sched_min_interval=0
GresTypes=gpu
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
# A node that does not answer is given up after so many seconds.
SlurmdTimeout=10
KillWait=5
MinJobAge=300
ReturnToService=2
{nodes}
PartitionName=gpu Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def install() -> None:
    """Install Slurm and munge where they are missing; ends the program if that cannot be done."""
    if all(shutil.which(name, path=_PATH) for name in _PROGRAMS):
        return
    packages = " ".join(_PACKAGES)
    if os.geteuid() or not shutil.which("apt-get"):
        raise SystemExit(f"Slurm is not installed: apt-get install {packages} as root, then again.")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "-y", "--no-install-recommends", *_PACKAGES]):
        done = subprocess.run(
            ["apt-get", "-qq", *command], env=environment, stdout=subprocess.DEVNULL, check=False
        )
        if done.returncode:
            raise SystemExit(f"apt-get {command[0]} failed: install {packages} by hand.")


@contextmanager
def own_folder() -> Iterator[Path]:
    """A folder that is removed at the end, once every process that knows of it was killed.

    A process of its own does so, however this one ends.
    """
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    guard = subprocess.Popen(
        [sys.executable, __file__, folder], stdin=subprocess.PIPE, start_new_session=True
    )
    try:
        yield folder
    finally:
        guard.communicate()


def _guard(folder: Path) -> None:
    sys.stdin.read()  # until the other end is closed, or its process ended
    deadline = time.monotonic() + _END_SECONDS
    while (found := _that_know_of(folder)) and time.monotonic() < deadline:
        for process in found:
            with suppress(psutil.Error):
                process.kill()
        time.sleep(0.2)
    shutil.rmtree(folder, ignore_errors=True)


def _that_know_of(folder: Path) -> list[psutil.Process]:
    """Processes with the folder in their environment, command or files: daemons, heads, jobs."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            known = [*process.cmdline(), *process.environ().values()]
            # slurmstepd writes its title over both.
            known += [file.path for file in process.open_files()]
            if process.pid != os.getpid() and any(f"{folder}/" in text for text in known):
                found.append(process)
    return found


class Slurm:
    """Runs from entering a ``with`` block to its end.

    Parameters
    ----------
    folder
        Where all of its files are; its name has to be short enough for a socket.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}
        #: For the programs that talk to this Slurm.
        self.environment = {
            "SLURM_CONF": str(folder / "slurm.conf"),
            "PATH": f"{folder / 'bin'}:{_PATH}",
        }

    def __enter__(self) -> Slurm:
        try:
            self._configure()
            self._start_munge()
            self._start("slurmctld", "-D")
            for node in NODES:
                self.start_node(node)
            self._wait_until_up()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(subprocess.CalledProcessError):  # it may not have come up
            for job in self.jobs():
                self.run("scancel", "--signal=KILL", "--full", job)
        for daemon in reversed(self._daemons.values()):
            daemon.terminate()
        for daemon in self._daemons.values():
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()

    def run(self, *command: str) -> str:
        """Output of one of Slurm's programs."""
        return subprocess.run(
            command, env=self._env(), check=True, capture_output=True, text=True
        ).stdout

    def jobs(self) -> list[str]:
        """Ids of jobs that wait or run."""
        return self.run("squeue", "--noheader", "--format=%A").split()

    def running(self, folder: Path) -> list[str]:
        """Ids of jobs that run and were submitted in ``folder``."""
        rows = self.run("squeue", "--noheader", "--states=R", "--format=%A %Z").splitlines()
        return [row.split()[0] for row in rows if row.endswith(f" {folder}")]

    def jobs_with_gpus(self) -> list[str]:
        """Ids of jobs that run and were given GPUs."""
        rows = self.run("squeue", "--noheader", "--states=R", "--Format=JobID,tres-per-job")
        return [row.split()[0] for row in rows.splitlines() if "gpu" in row]

    def start_node(self, node: str) -> None:
        """Start a node's slurmd."""
        self._start("slurmd", "-D", "-N", node, name=node)

    def kill_node(self, node: str) -> None:
        """SIGKILL to a node's slurmd; its jobs' processes go on."""
        daemon = self._daemons.pop(node)
        daemon.kill()
        daemon.wait()

    def drain(self, node: str) -> None:
        """Let a node's jobs end and give it no further ones."""
        self.run("scontrol", "update", f"nodename={node}", "state=drain", "reason=test")

    def resume(self, node: str) -> None:
        """Let a drained node have jobs again."""
        self.run("scontrol", "update", f"nodename={node}", "state=resume")

    def log(self, name: str) -> str:
        """The end of a daemon's log."""
        path = self._folder / name
        return path.read_text(errors="replace")[-3000:] if path.exists() else ""

    def _env(self) -> dict[str, str]:
        return os.environ | self.environment

    def _configure(self) -> None:
        ports = _free_ports(1 + len(NODES))
        (self._folder / "state").mkdir(parents=True)
        # The executor plugin starts srun without the variables of Slurm's programs.
        srun = self._folder / "bin" / "srun"
        srun.parent.mkdir()
        srun.write_text(
            f'#!/bin/sh\nSLURM_CONF={self._folder}/slurm.conf exec {shutil.which("srun")} "$@"\n'
        )
        srun.chmod(0o755)
        lines, gres = [], []
        for number, node in enumerate(NODES):
            (self._folder / f"spool.{node}").mkdir()
            # A device's number is the one that its file's name ends with.
            files = [self._folder / f"{node}.nvidia{gpu}" for gpu in range(GPUS_PER_NODE)]
            for path in files:
                path.symlink_to("/dev/null")
            lines.append(
                f"NodeName={node} NodeHostname=localhost Port={ports[1 + number]} CPUs=64 "
                f"RealMemory=1000000 Gres=gpu:{GPUS_PER_NODE} State=UNKNOWN"
            )
            gres += [f"NodeName={node} Name=gpu File={path}" for path in files]
        conf = _CONF.format(
            folder=self._folder, user=getpass.getuser(), ctld_port=ports[0], nodes="\n".join(lines)
        )
        (self._folder / "slurm.conf").write_text(conf)
        (self._folder / "gres.conf").write_text("".join(line + "\n" for line in gres))

    def _start_munge(self) -> None:
        key = self._folder / "munge.key"
        key.write_bytes(secrets.token_bytes(1024))
        key.chmod(0o600)
        # Jobs of other users, if there were any, reach the socket through it.
        self._folder.chmod(0o755)
        path = {option: f"--{option}={self._folder}/munge.{ending}" for option, ending in [
            ("key-file", "key"), ("socket", "socket"), ("log-file", "log"),
            ("pid-file", "pid"), ("seed-file", "seed"),
        ]}  # fmt: skip
        # --force: a folder below /tmp is not one that munge trusts.
        self._start("munged", "--foreground", "--force", *path.values())

    def _start(self, program: str, *options: str, name: str = "") -> None:
        with (self._folder / f"{name or program}.out").open("ab") as output:
            self._daemons[name or program] = subprocess.Popen(
                [shutil.which(program, path=_PATH) or program, *options],
                env=self._env(), stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            )  # fmt: skip

    def _wait_until_up(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        states: Sequence[str] = ()
        while time.monotonic() < deadline:
            result = subprocess.run(
                ["sinfo", "--noheader", "--Node", "--format=%T"],
                env=self._env(), capture_output=True, text=True, check=False,
            )  # fmt: skip
            states = result.stdout.split()
            if states == ["idle"] * len(NODES):
                return
            time.sleep(0.2)
        logs = [f"{path.name}:\n{self.log(path.name)}" for path in self._folder.glob("*.log")]
        raise SystemExit("Slurm did not come up: " + "\n".join([*states, *logs]))


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


if __name__ == "__main__":
    _guard(Path(sys.argv[1]))
