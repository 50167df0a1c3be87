#!/usr/bin/python3
"""House rules that a program can see, over the files git tracks. TAP, one line a rule."""
import os
import re
import sys

from tree import ROOT, tracked


def text_of(name):
    with open(os.path.join(ROOT, name), 'rb') as f:
        data = f.read()
    return None if b'\0' in data else data.decode('utf-8', 'replace')


def main():
    names = [n for n in tracked() if os.path.exists(os.path.join(ROOT, n))]
    code = [n for n in names if n.endswith(('.c', '.h'))]
    rules = []

    long_lines = [f'{n}:{i}' for n in code for i, line in enumerate(text_of(n).split('\n'), 1)
                  if len(line.expandtabs(8)) > 125 and '"' not in line]  # a message stays whole, so that it can be searched for
    rules.append(('lines of code fit in 120 columns, or a word more', long_lines))

    promises = re.compile(r'\b(TODO|FIXME|XXX|HACK)\b')
    rules.append(('no line promises work that is not done',
                  [f'{n}:{i}' for n in names if not n.startswith('tests/house/') and n != 'LICENSE'
                   and n.endswith(('.c', '.h', '.py', '.sh', '.md', '.build'))
                   for i, line in enumerate(text_of(n).split('\n'), 1) if promises.search(line)]))

    binaries = [n for n in names if text_of(n) is None and not n.startswith(('tests/golden/', 'tests/fuzz/seeds/'))]
    rules.append(('binaries only among the golden data and the fuzz seeds', binaries))

    homes = re.compile(r'(/home/[a-z]+|/root|/work)/[A-Za-z]')
    rules.append(('no path of anybody\'s machine',
                  [f'{n}:{i}' for n in names if text_of(n) is not None and not n.startswith('tests/house/')
                   for i, line in enumerate(text_of(n).split('\n'), 1) if homes.search(line)]))

    def origin(folder):
        while folder.startswith('tests/golden'):
            if os.path.exists(os.path.join(ROOT, folder, 'ORIGIN')):
                return True
            folder = os.path.dirname(folder)
        return False
    rules.append(('each folder of golden data says where it comes from',
                  sorted({os.path.dirname(n) for n in names if n.startswith('tests/golden/')
                          and not origin(os.path.dirname(n))})))

    failed = 0
    print(f'1..{len(rules)}')
    for n, (title, wrong) in enumerate(rules, 1):
        print(('not ok' if wrong else 'ok') + f' {n} - {title}')
        for w in wrong[:20]:
            print('# ' + w)
        failed += bool(wrong)
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
