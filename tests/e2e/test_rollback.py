#!/usr/bin/python3
"""`Prepare Cluster for Rollback to pre 8.0`: phones with a blank ITL, here, elsewhere, and back again."""
import contextlib
import os
import subprocess
import sys
import urllib.error
import urllib.request

import harness
from harness import ringfence
from test_scenarios import LATE, NEW, SBD, Log, Phone, Site, locked_out, quiet, settle, web_of, with_directory

ROLLBACK = 'Prepare Cluster for Rollback to pre 8.0'
CTL_DECIDES = 'the phone has a CTL and no ITL, and the CTL does not know the signer'   # a blank ITL counts as none
NOT_KNOWN = 'the trust verification server does not know it'


def set_rollback(site, value, *words):
    """In CUCM's order: the parameter, TVS and TFTP; the phones are the caller's."""
    said = site.do('set', 'parameter', *ROLLBACK.split(), value)
    assert 'Restart Cisco Trust Verification Service and Cisco Tftp on all nodes.\n' in said, said
    assert 'The phones are reset now' in said or 'Then reset the phones' in said, said   # who was never here is not known
    for w in words:
        assert w in said, f'{w}\n{said}'
    site.restart()
    return said


def move(phone, site):
    """By DHCP option 150: nothing is erased."""
    phone.site, phone.tvs = site, [site.legacy if phone.model == SBD else site.port['tvs']]
    phone.configure()


def refused(phone, why=NOT_KNOWN):
    """It asks the TVS of where it was, which knows nobody here: it keeps what it has."""
    before = phone.lists()
    assert f'ITL            refused: {why}' in phone.boot('stranded'), phone.console
    assert phone.lists() == before


class Old:
    """A server as before 8.0: plain files, no trust lists, nothing signed. A context manager."""

    def __init__(self, folder):
        self.folder, port = os.path.join(folder, 'old'), harness.free_port()
        os.mkdir(self.folder)
        nobody = harness.free_port()
        self.port = {'http': port, 'https': nobody, 'tftp': nobody}

    def provision(self, name, content):
        with open(os.path.join(self.folder, name), 'w') as f:
            f.write(content)

    def __enter__(self):
        self.process = subprocess.Popen([sys.executable, '-m', 'http.server', '--bind', '127.0.0.1', '--directory',
                                         self.folder, str(self.port['http'])], stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)

        def answers():
            with contextlib.suppress(urllib.error.URLError, ConnectionError):
                urllib.request.urlopen(f'http://127.0.0.1:{self.port["http"]}/').close()
                return True
        harness.until('the old server answers', answers)
        return self

    def __exit__(self, *exc):
        self.process.kill()
        self.process.wait()


def test_every_certificate_at_once():
    """scenarios 17 and 31, everything of a single node changed: who has the blank ITL follows, who was off is locked out"""
    for generation in ('10.0', '12.0'):
        with Site(generation) as site:
            site.start()
            phones = [settle(Phone(site, model)) for model in (SBD, NEW)]
            off = settle(Phone(site, NEW))
            said = set_rollback(site, 'True', 'accept any file from any server', 'Set it to False afterwards')
            assert 'stranded' not in said, said
            shown = site.admin('show itl').stdout
            assert 'The ITL file was verified successfully.' in shown and 'CN=CAPF-' in shown, shown
            assert 'The ITL is blank' in site.admin('show status').stdout
            for phone in phones:
                phone.boot('took')
                phone.same(Log(phone).no_ctl().offered('ITL').taken().unsigned())
                phone.agrees()
                phone.boot('kept')
                phone.same(Log(phone).no_ctl().offered('ITL').accepted().unsigned())
            # What locks everybody out otherwise (scenario 8) does not now; it is said whom it does.
            site.regen('TVS')
            for unit in ('CallManager',) if generation == '10.0' else ('ITLRecovery', 'CallManager'):
                site.regen(unit, LATE)
            site.restart()
            for phone in phones:
                phone.boot('took')
                phone.agrees()
            set_rollback(site, 'False', *LATE)
            assert 'The ITL is blank' not in site.admin('show status').stdout
            for phone in phones:
                phone.boot('took')
                phone.same(Log(phone).no_ctl().offered('ITL').taken().configured())
                quiet(phone)
            locked_out(off)


def test_elsewhere_and_back():
    """scenarios 26 and 37, phones that took the blank ITL load from a foreign cluster and from an old server, and come back"""
    with Site() as home, Site() as foreign:
        home.start()
        foreign.start()
        moving, old, stays = [settle(Phone(home, model)) for model in (SBD, NEW, NEW)]
        set_rollback(home, 'True')
        for phone in moving, old:
            phone.boot('took')
        blank = home.sums('ITL')

        # A foreign cluster's lists and files are taken as they come, and then they hold.
        move(moving, foreign)
        moving.boot('took')
        moving.same(Log(moving).no_ctl().offered('ITL').taken().configured())
        quiet(moving)
        move(moving, home)
        refused(moving)
        move(moving, foreign)
        set_rollback(foreign, 'True')
        moving.boot('took')

        # Who has not loaded the blank ITL goes nowhere.
        move(stays, foreign)
        refused(stays)
        move(stays, home)

        with Old(home.folder) as server:
            old.site = server
            old.configure()
            assert 'CTL            not offered' in old.boot('kept')
            assert f'screen: {old.name}.cnf.xml' in old.console
            with open(os.path.join(old.state, 'configuration.xml')) as f:
                assert f.read() == old.configuration
            assert old.held('ITL') == blank

        set_rollback(home, 'False', 'come back only when that server gives them a blank one')
        for phone in moving, old, stays:
            move(phone, home)
            phone.boot('took')
            phone.agrees()
            quiet(phone)


