"""A program on a terminal of its own: type, and wait for what it shows."""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time

import harness

ESCAPES = re.compile(r'\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|[\x00\x07]')   # a vt100 is given time with NULs


def keep_output():
    """On Ctrl-C the kernel sends the signal and then throws away what waits to be shown: here that is kept, to be seen."""
    modes = termios.tcgetattr(0)
    modes[3] |= termios.NOFLSH
    termios.tcsetattr(0, termios.TCSANOW, modes)


class Terminal:
    """argv on a new pseudo-terminal. A context manager."""

    def __init__(self, *argv, env=None, columns=200):
        self.raw = ''
        self.at = 0      # what was waited for ends here
        self.status = None
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update({'TERM': 'vt100', 'COLUMNS': str(columns), 'LC_ALL': 'C.UTF-8'})
            os.environ.update(env or {})
            keep_output()
            os.execv(argv[0], [str(a) for a in argv])
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack('HHHH', 50, columns, 0, 0))

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if exc[0]:
            print('# the terminal showed:')
            for line in self.text().splitlines():
                print('#   ' + line)
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)

    def text(self):
        """Everything shown so far, without escape sequences."""
        return ESCAPES.sub('', self.raw).replace('\r\n', '\n')

    def read(self, seconds):
        if not select.select([self.fd], [], [], seconds)[0]:
            return False
        try:
            data = os.read(self.fd, 65536)
        except OSError:   # the program has closed its side
            return False
        self.raw += data.decode('utf-8', 'replace')
        return bool(data)

    def type(self, keys):
        os.write(self.fd, keys.encode())

    def wait(self, text):
        """Wait until text shows behind what was waited for before; return what came before it."""
        deadline = time.monotonic() + harness.PATIENCE
        while True:
            shown = self.text()
            found = shown.find(text, self.at)
            if found >= 0:
                before = shown[self.at:found]
                self.at = found + len(text)
                return before
            assert time.monotonic() < deadline, f'never shown: {text!r} in {shown[self.at:]!r}'
            if not self.read(0.2) and self.ended():
                shown = self.text()
                assert text in shown[self.at:], f'ended without showing {text!r}: {shown[self.at:]!r}'

    def ended(self):
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
        return self.status is not None

    def end(self):
        """Wait for the program's end; its exit status."""
        deadline = time.monotonic() + harness.PATIENCE
        while not self.ended():
            assert time.monotonic() < deadline, 'the program does not end'
            self.read(0.05)
        while self.read(0):
            pass
        return self.status
