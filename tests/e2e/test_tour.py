#!/usr/bin/python3
"""The tour of ./start, as a stranger takes it: in a copy of the tree, with a build of its own."""
import os
import shutil
import stat
import subprocess
import sys
import tempfile

import harness

sys.path.insert(0, os.path.join(harness.ROOT, 'tests', 'house'))
import tree  # noqa: E402


def test_tour():
    """./start --once from a copy of the tree in an empty folder"""
    with tempfile.TemporaryDirectory(prefix='ringfence-tour-') as folder:
        copy = os.path.join(folder, 'clone')
        for name in tree.tracked():
            source, target = os.path.join(harness.ROOT, name), os.path.join(copy, name)
            if os.path.exists(source):
                os.makedirs(os.path.dirname(target), exist_ok=True)
                shutil.copy(source, target)
                os.chmod(target, stat.S_IMODE(os.stat(source).st_mode))
        done = subprocess.run([os.path.join(copy, 'start'), '--once'], cwd=copy, text=True, capture_output=True, timeout=540,
                              stdin=subprocess.DEVNULL)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        assert 'The tour is over' in done.stdout


if __name__ == '__main__':
    harness.main()
