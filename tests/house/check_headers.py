#!/usr/bin/python3
"""Does each header compile alone, and open with #pragma once? TAP, one line a header.

usage: check_headers.py CC [flags...]
"""
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def main():
    cc = sys.argv[1:]
    headers = []
    for base, _, names in os.walk(os.path.join(ROOT, 'src')):
        headers += [os.path.relpath(os.path.join(base, n), ROOT) for n in names if n.endswith('.h')]
    headers.sort()
    failed = 0
    print(f'1..{len(headers)}')
    for n, header in enumerate(headers, 1):
        with open(os.path.join(ROOT, header)) as f:
            first = f.readline().strip()
        run = subprocess.run(cc + ['-fsyntax-only', '-x', 'c', '-D_GNU_SOURCE', '-I', os.path.join(ROOT, 'src'), '-'],
                             input=f'#include "{re.sub("^src/", "", header)}"\n', text=True, capture_output=True)
        good = first == '#pragma once' and run.returncode == 0
        print(('ok' if good else 'not ok') + f' {n} - {header}')
        if first != '#pragma once':
            print('# the first line is not #pragma once')
        for line in run.stderr.splitlines()[:5]:
            print('# ' + line)
        failed += not good
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
