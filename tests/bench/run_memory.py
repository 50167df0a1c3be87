#!/usr/bin/python3
"""Memory of an idle node: PSS of each process and of all together (design.md 10, issue 2: under 64 MiB).

Prints a table; exits 1 when the sum is over the bound. $RINGFENCE names the binary.
"""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'e2e'))
import harness  # noqa: E402

BOUND_MIB = 64


def pss_kib(pid):
    with open(f'/proc/{pid}/smaps_rollup') as f:
        return next(int(line.split()[1]) for line in f if line.startswith('Pss:'))


def name_of(pid):
    with open(f'/proc/{pid}/comm') as f:
        return f.read().strip()


def main():
    workers = os.cpu_count() or 1
    with harness.Node() as node:
        node.provision('SEP001122334455.cnf.xml', '<device/>')
        node.start()
        # Each worker has served something by every transport, so that its libraries are warm.
        for _ in range(8 * workers):
            node.tftp('ITLFile.tlv')
            node.http('SEP001122334455.cnf.xml.sgn')
        time.sleep(1)
        pids = [node.process.pid] + harness.children(node.process.pid)
        sizes = {f'{name_of(p)} ({p})': pss_kib(p) for p in pids}
        node.stop()
    for name, kib in sizes.items():
        print(f'{name:24} {kib / 1024:7.1f} MiB PSS')
    total = sum(sizes.values()) / 1024
    print(f'{"idle node":24} {total:7.1f} MiB PSS over {len(sizes)} processes, bound {BOUND_MIB} MiB; '
          f'{workers} cores, {os.uname().machine}')
    return 0 if total < BOUND_MIB else 1


if __name__ == '__main__':
    sys.exit(main())
