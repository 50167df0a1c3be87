#!/usr/bin/python3
"""Our TFTP server beside those of Debian: transfers a second, and processor time for each.

usage: run_tftp.py RINGFENCE BENCH [--harness TFTP_HARNESS] [--rounds N] [--seconds S] [--clients N] [--load PROCESSES] [--files N] [--reuse]
                   [--only NAME[,NAME]] [--octets N] [--crowd N]

Ours is a whole node (`ringfence serve`), all of whose processes count; with --harness it is the TFTP server alone.
256 clients at once fetch files of 6 KB in blocks of 512 octets. The servers take turns, round by round, so that a
machine whose speed drifts treats them alike. tftpd-hpa and atftpd conflict as packages: they are downloaded and
unpacked, not installed. Everything runs in a network namespace of its own, since dnsmasq serves TFTP on port 69 only.
Needs root. Servers that cannot be had are left out, aloud.

Then 10,000 transfers of as many files are begun and held open at our server, its memory is looked at, and all of them
are brought to their end.
"""
import argparse
import contextlib
import importlib
import os
import resource
import select
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'e2e'))

TICK = os.sysconf('SC_CLK_TCK')


def enter_namespace():
    """Run again inside a network namespace with nothing but the loopback interface."""
    if os.environ.get('RINGFENCE_BENCH_NS') == '1':
        subprocess.run(['ip', 'link', 'set', 'lo', 'up'], check=True)
        return
    os.environ['RINGFENCE_BENCH_NS'] = '1'
    os.execvp('unshare', ['unshare', '-n', sys.executable, *sys.argv])


def unpack(package, folder):
    """The files of a Debian package under folder, or None."""
    os.makedirs(folder, exist_ok=True)
    debs = [f for f in os.listdir(folder) if f.startswith(package + '_')]
    if not debs:
        subprocess.run(['apt-get', 'download', '-qq', package], cwd=folder, stderr=subprocess.DEVNULL, check=False)
        debs = [f for f in os.listdir(folder) if f.startswith(package + '_')]
    if not debs:
        return None
    root = os.path.join(folder, package)
    subprocess.run(['dpkg', '-x', os.path.join(folder, debs[0]), root], check=True)
    return root


class Server:
    """One daemon: started, measured and stopped by process id."""

    def __init__(self, name, command, port, ready_line=False, libraries=None):
        self.name, self.command, self.port, self.ready_line = name, command, port, ready_line
        self.env = dict(os.environ, LD_LIBRARY_PATH=libraries) if libraries else None
        self.process = None
        self.pids = []

    def start(self, log):
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE if self.ready_line else log, stderr=log,
                                        env=self.env)
        self.pids = [self.process.pid]
        if self.ready_line:
            words = self.process.stdout.readline().split()
            self.port = int(words[1])
            self.pids += [int(w) for w in words[2:]]
        else:
            time.sleep(0.5)
        if self.process.poll() is not None:
            raise RuntimeError(f'{self.name} ended with {self.process.returncode}')

    def cpu(self):
        """Seconds of processor time of the server and of children it has waited for."""
        ticks = 0
        for pid in self.pids:
            with open(f'/proc/{pid}/stat') as f:
                fields = f.read().rsplit(')', 1)[1].split()
            ticks += sum(int(w) for w in fields[11:15])
        return ticks / TICK

    def memory(self):
        """PSS of all its processes, MiB."""
        kib = 0
        for pid in self.pids:
            with open(f'/proc/{pid}/smaps_rollup') as f:
                kib += sum(int(line.split()[1]) for line in f if line.startswith('Pss:'))
        return kib / 1024

    def stop(self):
        if not self.process:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()
        self.process = None


class OurNode(Server):
    """`ringfence serve`, with all its processes."""

    def __init__(self, node):
        super().__init__('ringfence', [], node.port['tftp'])
        self.node = node

    def start(self, log):
        self.node.start()
        self.pids = [self.node.process.pid, *harness_module().children(self.node.process.pid)]

    def stop(self):
        self.node.stop()


def harness_module():
    """tests/e2e/harness.py, which looks for the program when it is imported."""
    return importlib.import_module('harness')


