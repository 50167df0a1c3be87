#!/usr/bin/python3
"""CAPF of a real node: whole installations, against bare TLS handshakes with one RSA-2048 signature each.

    RINGFENCE=build/src/cmd/ringfence CAPF_LOAD=build/tests/bench/capf_load tests/bench/run_capf.py [TURNS]

Both servers have the node's own CAPF key (RSA-2048), the same number of processes that accept, the same cores and the same
clients; they take turns. The phones' key is ready: what is measured is the server. Reported are the rates, and what each costs
in CPU time of the server, keeper and director included, and of both ends. Then 2,000 emulated phones that enrol at once: none
may be lost; reported is the memory of the node (proportional set size of all its processes, the highest seen).
"""
import glob
import json
import os
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'e2e'))
import harness  # noqa: E402
from rates import Side, pss  # noqa: E402

LOAD = os.environ.get('CAPF_LOAD', os.path.join(harness.ROOT, 'build', 'tests', 'bench', 'capf_load'))
CLIENTS, EACH = 8, 100
AT_ONCE = 2000
GOAL = 0.80


def start_bare(node, processes):
    port = harness.free_port()
    key = glob.glob(node.path('keys', 'CAPF.*.key'))[0]
    bare = subprocess.Popen([LOAD, 'bare', str(port), node.path('certs', 'CAPF', 'CAPF.pem'), key, str(processes)])
    harness.until('the bare server listens', lambda: len(harness.children(bare.pid)) == processes)
    return bare, port


def add_phones(node, count):
    table = node.path('phones.csv')
    with open(table, 'w') as f:
        f.write('Device Name,Certificate Operation\n')
        f.writelines(f'SEP{i:012X},Install/Upgrade\n' for i in range(count))
    node.admin(f'phone import {table}')


CONFIG = ('<?xml version="1.0" encoding="UTF-8"?>\n<device><fullConfig>true</fullConfig><capfAuthMode>2</capfAuthMode>'
          '<capfList><capf><phonePort>%d</phonePort><processNodeName>127.0.0.1</processNodeName></capf></capfList></device>\n')


def all_at_once(node, key):
    """The fleet boots, reads where CAPF is, and enrols; its own key is ready."""
    first = 1 << 40
    table = node.path('more.csv')
    with open(table, 'w') as f:
        f.write('Device Name,Certificate Operation\n')
        f.writelines(f'SEP{first + i:012X},Install/Upgrade\n' for i in range(AT_ONCE))
    node.admin(f'phone import {table}')
    for i in range(AT_ONCE):
        node.provision(f'SEP{first + i:012X}.cnf.xml', CONFIG % node.port['capf'])
    pids = [node.process.pid, *harness.children(node.process.pid)]
    most, over = [pss(pids)], threading.Event()
    before = most[0]

    def watch():
        while not over.wait(0.1):
            most[0] = max(most[0], pss(pids))
    watcher = threading.Thread(target=watch)
    watcher.start()
    done = harness.ringfence('phone', 'fleet', '--count', AT_ONCE, '--concurrency', AT_ONCE, '--model', '8861', '--first',
                             f'SEP{first:012X}', '--capf-key', key, '--tftp', f'127.0.0.1:{node.port["tftp"]}', '--http-port', node.port['http'],
                             '--https-port', node.port['https'], '--json', timeout=600)
    over.set()
    watcher.join()
    fleet = json.loads(done.stdout)
    assert fleet['capf']['installed'] == AT_ONCE, f'phones were lost: {fleet}'
    listed = node.admin(f'phone list SEP{first:012X}'[:-6] + '*').stdout
    assert listed.count('Upgrade Success') == AT_ONCE, 'the node lost some'
    print(f'  {AT_ONCE} phones at once: all have their LSC after {fleet["seconds"]:.1f} s of booting and enrolling; the node had '
          f'{before:.0f} MiB before and at most {most[0]:.0f} MiB, the fleet {fleet["peak_kib"] / 1024:.0f} MiB')


class Phones(Side):
    """New phones each turn: each has one operation."""
    first = 0

    def turn(self):
        super().turn()
        assert self.n == self.first + CLIENTS * EACH, 'a phone was lost'
        self.first += CLIENTS * EACH
        self.args[-1] = f'{self.first:X}'


def main():
    turns = int(sys.argv[1]) if len(sys.argv) > 1 else 6
    with harness.Node().start() as node:
        key = os.path.join(node.folder, 'phone.pem')
        harness.run('openssl', 'genpkey', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048', '-out', key)
        add_phones(node, turns * CLIENTS * EACH)
        pids = [node.process.pid, *harness.children(node.process.pid)]
        workers = sum(1 for pid in pids if open(f'/proc/{pid}/comm').read().startswith('rf-worker'))
        bare, port = start_bare(node, workers)
        sides = [Side(LOAD, 'bare handshakes and signatures', harness.children(bare.pid), ['handshake', port, CLIENTS, EACH]),
                 Phones(LOAD, 'CAPF, whole installations', pids, ['enrol', node.port['capf'], CLIENTS, EACH, key, '0'])]
        try:
            for i in range(turns * 2):
                sides[i % 2].turn()
        finally:
            bare.kill()
            bare.wait()
        print(f'{os.cpu_count()} cores, {workers} accepting processes on each side, {CLIENTS} clients, RSA-2048, TLS 1.3, '
              f'{turns * CLIENTS * EACH} phones')
        for s in sides:
            print(f'  {s.name:32} {s.rate():7.0f} a second (of bare {s.rate() / sides[0].rate():.2f}), '
                  f'{s.each():5.0f} us of server CPU each, {s.both():5.0f} with the client '
                  f'(bare is {sides[0].both() / s.both():.2f})')
        print(f'ratio by rate {sides[1].rate() / sides[0].rate():.2f}, by CPU time of both ends '
              f'{sides[0].both() / sides[1].both():.2f}, goal {GOAL:.2f}')
        all_at_once(node, key)


if __name__ == '__main__':
    main()
