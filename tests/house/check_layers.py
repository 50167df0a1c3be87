#!/usr/bin/python3
"""Does each folder under src/ include only what docs/architecture.md allows it?

Reads the table "Layers" there, so that the page and the check cannot part.
Prints TAP: one line a library.
"""
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def table():
    """{library: set of libraries it may include}"""
    allowed = {}
    with open(os.path.join(ROOT, 'docs', 'architecture.md')) as f:
        for line in f:
            m = re.fullmatch(r'\| ([a-z]+) \| (.+) \|', line.strip())
            if not m:
                continue
            if m[2] == 'all of the above':
                allowed[m[1]] = set(allowed)
            else:
                allowed[m[1]] = {w.strip() for w in m[2].split(',')} - {'libc'}
    return allowed


def main():
    allowed = table()
    folders = sorted(d for d in os.listdir(os.path.join(ROOT, 'src')) if os.path.isdir(os.path.join(ROOT, 'src', d)))
    ok = True
    print(f'1..{len(folders)}')
    for n, folder in enumerate(folders, 1):
        wrong = []
        if folder not in allowed:
            wrong.append(f'src/{folder} is not in the table of docs/architecture.md')
        for base, _, names in os.walk(os.path.join(ROOT, 'src', folder)):
            for name in sorted(names):
                if not name.endswith(('.c', '.h')):
                    continue
                path = os.path.join(base, name)
                with open(path) as f:
                    for i, line in enumerate(f, 1):
                        m = re.match(r'#include "([^"]+)"', line)
                        if not m:
                            continue
                        target = m[1].split('/')[0]
                        where = f'{os.path.relpath(path, ROOT)}:{i}'
                        if '/' not in m[1]:
                            wrong.append(f'{where}: "{m[1]}" is not a full path from src/')
                        elif target != folder and target not in allowed.get(folder, set()):
                            wrong.append(f'{where}: {folder} may not include {target}')
        print(('ok' if not wrong else 'not ok') + f' {n} - {folder}')
        for w in wrong:
            print('# ' + w)
        ok = ok and not wrong
    return 0 if ok else 1


if __name__ == '__main__':
    sys.exit(main())