def our_server(args, folder, node):
    return OurNode(node) if node else Server('ringfence', [args.harness, '127.0.0.1', '0', str(args.workers), folder], 0, True)


def servers(args, folder, work, node):
    found = [our_server(args, folder, node)]
    dnsmasq = shutil.which('dnsmasq', path='/usr/sbin:/usr/bin')
    if dnsmasq:
        found.append(Server('dnsmasq', [dnsmasq, '-k', '--conf-file=/dev/null', '--port=0', '--enable-tftp', '--user=root',
                                        f'--tftp-root={folder}', '--tftp-max=4096', '--listen-address=127.0.0.1',
                                        '--bind-interfaces', '--quiet-tftp', '--pid-file='], 69))
    wrap = unpack('libwrap0', work)   # both daemons need it
    libraries = ':'.join(sorted({os.path.dirname(os.path.join(base, f)) for base, _, names in os.walk(wrap or work)
                                 for f in names if f.startswith('libwrap.so')}))
    hpa = unpack('tftpd-hpa', work)
    if hpa:
        # An address with a port and no host, since it looks hosts up with AI_ADDRCONFIG (pitfalls V-1).
        found.append(Server('tftpd-hpa', [f'{hpa}/usr/sbin/in.tftpd', '--listen', '--foreground', '--address', ':7069',
                                          '--user', 'root', '--secure', folder], 7069, libraries=libraries))
    atftpd = unpack('atftpd', work)
    if atftpd:
        found.append(Server('atftpd', [f'{atftpd}/usr/sbin/atftpd', '--daemon', '--no-fork', '--port', '7070',
                                       '--bind-address', '127.0.0.1', '--maxthread', '4096', '--no-multicast',
                                       '--user', 'root.root', '--verbose=0', '--logfile', '/dev/null', folder], 7070,
                            libraries=libraries))
    missing = {'dnsmasq', 'tftpd-hpa', 'atftpd'} - {s.name for s in found}
    for name in sorted(missing):
        print(f'left out: {name} (not installed and cannot be downloaded)')
    if args.only:
        found = [s for s in found if s.name in args.only.split(',')]
    return found


def measure(server, args, folder, names, log):
    server.start(log)
    try:
        before = server.cpu()
        command = [args.bench, '-c', str(args.clients), '-p', str(args.load), '-s', str(args.seconds)]
        if args.reuse:
            command.append('-r')
        done = subprocess.run([*command, '127.0.0.1', str(server.port), *names], cwd=folder, capture_output=True,
                              text=True, check=False, timeout=args.seconds + 60)
        cpu = server.cpu() - before
        words = done.stdout.split()
        got = {words[i]: float(words[i + 1]) for i in range(0, len(words), 2)}
        got['cpu'] = cpu
        got['memory'] = server.memory()
        return got
    finally:
        server.stop()


def report(results):
    print(f'{"server":<12}{"transfers/s":>12}{"cpu us each":>13}{"failed":>8}{"stalls":>8}{"PSS MiB":>9}')
    table = {}
    for name, rounds in results.items():
        rate = statistics.median(r['per-second'] for r in rounds)
        # The median, like the rate: one disturbed round decides nothing.
        cost = statistics.median(r['cpu'] / max(r['completed'], 1) * 1e6 for r in rounds)
        table[name] = (rate, cost)
        print(f'{name:<12}{rate:>12.0f}{cost:>13.1f}{sum(r["failed"] for r in rounds):>8.0f}'
              f'{sum(r["stalls"] for r in rounds):>8.0f}{max(r["memory"] for r in rounds):>9.1f}')
    ours = table.pop('ringfence', None)
    if not ours:
        return
    for name, (rate, cost) in sorted(table.items(), key=lambda i: -i[1][0]):
        print(f'ringfence / {name}: {ours[0] / rate:.2f} of its transfers per second (goal 1.40 of the best), '
              f'{ours[1] / cost:.2f} of its processor time per transfer (goal 0.60)')


