"""Resets of phones: by SIP NOTIFY and by the call control's command, at a rate, with a result for each phone."""
import contextlib
import json
import os
import signal
import socket
import sqlite3
import subprocess

import harness
from harness import Node, ringfence, until

OK = '200 OK'


def configuration(name):
    return f'<device><fullConfig>true</fullConfig><devicePool><dateTimeSetting/></devicePool><name>{name}</name></device>'


def names(count, first=1):
    return [f'SEP{n:012X}' for n in range(first, first + count)]


def add(node, name, address, *options):
    """A phone that was here once, at this address."""
    node.admin(f'phone add {name}', *options)
    with contextlib.closing(sqlite3.connect(node.path('store.sqlite3'), timeout=30)) as db, db:
        assert db.execute('update device set lastaddress = ? where name = ?', (address, name)).rowcount == 1


def job(node):
    return json.loads(node.admin('phone job show', '--json').stdout)


def results(node):
    return {r['phone']: r['state'] + (': ' + r['text'] if r['text'] else '') for r in job(node)['results']}


class Fleet:
    """Emulated phones that stay up and obey SIP NOTIFY, all on one port."""

    def __init__(self, node, count):
        self.port = harness.free_port(socket.SOCK_DGRAM)
        self.process = subprocess.Popen(
            [harness.RINGFENCE, 'phone', 'fleet', '--count', str(count), '--tftp', f'127.0.0.1:{node.port["tftp"]}',
             '--http-port', str(node.port['http']), '--https-port', str(node.port['https']), '--stay', '3600',
             '--listen', f'127.0.0.1:{self.port}', '--json'], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        until('the fleet listens', self.listens)

    def listens(self):
        assert self.process.poll() is None, self.process.stderr.read()
        with contextlib.suppress(OSError), socket.create_connection(('127.0.0.1', self.port), 1):
            return True
        return False

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        out, _ = self.process.communicate(timeout=harness.PATIENCE)
        return json.loads(out)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def test_notify():
    """phones obey SIP NOTIFY; those that do not answer, refuse or are nowhere are told apart"""
    with Node(serve=['--workers', '1']) as node:
        for name in names(8):
            node.provision(name + '.cnf.xml', configuration(name))
        node.start()
        with Fleet(node, 8) as fleet, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mute:
            mute.bind(('127.0.0.7', fleet.port))
            # They came by themselves, and it is remembered from where.
            until('every phone is known', lambda: [p['last_address'] for p in json.loads(
                node.admin('phone list', '--json').stdout)] == ['127.0.0.1'] * 8)
            for name in names(4, 5):
                node.admin(f'phone set {name} transport type TCP')
            for parameter, value in (('Phone SIP Port', str(fleet.port)), ('Phone Resets per Second', '1000')):
                node.admin('set parameter', parameter, value, '--yes')

            done = node.admin('phone reset all', check=False)
            assert done.returncode == 1 and 'This operation will reset 8 phones' in done.stdout, done
            dry = node.admin('phone reset SEP*5', '--dry-run').stdout
            assert '1 phone would be told to reset; of 0 the address is not known' in dry, dry
            assert job(node) == {}
            out = node.admin('phone reset all', '--yes').stdout
            assert out.count(OK) == 9 and 'reset of 8 phones: 8 200 OK' in out, out

            add(node, 'SEP00000000FFFF', '127.0.0.1')
            add(node, 'SEP0000000000A7', '127.0.0.7')
            add(node, 'SEP0000000000A8', '127.0.0.8', '--transport', 'TCP')
            node.admin('phone add SEP0000000000A9')
            done = node.admin('phone restart SEP00000000FFFF', check=False)
            assert done.returncode == 1 and 'refused: 404 Not Found' in done.stdout, done
            node.admin('set parameter', 'Phone Reset Answer Timeout (in seconds)', '1', '--yes')
            done = node.admin('phone restart SEP*A?', '--yes', check=False)
            assert done.returncode == 1, done
            assert results(node) == {'SEP0000000000A7': 'no answer', 'SEP0000000000A8': 'no answer: Connection refused',
                                     'SEP0000000000A9': 'unknown address'}, done
            done = node.admin('phone apply-config SEPFFFF', check=False)
            assert done.returncode == 1 and 'there is no phone SEPFFFF' in done.stderr, done
            assert 'SEP000000000003' in node.admin('phone apply-config SEP000000000003').stdout

            # By themselves after a certificate has changed, unless the operator wants to do it.
            before = job(node)['started']
            done = node.admin('set cert regen TVS', '--yes')
            assert "The phones are reset now, as 'Phone Interaction" in done.stdout, done
            got = until('the reset after the change is over', lambda: (lambda j: j['over'] and j)(job(node)))
            assert got['action'] == 'reset' and got['phones'] == 12 and got['started'] >= before, got
            node.admin('set parameter', 'Phone Interaction on Certificate Update', 'Reset Phones Manually', '--yes')
            node.admin('phone restart SEP000000000001')
            done = node.admin('set cert regen TVS', '--yes')
            assert "Then reset the phones: 'phone reset all'" in done.stdout, done
            assert job(node)['action'] == 'restart'
            audit = node.admin('show audit 40').stdout
            assert 'phone reset' in audit and '8 200 OK' in audit, audit

            told = fleet.end()
            assert told['told'] == 8 + 1 + 8 + 1, told
            assert sum(told['again'].values()) > 0 and told['again']['failed'] == 0, told


def test_stop():
    """a reset at a slow rate shows where it is, and ends with Ctrl-C and with 'phone job stop'"""
    with Node(serve=['--workers', '1']) as node:
        node.start()
        for name in names(30):
            add(node, name, '127.0.0.1')   # where nobody listens
        node.admin('set parameter', 'Phone Resets per Second', '1', '--yes')
        node.admin('set parameter', 'Phone SIP Port', str(harness.free_port(socket.SOCK_DGRAM)), '--yes')
        out = node.admin('phone reset all', '--yes', '--background').stdout
        assert '30 phones will be told to reset' in out, out
        busy = node.admin('phone reset all', '--yes', check=False)
        assert busy.returncode == 1 and 'a reset of 30 phones goes on' in busy.stderr, busy
        assert 'it goes on' in node.admin('phone job show').stdout
        node.admin('phone job stop')
        until('it has ended', lambda: job(node)['over'])
        assert 'not reset' in results(node).values()
        assert node.admin('phone job stop', check=False).returncode == 1

        command = subprocess.Popen([harness.RINGFENCE, 'admin', '--data', node.data, 'phone', 'restart', 'all', '--yes'],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        until('it has begun', lambda: job(node)['action'] == 'restart')
        command.send_signal(signal.SIGINT)
        out, err = command.communicate(timeout=harness.PATIENCE)
        assert command.returncode == 1 and 'Stopped' in out and 'not reset' in out, (out, err)
        assert job(node)['over']


def test_command():
    """the call control's command resets phones: no shell, its own process, what it said when it failed"""
    with Node(serve=['--workers', '1']) as node:
        said, script = os.path.join(node.folder, 'said'), os.path.join(node.folder, 'reset')
        with open(script, 'w') as f:
            f.write(f'#!/bin/sh\necho "$#|$1|$2|$(sed -n "s/^CapEff:[[:space:]]*//p" /proc/self/status)" >>{said}\n'
                    '[ "$1" = "send SEP000000000002" ] || exit 0\necho not registered >&2\nexit 3\n')
        os.chmod(script, 0o755)
        conf = node.path('ringfence.conf')
        with open(conf, 'a') as f:
            f.write(f'\n[callcontrol]\nreset-phone = {script} "send %d" %a\n')
        node.start()
        for name in names(3):
            node.admin(f'phone add {name}')
        done = node.admin('phone restart all', '--yes', check=False)
        assert done.returncode == 1, done
        assert results(node) == {'SEP000000000001': OK, 'SEP000000000003': OK,
                                 'SEP000000000002': 'refused: reset ended with status 3: not registered'}, results(node)
        with open(said) as f:
            lines = sorted(f.read().split())
        assert sorted(open(said).read().splitlines()) == [
            f'2|send {name}|restart|0000000000000000' for name in names(3)], lines

        # What is no command is refused before anything changes; a killed runner is started again.
        with open(conf) as f:
            good = f.read()
        with open(conf, 'w') as f:
            f.write(good.replace(script, 'sh'))
        bad = ringfence('serve', '--data', node.data, '--check', check=False)
        assert bad.returncode and 'absolute path' in bad.stdout + bad.stderr, bad
        with open(conf, 'w') as f:
            f.write(good)
        pid = next(p['pid'] for p in json.loads(node.admin('show status', '--json').stdout)['processes']
                   if p['name'] == 'runner')
        os.kill(pid, signal.SIGKILL)
        assert OK in node.admin('phone reset SEP000000000001').stdout


# --- a call control with an adapter ---

class CallControl:
    """A folder for its files and its two commands, which write down what they were told."""

    def __init__(self, node):
        self.node, self.folder = node, os.path.join(node.folder, 'pbx')
        self.said, self.broken = os.path.join(node.folder, 'told'), os.path.join(node.folder, 'broken')
        os.mkdir(self.folder)
        self.conf = (f'\n[callcontrol]\nadapter = files\nfolder = {self.folder}\n'
                     f'reload = {self.script("reload", f"[ ! -e {self.broken} ] || exit 1")}\n'
                     f'reset-phone = {self.script("told", f"echo $1 >>{self.said}; while [ -e {self.broken} ]; do sleep 0.1; done")}\n')
        with open(node.path('ringfence.conf')) as f:
            self.before = f.read()
        self.configure(self.conf)

    def script(self, name, body):
        path = os.path.join(self.node.folder, name + '.sh')
        with open(path, 'w') as f:
            f.write(f'#!/bin/sh\n{body}\n')
        os.chmod(path, 0o755)
        return path

    def configure(self, text):
        with open(self.node.path('ringfence.conf'), 'w') as f:
            f.write(self.before + text)

    def fail(self, is_broken):
        if is_broken:
            open(self.broken, 'w').close()
        else:
            os.unlink(self.broken)

    def told(self):
        with contextlib.suppress(FileNotFoundError), open(self.said) as f:
            return f.read().split()
        return []

    def content(self, name):
        with contextlib.suppress(FileNotFoundError), open(os.path.join(self.folder, name)) as f:
            return f.read()
        return ''

    def is_content(self):
        return 'Cisco CallManager[STARTED]\n' in self.node.admin('utils service list').stdout


def refused_configuration(node, pbx):
    """What is not there is named before the node is told to read the file, and changes nothing when it is."""
    bad = (pbx.conf.replace('reload.sh', 'nothing.sh').replace(f'folder = {pbx.folder}', 'folder = /nonexistent/x') +
           'group = nosuchgroup\n')
    pbx.configure(bad)
    done = ringfence('serve', '--data', node.data, '--check', check=False)
    assert done.returncode == 1, done
    for word in ('[callcontrol] group: there is no group nosuchgroup', 'nothing.sh: No such file', '/nonexistent/x'):
        assert word in done.stdout, done
    runner = node.processes()['rf-runner']
    node.process.send_signal(signal.SIGHUP)
    until('it is refused', lambda: 'the configuration was not changed: [callcontrol] group' in node.log())
    assert node.processes()['rf-runner'] == runner
    pbx.configure(pbx.conf)
    ringfence('serve', '--data', node.data, '--check')


def owed_over_restart(node, pbx):
    """A new key that the call control does not take yet: phones wait for it, also when the node is restarted meanwhile."""
    dry = node.admin('set cert regen CallManager', '--dry-run').stdout
    assert f'Call control: in {pbx.folder} key, chain and CA file are replaced, and the reload command runs.' in dry, dry
    assert 'Reset: all 3 phones are reset automatically' in dry, dry
    before = pbx.content('ccm.key')
    pbx.fail(True)
    done = node.admin('set cert regen CallManager', '--yes').stdout
    assert 'The phones will be reset when the call control has the certificate' in done, done
    until('its files are new', lambda: before not in pbx.content('ccm.pem') and pbx.content('ccm.key') != before)
    node.stop()
    node.start()
    assert job(node)['owed']['by'] and 'A reset of all phones is owed' in node.admin('phone job show').stdout
    assert 'Phone reset      owed' in node.admin('show status').stdout
    assert pbx.told() == []
    # Who does not want that one can end it; the next change owes another.
    assert 'owed to all phones would not begin' in node.admin('phone job stop', '--dry-run').stdout
    node.admin('phone job stop')
    assert job(node) == {} and node.admin('phone job stop', check=False).returncode == 1
    node.admin('set cert regen CallManager', '--yes')
    assert 'owed' in job(node)
    pbx.fail(False)
    until('every phone is reset', lambda: sorted(pbx.told()) == names(3))
    until('nothing is owed', lambda: 'owed' not in job(node))
    assert pbx.is_content()


def goes_on(node, pbx):
    """A job that pays a debt goes on where it was when the processes are replaced."""
    os.unlink(pbx.said)
    node.admin('set parameter', 'Phone Resets per Second', '1', '--yes')
    assert 'The phones are reset now' in node.admin('set cert regen TVS', '--yes').stdout
    until('the first is told', pbx.told)
    until('and that is recorded', lambda: results(node)[names(1)[0]] == OK)
    node.process.send_signal(signal.SIGHUP)
    until('the last is told', lambda: set(pbx.told()) == set(names(3)))
    until('nothing is owed', lambda: 'owed' not in job(node))
    assert pbx.told().count(names(1)[0]) == 1 and len(results(node)) < 3, pbx.told()


def runner_that_ends(node, pbx):
    """Who waits for a runner that keeps ending is told so, and waits no more."""
    pbx.fail(True)   # its command goes on for ever
    node.admin('phone reset SEP000000000001', '--background')
    for _ in range(2):
        runner = until('the runner runs', lambda: node.processes().get('rf-runner'))
        os.kill(runner, signal.SIGKILL)
        until('it has ended', lambda: node.processes().get('rf-runner') != runner)  # pylint: disable=cell-var-from-loop
    until('the job is over', lambda: job(node)['over'], 20)
    assert 'keeps ending' in results(node)['SEP000000000001'], results(node)
    pbx.fail(False)


def test_call_control():
    """a call control takes new keys and hundreds of roots; what phones are owed meanwhile outlives restarts"""
    with Node(serve=['--workers', '1']) as node:
        pbx = CallControl(node)
        node.start()
        for name in names(3):
            node.admin(f'phone add {name}')
        node.admin('set parameter', 'Phone Resets per Second', '1000', '--yes')
        refused_configuration(node, pbx)
        until('it has its files', lambda: pbx.content('ccm.key') and pbx.is_content())
        roots = harness.many_roots(node.folder, 20)
        dry = node.admin('set cert import trust CallManager', '--file', roots, '--dry-run').stdout
        assert f'Call control: in {pbx.folder} the CA file and the chain' in dry, dry
        node.admin('set cert import trust CallManager', '--file', roots)
        until('it has the roots', lambda: len(pbx.content('lsc-ca.pem')) > 100000 and pbx.is_content())
        owed_over_restart(node, pbx)
        goes_on(node, pbx)
        runner_that_ends(node, pbx)


if __name__ == '__main__':
    harness.main()