def test_mixed_mode():
    """in mixed mode the CTL stays and decides: it is said, and phones take nothing of others"""
    with Site() as home, Site() as foreign:
        home.start()
        foreign.start()
        home.do('utils', 'ctl', 'set-cluster', 'mixed-mode')
        phone = settle(Phone(home, NEW))
        set_rollback(home, 'True', 'in mixed mode, and this parameter does not empty the CTL')
        phone.boot('took')
        phone.agrees()
        move(phone, foreign)
        refused(phone, CTL_DECIDES)
        move(phone, home)
        set_rollback(home, 'False')
        phone.boot('took')
        phone.agrees()
        assert 'blank' not in home.do('utils', 'ctl', 'set-cluster', 'mixed-mode')


def asks_for_a_switch(site):
    """Wherever an administrator looks for one: there is none, and this is what there is."""
    for words in (['set', 'parameter', 'Security', 'By', 'Default', 'False'], ['set', 'parameter', 'Security By Default', 'False'],
                  ['show', 'parameter', 'SBD'], ['utils', 'sbd', 'disable'], ['utils', 'itl', 'disable'],
                  ['help', 'Security', 'By', 'Default']):
        done = ringfence('admin', '--data', site.data, *words, check=False)
        said = done.stdout + done.stderr
        assert done.returncode == (0 if words[0] == 'help' else 1), said
        for answer in ('Security By Default has no switch', ROLLBACK, 'http:// in place of https://'):
            assert answer in said, f'{words}\n{said}'
    assert 'Security By Default' not in site.admin('show parameter').stdout
    assert 'Security By Default has no switch; this comes nearest' in site.admin('show parameter ' + ROLLBACK).stdout


def at(phone, server, outcome):
    """A reset with another server; the result."""
    home, phone.site = phone.site, server
    said = phone.boot(outcome)
    phone.site = home
    return said


OVER_HTTP = 'directory      taken: over HTTP a server shows no certificate, so nothing is checked'


def test_39_no_switch():
    """scenario 39: Security By Default has no switch; with the rollback parameter nothing is checked, and HTTP URLs go on"""
    with Site() as site, web_of(site) as web, Old(site.folder) as server:
        site.start()
        asks_for_a_switch(site)
        server.provision('directory.xml', '<CiscoIPPhoneMenu/>')
        clear = f'http://127.0.0.1:{server.port["http"]}/directory.xml'
        tls, http = with_directory(site, web), Phone(site, NEW)
        http.directory = clear
        http.configure()
        assert 'directory      taken: confirmed by a trust verification server' in tls.boot('took')
        assert OVER_HTTP in http.boot('took')
        log = Log(http).no_ctl().offered('ITL').taken().configured()
        http.same(log.add(f'JVM: Startup Module Loader|cip.dir.TandunDirectories: ? - Directory url {clear}').fetched())
        off = settle(Phone(site, NEW))
        server.provision(http.name + '.cnf.xml', http.configuration + '<!-- of an old server -->')
        at(http, server, 'failed')   # it has no signed file
        http.agrees()

        # Signatures do not matter any more, nor who gives the file. TLS has nobody left to ask, and HTTP asks nobody.
        set_rollback(site, 'True', 'services whose secured URL is an http one')
        said = tls.boot('refused')
        assert 'ITL            taken' in said, said
        assert 'directory      refused: not known to the phone, whose trust lists name no trust verification server' in said, said
        assert 'screen: Host Not Found' in tls.console and f'screen: {tls.name}.cnf.xml' in tls.console
        assert OVER_HTTP in http.boot('took')
        http.same(Log(http).no_ctl().offered('ITL').taken().unsigned().add(
            f'JVM: Startup Module Loader|cip.dir.TandunDirectories: ? - Directory url {clear}').fetched())
        assert OVER_HTTP in at(http, server, 'kept')
        with open(os.path.join(http.state, 'configuration.xml'), encoding='ascii') as f:
            assert 'of an old server' in f.read()

        # The service of the other goes on when the node gives it an HTTP URL; it says what that means.
        url = 'Secured', 'Directory', 'URL'
        assert 'do not check who answers' in site.do('set', 'parameter', *url, clear)
        site.do('set', 'parameter', 'Complete Phone Configurations', 'True')
        assert OVER_HTTP in tls.boot('kept')
        site.do('set', 'parameter', 'Complete Phone Configurations', 'False')

        # And back: all is checked again, and the next change is taken as ever, also by the phone that missed the blank ITL.
        set_rollback(site, 'False')
        for _ in range(2):
            assert 'directory      taken: confirmed by a trust verification server' in tls.boot('took')
            assert OVER_HTTP in http.boot('took')
            site.regen('CAPF')
        off.boot('took')
        for phone in tls, http:
            phone.boot('took')
        at(http, server, 'failed')
        for phone in tls, http, off:
            phone.agrees()


if __name__ == '__main__':
    harness.main()
