"""What the kernel knows of a process and of the disk; no tool is attached to what is measured."""

import os
import statistics
import time

TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid):
    """User and system time of a process, all threads."""
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory(pid):
    """Resident bytes now and at most."""
    told = {}
    with open(f"/proc/{pid}/status") as f:
        for line in f:
            name, _, value = line.partition(":")
            if name in ("VmRSS", "VmHWM"):
                told[name] = int(value.split()[0]) * 1024
    return told.get("VmRSS", 0), told.get("VmHWM", 0)


def disk(path):
    """Bytes read, writes, bytes written and flushes that the disk below `path` has completed."""
    device = os.stat(path).st_dev
    wanted = f"{os.major(device)} {os.minor(device)} "
    with open("/proc/diskstats") as f:
        for line in f:
            if " ".join(line.split()).startswith(wanted):
                fields = line.split()
                return {"bytes_read": int(fields[5]) * 512, "writes": int(fields[7]), "bytes_written": int(fields[9]) * 512, "flushes": int(fields[18]) if len(fields) > 18 else None}
    return {}


class Watch:
    """CPU and memory of some processes, and the disk, between start and stop."""

    def __init__(self, pids, path):
        self.pids, self.path = pids, path

    def __enter__(self):
        self.began, self.cpu, self.disk = time.time(), {n: cpu_seconds(p) for n, p in self.pids.items()}, disk(self.path)
        return self

    def __exit__(self, *_):
        after = disk(self.path)
        self.told = {"seconds": round(time.time() - self.began, 3), "disk": {k: after[k] - v for k, v in self.disk.items() if v is not None}}
        for name, pid in self.pids.items():
            rss, peak = memory(pid)
            self.told[name] = {"cpu_seconds": round(cpu_seconds(pid) - self.cpu[name], 3), "rss": rss, "rss_peak": peak}


def spread(values):
    """Median, least and greatest."""
    values = [v for v in values if v is not None]
    if not values:
        return None
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


CONGESTION = "/proc/sys/net/ipv4/tcp_congestion_control"


def congestion_control():
    with open(CONGESTION) as f:
        return f.read().strip()


class PlainLoopback:
    """BBR paces by what it measured; on loopback one dropped burst can leave a connection at a hundredth of its rate for seconds, whoever
    the broker is. For the runs it is cubic or reno, where we may say so; the raw result has what it was."""

    def __enter__(self):
        self.before = congestion_control()
        for name in ("cubic", "reno") if self.before == "bbr" else ():
            if self.change(name):
                break
        return self

    def __exit__(self, *_):
        if congestion_control() != self.before:
            self.change(self.before)

    @staticmethod
    def change(name):
        try:
            with open(CONGESTION, "w") as f:
                f.write(name)
            return True
        except OSError:
            return False


def machine():
    model, cores = "", os.cpu_count()
    with open("/proc/cpuinfo") as f:
        for line in f:
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    with open("/proc/meminfo") as f:
        memory_bytes = int(f.readline().split()[1]) * 1024
    return {"cpu": model, "cores": cores, "memory": memory_bytes, "kernel": os.uname().release, "tcp_congestion_control": congestion_control()}
