#!/usr/bin/python3
"""A fleet of emulated phones that boots from one node on this machine.

    RINGFENCE=build/src/cmd/ringfence tests/bench/run_fleet.py [PHONES [CONCURRENCY]]

10,000 phones behind one address, half of them TFTP first and half HTTP first. They boot new, boot again, and boot after
CallManager was regenerated in a cluster whose lists it signs, when each has to ask TVS. No phone may fail. Reported are
time, memory of the fleet (peak RSS of its one process) and of the node (PSS of all its processes, the highest seen).
"""
import json
import os
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'e2e'))
import harness  # noqa: E402
from rates import pss  # noqa: E402

CONFIG = ('<?xml version="1.0" encoding="UTF-8"?>\n<device><fullConfig>true</fullConfig><TVS><members><member priority="0">'
          '<port>%d</port><address>127.0.0.1</address></member></members></TVS>%s</device>\n')
PADDING = '<!-- ' + 5900 * '.' + ' -->'   # configurations of phones are about 6 KB


class Watch:
    """The most memory that a node had at any time in this block."""

    def __init__(self, node):
        self.pids = [node.process.pid, *harness.children(node.process.pid)]
        self.most, self.over = pss(self.pids), threading.Event()
        self.thread = threading.Thread(target=self.look)

    def look(self):
        while not self.over.wait(0.2):
            self.most = max(self.most, pss(self.pids))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *exc):
        self.over.set()
        self.thread.join()


def boot(node, what, phones, concurrency, state):
    command = [harness.RINGFENCE, 'phone', 'fleet', '--count', phones, '--concurrency', concurrency, '--json', '--state',
               state, '--model', 'BENCH1,BENCH2', '--models', os.path.join(node.folder, 'models.conf'), '--tftp',
               f'127.0.0.1:{node.port["tftp"]}', '--http-port', node.port['http'], '--https-port', node.port['https']]
    with Watch(node) as watch:
        done = subprocess.run([str(w) for w in command], capture_output=True, text=True, check=False)
    try:
        got = json.loads(done.stdout)
    except ValueError:
        sys.exit(done.stdout + done.stderr)
    outcomes = ', '.join(f'{k} {got[k]}' for k in ('took', 'kept', 'refused', 'stranded', 'failed') if got[k])
    print(f'{what:<28}{got["seconds"]:>8.2f} s{got["phones"] / got["seconds"]:>8.0f} a second  {outcomes}, asked TVS '
          f'{got["asked_tvs"]}; fleet {got["peak_kib"] / 1024:.0f} MiB, node {watch.most:.0f} MiB'
          + (f'; refused {got["reasons"]}' if got['reasons'] else ''), flush=True)
    return got['took'] + got['kept'] == phones


def models(node):
    """Two models like the 7975 and the 8861, but the first knows TLS 1.2: the node has no listener for TLS 1.0 here."""
    path = os.path.join(harness.ROOT, 'dist', 'models.conf')
    with open(path) as f:
        lines = f.read().splitlines()
    out = [line for line in lines if line.startswith('#') or line.split('|')[0].strip() in ('family', 'default')]
    head = [n.strip() for n in next(line for line in lines if line.startswith('family')).split('|')]
    for i, (name, model) in enumerate((('7900-colour', 'BENCH1'), ('8800', 'BENCH2'))):
        cells = next(line for line in lines if line.startswith(name)).split('|')
        cells[0], cells[1], cells[head.index('tls10-only')] = f'bench{i}', model, 'no usecm'
        out.insert(-1, '|'.join(cells))
    with open(os.path.join(node.folder, 'models.conf'), 'w') as f:
        f.write('\n'.join(out) + '\n')


def main():
    phones = int(sys.argv[1]) if len(sys.argv) > 1 else 10000
    concurrency = int(sys.argv[2]) if len(sys.argv) > 2 else 256
    with open('/proc/cpuinfo') as f:
        cpu = next((line.split(':')[1].strip() for line in f if line.startswith('model name')), 'unknown')
    print(f'machine: {os.cpu_count()} x {cpu}; {phones} phones, {concurrency} at a time from one address, configurations of '
          '6 KB, RSA-2048; the fleet runs on the same cores')
    with harness.Node(init=('--generation', '10.0')) as node, tempfile.TemporaryDirectory() as state:
        models(node)
        for n in range(1, phones + 1):
            node.provision(f'SEP{n:012X}.cnf.xml', CONFIG % (node.port['tvs'], PADDING))
        node.start()
        good = boot(node, 'new phones', phones, concurrency, state)
        good &= boot(node, 'the same once more', phones, concurrency, state)
        node.admin('set cert regen CallManager', '--yes')
        good &= boot(node, 'after CallManager, by TVS', phones, concurrency, state)
    print('no phone failed' if good else 'PHONES FAILED')
    return 0 if good else 1


if __name__ == '__main__':
    sys.exit(main())
