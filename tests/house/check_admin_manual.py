#!/usr/bin/python3
"""Does ringfence-admin(1) describe each command of the admin: shell, and each of its options? TAP, one line a command.

usage: check_admin_manual.py RINGFENCE
"""
import os
import re
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def shell_help(ringfence, *words):
    run = subprocess.run([ringfence, 'admin', '--data', '.', 'help', *words], text=True, capture_output=True, check=True)
    return run.stdout


def main():
    if not shutil.which('mandoc'):
        print('1..0 # SKIP mandoc is not installed')
        return 0
    ringfence = sys.argv[1]
    page = subprocess.run(['mandoc', '-Tascii', '-O', 'width=200', os.path.join(ROOT, 'man', 'ringfence-admin.1')],
                          text=True, capture_output=True, check=True).stdout
    text = re.sub(r'\s+', ' ', re.sub(r'.\x08', '', page)).replace('[', '').replace(']', '')
    commands = re.findall(r'^  (\S.*?)(?: {2,}|$)', shell_help(ringfence), re.MULTILINE)
    print(f'1..{len(commands)}')
    failed = 0
    for n, command in enumerate(commands, 1):
        name = 'exit, quit' if command in ('exit', 'quit') else command
        words = [w for w in command.split() if w.islower() or w == 'CTLFile']
        behind = shell_help(ringfence, *words).partition('It may be followed by:')[2]
        options = re.findall(r'^  (--\S+)', behind, re.MULTILINE)
        # The fields of a record share one entry, which names each.
        field = re.fullmatch(r'(phone set NAME) ([a-z ]+) [A-Z]+', name)
        wanted = [f'{field[1]} FIELD VALUE', field[2]] if field else [name]
        missing = [w for w in wanted + options if w not in text]
        print(('not ok' if missing else 'ok') + f' {n} - {command}')
        for word in missing:
            print(f'# not in the manual: {word}')
        failed += bool(missing)
    return 1 if failed or not commands else 0


if __name__ == '__main__':
    sys.exit(main())
