"""The files of the source tree: what git tracks, or all of a tarball."""
import os
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def tracked():
    """Names relative to ROOT, sorted."""
    try:
        # Whoever owns the clone: root may run the tests of somebody's.
        out = subprocess.run(['git', '-c', 'safe.directory=*', '-C', ROOT, 'ls-files', '-z'], capture_output=True, check=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        names = []
        for base, dirs, files in os.walk(ROOT):
            dirs[:] = [d for d in dirs if not d.startswith('build') and d not in ('.git', 'demo')]
            names += [os.path.relpath(os.path.join(base, f), ROOT) for f in files]
        return sorted(names)
    return sorted(n.decode() for n in out.stdout.split(b'\0') if n)
