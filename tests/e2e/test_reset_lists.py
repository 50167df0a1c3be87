#!/usr/bin/python3
"""`utils itl reset` and `utils ctl reset`: phones that do not know the usual signer follow without TVS."""
import os

import harness
from harness import ringfence
from test_rollback import move
from test_scenarios import LATE, NEW, Phone, Site, settle

ENDED = 'The reset of the ITL has ended'
PASSPHRASE = 'correct horse battery'


def status(site):
    return site.admin('show status').stdout


def follow(phone):
    """It takes what it is offered, all of it, asking nobody."""
    phone.boot('took')
    phone.agrees()
    phone.boot('kept')


def reset_itl(site, signer):
    said = site.do('utils', 'itl', 'reset', 'localkey')
    for words in ('Generating the reset ITL file.....\nThe reset ITL file was generated successfully\n',
                  '====================\ncucm-1051-a-pub\n=====================\n'
                  'Number of Active TFTP servers in the cluster : 1\n',
                  'Successfully transferred reset ITL to node cucm-1051-a-pub\n', 'a second time'):
        assert words in said, said
    assert 'stranded' not in said and 'No phone' not in said, said
    assert f'it is signed by {signer} until' in site.admin('show itl').stdout
    assert "RESET: ends with 'utils service restart Cisco Tftp'" in status(site)


def end(site):
    assert ENDED in site.service('restart', 'Cisco Tftp')
    assert 'RESET' not in status(site) and 'was reset' not in site.admin('show itl').stdout
    assert ENDED not in site.service('restart', 'Cisco Tftp')


def test_itlrecovery_regenerated():
    """scenarios 12, 13 and 40, ITLRecovery of 12.0 regenerated: reset, over a restart of the node; then the same with a CTL"""
    with Site() as site:
        site.start()
        phone = settle(Phone(site, NEW))
        site.service('stop')
        site.regen('ITLRecovery')
        phone.boot('refused')
        dry = site.admin('utils itl reset localkey --dry-run').stdout
        assert 'Nothing was changed.' in dry and 'RESET' not in status(site)
        reset_itl(site, 'CallManager')
        follow(phone)
        site.stop()
        site.start()
        assert 'RESET' in status(site)
        phone.boot('kept')
        end(site)
        follow(phone)

        refused = site.admin('utils ctl reset localkey --yes', check=False)
        assert refused.returncode and 'not in mixed mode' in refused.stderr
        site.do('utils', 'ctl', 'set-cluster', 'mixed-mode')
        follow(phone)
        site.regen('ITLRecovery')
        phone.boot('refused')
        assert 'a second time' in site.do('utils', 'ctl', 'reset', 'localkey')
        assert "RESET: ends with 'utils ctl update CTLFile'" in status(site)
        follow(phone)
        site.do('utils', 'ctl', 'update', 'CTLFile')
        assert 'RESET' not in status(site)
        follow(phone)
        audit = site.admin('show audit').stdout
        for words in ('utils itl reset localkey', 'end of the reset', 'utils ctl reset localkey', 'refused: the cluster is not in'):
            assert words in audit, audit


def test_callmanager_and_tvs():
    """scenario 8, CallManager and TVS of 10.0 regenerated together: ITLRecovery signs what phones take"""
    with Site('10.0') as site:
        site.start()
        phone, off = [settle(Phone(site, NEW)) for _ in range(2)]
        site.regen('TVS')
        site.regen('CallManager', LATE)
        site.restart()
        phone.boot('stranded')
        reset_itl(site, 'ITLRecovery')
        follow(phone)
        # Who has missed the reset is lost when it ends: that is asked first.
        asked = site.admin('utils service restart Cisco Tftp', check=False)
        assert asked.returncode and 'would be stranded' in asked.stdout and 'RESET' in status(site), asked.stdout
        assert ENDED in site.do('utils', 'service', 'restart', 'Cisco', 'Tftp')
        follow(phone)
        off.boot('stranded')


def remotekey(site, path, passphrase):
    return ringfence('admin', '--data', site.data, 'utils', 'itl', 'reset', 'remotekey', path, '--yes', check=False,
                     input=passphrase + '\n')


def test_keys_lost():
    """scenario 38, every key lost: the ITLRecovery key of a recovery export signs once, and is not kept"""
    with Site() as lost, Site() as site:
        lost.start()
        phone = settle(Phone(lost, NEW))
        words, p12 = os.path.join(lost.folder, 'passphrase'), os.path.join(lost.folder, 'recovery.p12')
        with open(words, 'w') as f:
            f.write(PASSPHRASE + '\n')
        ringfence('recovery', 'export', '--data', lost.data, '--out', p12, '--passphrase-file', words)
        site.start()
        move(phone, site)
        phone.boot('stranded')
        keys = sorted(os.listdir(site.path('keys')))
        wrong = remotekey(site, p12, 'something else')
        assert wrong.returncode and 'passphrase' in wrong.stderr and 'RESET' not in status(site), wrong.stderr
        done = remotekey(site, p12, PASSPHRASE)
        assert done.returncode == 0 and 'The ITL in force here does not know it.' in done.stdout, done.stdout + done.stderr
        assert 'a key that is not on this node' in site.admin('show itl').stdout
        assert sorted(os.listdir(site.path('keys'))) == keys
        follow(phone)
        refused = site.admin('set cert regen TVS --yes', check=False)
        assert refused.returncode and 'would change the ITL' in refused.stderr, refused.stderr
        site.stop()
        site.start()
        phone.boot('kept')
        site.service('stop')
        assert ENDED in site.do('utils', 'service', 'restart', 'Cisco', 'Tftp')
        follow(phone)


if __name__ == '__main__':
    harness.main()
