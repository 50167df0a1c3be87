#!/usr/bin/python3
"""`Prepare Cluster for Rollback to pre 8.0`: phones with a blank ITL, here, elsewhere, and back again."""
import contextlib
import os
import subprocess
import sys
import urllib.error
import urllib.request

import harness
from test_scenarios import LATE, NEW, SBD, Log, Phone, Site, locked_out, quiet, settle

ROLLBACK = 'Prepare Cluster for Rollback to pre 8.0'
CTL_DECIDES = 'the phone has a CTL and no ITL, and the CTL does not know the signer'   # a blank ITL counts as none
NOT_KNOWN = 'the trust verification server does not know it'


def set_rollback(site, value, *words):
    """In CUCM's order: the parameter, TVS and TFTP; the phones are the caller's."""
    said = site.do('set', 'parameter', *ROLLBACK.split(), value)
    assert 'Restart Cisco Trust Verification Service and Cisco Tftp on all nodes, then reset all phones.' in said, said
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


if __name__ == '__main__':
    harness.main()
