#!/usr/bin/python3
"""Is each manual page clean for mandoc's linter, and does it print its quotation marks? TAP, one line a page."""
import glob
import os
import re
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def lost_quotes(page):
    """Macro lines with a quotation mark inside a word: mandoc takes it for the end of an argument; \\(dq prints one."""
    with open(page) as f:
        for n, line in enumerate(f, 1):
            if line.startswith('.') and not line.startswith('.\\"') and re.search(r'(?<=[^\s"])"(?=[^\s"])', line):
                yield f'{page}:{n}: write \\(dq for a quotation mark inside a word: {line.rstrip()}'


def main():
    pages = sorted(glob.glob(os.path.join(ROOT, 'man', '*.[1-8]')))
    if not shutil.which('mandoc'):
        print('1..0 # SKIP mandoc is not installed')
        return 0
    print(f'1..{len(pages)}')
    failed = 0
    for n, page in enumerate(pages, 1):
        run = subprocess.run(['mandoc', '-Tlint', '-Wwarning', page], text=True, capture_output=True)
        # Pages that are not installed yet cannot be found by the linter.
        wrong = [l for l in run.stdout.splitlines() if 'referenced manual not found' not in l]
        wrong += lost_quotes(page)
        print(('not ok' if wrong else 'ok') + f' {n} - {os.path.basename(page)}')
        for line in wrong[:10]:
            print('# ' + line.replace(ROOT + '/', ''))
        failed += bool(wrong)
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
