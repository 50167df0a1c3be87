"""Rates and processor time of a server and of the clients that load it."""
import os
import resource
import statistics
import subprocess

TICK = os.sysconf('SC_CLK_TCK')


def cpu(pids):
    total = 0
    for pid in pids:
        with open(f'/proc/{pid}/stat') as f:
            fields = f.read().rsplit(')', 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICK


def client_cpu():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def pss(pids):
    kib = 0
    for pid in pids:
        with open(f'/proc/{pid}/smaps_rollup') as f:
            kib += sum(int(line.split()[1]) for line in f if line.startswith('Pss:'))
    return kib / 1024


class Side:
    """A server by its processes, and the program that loads it for a turn: that prints how many, and in how many seconds."""

    def __init__(self, load, name, pids, args):
        self.load, self.name, self.pids, self.args = load, name, pids, args
        self.rates, self.cpu, self.client_cpu, self.n = [], 0.0, 0.0, 0

    def turn(self):
        before, own = cpu(self.pids), client_cpu()
        out = subprocess.run([self.load, *map(str, self.args)], capture_output=True, text=True, check=True).stdout.split()
        self.cpu += cpu(self.pids) - before
        self.client_cpu += client_cpu() - own
        self.n += int(out[0])
        self.rates.append(int(out[0]) / float(out[1]))

    def rate(self):
        return statistics.median(self.rates)

    def each(self):
        return self.cpu / self.n * 1e6

    def both(self):
        return (self.cpu + self.client_cpu) / self.n * 1e6