def crowd(args, folder, log, node):
    """So many transfers at the same time, each of another file: the memory that they take, and whether all are served."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (args.crowd + 1000,) * 2)
    names = [f'SEP1122334{i:05X}.cnf.xml' for i in range(args.crowd)]
    for name in names:
        with open(os.path.join(folder, name), 'wb') as f:
            f.write(os.urandom(args.octets))
    server = our_server(args, folder, node)
    server.start(log)
    clients, received = {}, {}
    try:
        idle = server.memory()
        watch = select.epoll()
        for name in names:
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            clients[s.fileno()] = s
            received[s.fileno()] = 0
            watch.register(s, select.EPOLLIN)
            s.sendto(b'\0\1' + name.encode() + b'\0octet\0', ('127.0.0.1', server.port))
            if len(clients) % 100 == 0:
                time.sleep(0.005)
        deadline = time.monotonic() + 60
        seen = set()
        while len(seen) < args.crowd and time.monotonic() < deadline:
            seen.update(fd for fd, _ in watch.poll(0.1, args.crowd))
        peak = server.memory()
        done = 0
        while done < args.crowd and time.monotonic() < deadline:
            for fd, _ in watch.poll(0.1, 1000):
                data, tid = clients[fd].recvfrom(2048)
                block = int.from_bytes(data[2:4], 'big')
                if data[1] != 3 or block != received[fd] + 1:
                    continue
                received[fd] = block
                clients[fd].sendto(b'\0\4' + data[2:4], tid)
                done += len(data) < 516
        print(f'{args.crowd} transfers at once: {len(seen)} begun, {done} completed; PSS of all processes {peak:.1f} MiB '
              f'(idle {idle:.1f}; goal 256)')
    finally:
        server.stop()
        for s in clients.values():
            s.close()


def main():
    p = argparse.ArgumentParser()
    p.add_argument('ringfence')
    p.add_argument('bench')
    p.add_argument('--harness')
    p.add_argument('--rounds', type=int, default=5)
    p.add_argument('--seconds', type=float, default=2)
    p.add_argument('--clients', type=int, default=256)
    p.add_argument('--load', type=int, default=1)
    p.add_argument('--workers', type=int, default=os.cpu_count())
    p.add_argument('--files', type=int, default=256)
    p.add_argument('--octets', type=int, default=6144)
    p.add_argument('--reuse', action='store_true')
    p.add_argument('--crowd', type=int, default=10000)
    p.add_argument('--only')
    args = p.parse_args()
    args.bench = os.path.abspath(args.bench)
    os.environ['RINGFENCE'] = os.path.abspath(args.ringfence)
    if os.geteuid() != 0:
        print('left out: needs root for a network namespace and port 69')
        return 0
    work = os.path.join(tempfile.gettempdir(), 'ringfence-bench-daemons')
    for package in ('libwrap0', 'tftpd-hpa', 'atftpd'):
        unpack(package, work)   # while there is a network
    enter_namespace()
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix='ringfence-bench-'))
        os.chmod(folder, 0o755)
        log = stack.enter_context(open(os.path.join(folder, '.log'), 'wb'))
        node = None
        if not args.harness:
            node = stack.enter_context(harness_module().Node())
            folder = node.path('provisioning')   # the others serve the same files
            for up in (node.data, folder):
                os.chmod(up, 0o755)
        names = [f'SEP0011223{i:05X}.cnf.xml' for i in range(args.files)]
        for name in names:
            with open(os.path.join(folder, name), 'wb') as f:
                f.write(os.urandom(args.octets))
        with open('/proc/cpuinfo', encoding='ascii') as f:
            model = next((line.split(':')[1].strip() for line in f if line.startswith('model name')), 'unknown')
        print(f'machine: {os.cpu_count()} x {model}; {args.clients} clients, {args.files} files of {args.octets} octets, '
              f'{args.rounds} rounds of {args.seconds:g} s', flush=True)
        results = {}
        every = servers(args, folder, work, node)
        for _ in range(args.rounds):
            for server in every:
                results.setdefault(server.name, []).append(measure(server, args, folder, names, log))
        report(results)
        if args.crowd:
            crowd(args, folder, log, node)
    return 0


if __name__ == '__main__':
    sys.exit(main())
