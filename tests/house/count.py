#!/usr/bin/python3
"""Count the results of meson's JUnit files and print the closing line of ./check.

usage: count.py BROKEN_BUILDS FILE...

A test program that died, also after some of its cases, an empty result file
and a broken build count as failed. What was skipped is named, with its reason.
"""
import json
import os
import sys
import xml.etree.ElementTree as ET


def ended_badly(path):
    """Programs that meson calls failed: its JUnit file does not say so of one that died between two cases."""
    log = os.path.join(os.path.dirname(path), 'testlog.json')
    if not os.path.exists(log):
        return []
    with open(log, encoding='utf-8') as f:
        tests = [json.loads(line) for line in f if line.strip()]
    return [t['name'] for t in tests if t['result'] not in ('OK', 'SKIP', 'EXPECTEDFAIL')]


def main():
    passed = skipped = 0
    failed = int(sys.argv[1])
    files = sys.argv[2:]
    names_failed, names_skipped = [], []
    for path in files:
        cases = 0
        told = len(names_failed)
        where = path.split('/')[1] if '/' in path else path
        try:
            root = ET.parse(path).getroot()
        except ET.ParseError as e:
            print(f'{path}: {e}')
            failed += 1
            continue
        for suite in root.iter('testsuite'):
            for case in suite.iter('testcase'):
                cases += 1
                name = f"{where}: {suite.get('name')}: {case.get('name')}"
                skip = case.find('skipped')
                if case.find('failure') is not None or case.find('error') is not None:
                    failed += 1
                    names_failed.append(name)
                elif skip is not None:
                    skipped += 1
                    names_skipped.append(name + (f" ({skip.get('message')})" if skip.get('message') else ''))
                else:
                    passed += 1
            # Unit tests that could not run here say so in a comment: tests/unit/testing.h, SKIP_TEST.
            for line in (suite.findtext('system-out') or '').splitlines():
                if line.startswith('# skipped: '):
                    skipped += 1
                    passed -= 1
                    names_skipped.append(f"{where}: {suite.get('name')} ({line[len('# skipped: '):]})")
            # A program that reported no case but failed as a whole (crash before its first line).
            if not list(suite.iter('testcase')) and int(suite.get('errors') or 0) + int(suite.get('failures') or 0):
                failed += 1
                names_failed.append(f"{where}: {suite.get('name')}: died")
        for name in ended_badly(path):
            if not any(name in said for said in names_failed[told:]):
                failed += 1
                names_failed.append(f'{where}: {name}: died, or ended with another status than its cases')
        if not cases:
            print(f'{path}: no test in it')
            failed += 1
    if not files:
        failed += 1
        print('no test ran')
    for name in names_skipped:
        print('skipped: ' + name)
    for name in names_failed:
        print('FAILED: ' + name)
    print(f'{passed} passed, {failed} failed, {skipped} skipped')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
