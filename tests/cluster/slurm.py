"""A SLURM cluster on the loopback interface: two CPU nodes and one with two GPUs that are null devices.

Root only. Outside its folder it makes one link, /etc/slurm/slurm.conf: Snakemake's job step drops SLURM_CONF from
the environment, so that a job finds its cluster in no other way.
"""

import os
import shutil
import signal
import socket
import stat
import subprocess
import time
from pathlib import Path

LINK = Path("/etc/slurm/slurm.conf")
NEEDED = ("slurmctld", "slurmd", "munged", "sbatch", "munge", "squeue", "scontrol")
_SYSTEM = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])

# Memory limits are watched by slurmd, once a second, since containers often have no writable control groups.
_CONFIG = """\
ClusterName=loopback
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CommunicationParameters=NoAddrCache,NoCtldInAddrAny,NoInAddrAny
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
SlurmdParameters=config_overrides
SlurmdTimeout=20
ReturnToService=2
MailProg=/bin/true
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerParameters=bf_interval=2,sched_interval=2,batch_sched_delay=0
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
MinJobAge=300
KillWait=3
GresTypes=gpu
"""
_NODES = ("node1", "node2", "gpu1")


def lacking():
    """Why the cluster cannot be started here; empty if it can."""
    missing = [name for name in NEEDED if shutil.which(name, path=_SYSTEM) is None]
    if missing:
        return f"needs a SLURM: {', '.join(missing)} not found (`make test-cluster` installs it)"
    if os.geteuid() != 0:
        return "starting SLURM's daemons needs root"
    if LINK.exists() or LINK.is_symlink():
        return f"{LINK} is there: this machine belongs to another cluster"
    return ""


class Slurm:
    """The cluster's daemons."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "slurm.conf"
        self.environment = os.environ | {"PATH": _SYSTEM, "SLURM_CONF": str(self.config)}

    def start(self):
        """Writes the configuration and starts all daemons."""
        # munged refuses a socket in a folder that others may not enter.
        self.folder.chmod(0o755)
        (self.folder / "state").mkdir()
        host, port = socket.gethostname().partition(".")[0], 17817
        lines = [_CONFIG.format(folder=self.folder, port=port)]
        for number, name in enumerate(_NODES, 1):
            gpus = " Gres=gpu:fake:2" if name == "gpu1" else ""
            address = f"NodeHostname={host} NodeAddr=127.0.0.1 Port={port + number}"
            lines.append(f"NodeName={name} {address} CPUs=4 RealMemory=16000{gpus}")
        lines += [
            "PartitionName=cpu Nodes=node1,node2 Default=YES MaxTime=1-0 State=UP",
            "PartitionName=gpu Nodes=gpu1 MaxTime=1-0 State=UP\n",
        ]
        self.config.write_text("\n".join(lines))
        for number in (0, 1):
            os.mknod(self.folder / f"gpu{number}", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        (self.folder / "gres.conf").write_text(f"NodeName=gpu1 Name=gpu Type=fake File={self.folder}/gpu[0-1]\n")
        LINK.parent.mkdir(exist_ok=True)
        LINK.symlink_to(self.config)
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        self.call(
            "munged", f"--key-file={key}", f"--seed-file={self.folder}/munge.seed",
            f"--socket={self.folder}/munge.socket", f"--pid-file={self.folder}/munged.pid",
            f"--log-file={self.folder}/munged.log",
        )  # fmt: skip
        self.start_controller()
        for name in _NODES:
            self.start_node(name)

    def stop(self):
        """Ends jobs and daemons, and removes the link."""
        if self.alive("slurmctld"):
            subprocess.run(["scancel", "--user=root", "--full"], env=self.environment, check=False, timeout=30)
            self.until(lambda: not self.ask("squeue", "--noheader"), 30, must=False)
        for name in [*(f"slurmd.{node}" for node in _NODES), "slurmctld", "munged"]:
            self.end(name, signal.SIGTERM)
        if LINK.is_symlink() and LINK.readlink() == self.config:
            LINK.unlink()

    def start_controller(self):
        """Starts slurmctld and waits until it answers."""
        self.call("slurmctld", "-f", str(self.config))
        self.until(
            lambda: subprocess.run(["scontrol", "ping"], env=self.environment, capture_output=True).returncode == 0
        )

    def start_node(self, name):
        """Starts a node's slurmd and waits until the controller trusts it."""
        (self.folder / f"spool.{name}").mkdir(exist_ok=True)
        self.call("slurmd", "-N", name, "-f", str(self.config))
        self.until(
            lambda: self.ask("sinfo", "-h", "-n", name, "-o", "%t").split()[:1] in (["idle"], ["mix"], ["alloc"])
        )

    def end(self, name, number):
        """Sends a daemon a signal and waits until it is gone."""
        pid = self.alive(name)
        if pid:
            os.kill(pid, number)
            self.until(lambda: not self.alive(name), 30)

    def alive(self, name):
        """A daemon's process id, 0 if it does not run."""
        file = self.folder / f"{name}.pid"
        try:
            pid = int(file.read_text())
            state = Path(f"/proc/{pid}/stat").read_text()
        except (OSError, ValueError):
            return 0
        # A daemon that has ended may stay a zombie for a while.
        program, _, rest = state.partition("(")[2].partition(")")
        return pid if program == name.partition(".")[0] and rest.split()[0] not in "ZX" else 0

    def call(self, *command):
        """Runs a command of SLURM; returns what it prints."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout

    def ask(self, *command):
        """The same, for what may fail for a while: nothing then."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False, timeout=60)
        return done.stdout if done.returncode == 0 else ""

    def jobs(self, *options):
        """Number and comment (the rule) of each job that has not ended."""
        rows = self.ask("squeue", "--noheader", "--format=%i|%T|%k", *options).splitlines()
        return [tuple(row.split("|")) for row in rows]

    def until(self, condition, seconds=60, must=True):
        """Waits for a condition."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                assert not must, f"not in {seconds} s; logs in {self.folder}"
                return
            time.sleep(0.3)
