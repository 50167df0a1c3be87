#!/usr/bin/python3
"""TVS of a real node: new TLS connection and verification, against bare TLS handshakes.

    RINGFENCE=build/src/cmd/ringfence TVS_LOAD=build/tests/bench/tvs_load tests/bench/run_tvs.py [SECONDS]

Both servers have the node's own TVS key (RSA-2048), the same number of processes that accept, the same cores and the
same clients; they take turns of a second. Reported are the rates and what a connection costs in CPU time of the server, the
keeper included, and of both ends: that is what decides the rate where cores are all there is, and other programs of a
busy machine do not change it much. Then 5,000 idle connections, in MiB (proportional
set size) over all processes of the node.
"""
import glob
import os
import select
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'e2e'))
import harness  # noqa: E402
from rates import Side, pss  # noqa: E402

LOAD = os.environ.get('TVS_LOAD', os.path.join(harness.ROOT, 'build', 'tests', 'bench', 'tvs_load'))
CLIENTS = 8
GOAL = 0.90
IDLE = 5000


def start_bare(node, processes):
    port = harness.free_port()
    key = glob.glob(node.path('keys', 'TVS.*.key'))[0]
    bare = subprocess.Popen([LOAD, 'bare', str(port), node.path('certs', 'TVS', 'TVS.pem'), key, str(processes)])
    harness.until('the bare server listens', lambda: len(harness.children(bare.pid)) == processes)
    return bare, port


def compare(node, pids, seconds):
    workers = sum(1 for pid in pids if open(f'/proc/{pid}/comm').read().startswith('rf-worker'))
    bare, port = start_bare(node, workers)
    cert = node.path('certs', 'tomcat', 'tomcat.pem')
    sides = [Side(LOAD, 'bare TLS handshakes', harness.children(bare.pid), ['handshake', port, CLIENTS, 1]),
             Side(LOAD, 'TVS, new connection and verify', pids, ['verify', node.port['tvs'], CLIENTS, 1, cert]),
             Side(LOAD, 'TVS, handshake only', pids, ['handshake', node.port['tvs'], CLIENTS, 1])]
    try:
        for i in range(seconds * 3):
            sides[i % 3].turn()
    finally:
        bare.kill()
        bare.wait()
    print(f'{os.cpu_count()} cores, {workers} accepting processes on each side, {CLIENTS} clients, RSA-2048, TLS 1.3, '
          f'turns of 1 s')
    for s in sides:
        print(f'  {s.name:32} {s.rate():7.0f} a second (of bare {s.rate() / sides[0].rate():.2f}), '
              f'{s.each():5.0f} us of server CPU each, {s.both():5.0f} with the client '
              f'(bare is {sides[0].both() / s.both():.2f})')
    return sides[0].both() / sides[1].both()


def idle(node, pids):
    before = pss(pids)
    holder = subprocess.Popen([LOAD, 'idle', str(node.port['tvs']), str(IDLE)], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE)
    most = memory = after = 0
    while after < 3:   # counters are a second old
        after += bool(select.select([holder.stdout], [], [], 0.5)[0])
        time.sleep(0.5 if after else 0)
        memory = max(memory, pss(pids))
        most = max(most, int(next(line.split()[-1] for line in node.admin('show status').stdout.splitlines()
                                  if 'tvs connections now' in line)))
    opened = holder.communicate()[0]
    assert int(opened) == IDLE, 'a connection was refused'
    print(f'  {most} idle connections at once: {memory:.0f} MiB over all processes of the node ({before:.0f} before), '
          f'{(memory - before) * 1024 / most:.1f} KiB each')


def main():
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 6
    with harness.Node().start() as node:
        pids = [node.process.pid, *harness.children(node.process.pid)]
        ratio = compare(node, pids, seconds)
        idle(node, pids)
    print(f'ratio by CPU time of both ends {ratio:.2f}, goal {GOAL:.2f}')


if __name__ == '__main__':
    main()
