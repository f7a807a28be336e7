import { describe, expect, test } from 'bun:test'
import { closeSync, readFileSync } from 'node:fs'
import { processRef, readStatus } from './proc.ts'
import { killUids, processesOfBlock, processesOfUids } from './uid-processes.ts'
import { mapUserNamespace } from './user-namespace.ts'

const uid = 0x6d000000

describe('killUids', () => {
  test('ends a user that keeps forking, and is not stopped by zombies', async () => {
    const forker = 'while :; do (sleep 100 &) ; sleep 0.01; done'
    const ids = ['--reuid', `${uid}`, '--clear-groups']
    const child = Bun.spawn(['/usr/bin/setpriv', ...ids, '/bin/sh', '-c', forker])
    while (processesOfUids(uid, uid).length < 3) await Bun.sleep(5)
    expect(await killUids(uid, uid + 10)).toBe(true)
    expect(processesOfUids(uid, uid)).toEqual([])
    expect(await child.exited).toBe(137)
  })

  test('ends a user that stops whoever becomes it', async () => {
    const ids = ['--reuid', `${uid}`, '--clear-groups']
    const stopper = 'fork or exec "sleep", 100; kill "STOP", -1 while 1'
    const child = Bun.spawn(['/usr/bin/setpriv', ...ids, '/usr/bin/perl', '-e', stopper])
    while (processesOfUids(uid, uid).length < 2) await Bun.sleep(5)
    // Control: it stops what becomes that user, which then does nothing.
    const asUser = Bun.spawn(['/usr/bin/setpriv', ...ids, '/usr/bin/sleep', '100'])
    const state = () => readStatus(`/proc/${asUser.pid}/status`)?.get('State')
    while (!state()?.startsWith('T')) await Bun.sleep(5)
    expect(await killUids(uid, uid)).toBe(true)
    expect(processesOfUids(uid, uid)).toEqual([])
    expect([await child.exited, await asUser.exited]).toEqual([137, 137])
  })

  test('leaves a user of the host whose id lies between, and ends who has that id in a user namespace of these ids', async () => {
    const [first, last] = [uid - 10, uid + 10]
    const asPerson = ['setpriv', '--reuid', `${uid}`, '--clear-groups', '--']
    const person = Bun.spawn([...asPerson, 'sleep', '1000'])
    // As a browser does for its own sandbox.
    const alone = Bun.spawn([...asPerson, 'unshare', '--user', '--map-root-user', 'sleep', '1000'])
    const [unshare, CLONE_NEWUSER, setuid] = [272, 0x10000000, 105]
    const program = `syscall(${unshare}, ${CLONE_NEWUSER}) == 0 or die;
      sub mapped { open(my $map, '<', '/proc/self/uid_map'); return <$map> }
      select(undef, undef, undef, 0.02) until mapped(); syscall(${setuid}, 10) == 0 or die; sleep 1000`
    const guest = Bun.spawn(['perl', '-e', program])
    const map = [{ inside: 0, outside: first, count: last - first + 1 }]
    closeSync((await mapUserNamespace(processRef(guest.pid)!, map, { timeoutMs: 10_000 }))!)
    while (processesOfUids(uid, uid).length < 3) await Bun.sleep(5)
    while (readFileSync(`/proc/${alone.pid}/uid_map`, 'utf8').trim().split(/ +/)[1] !== `${uid}`)
      await Bun.sleep(5)
    expect(await killUids(first, last)).toBe(true)
    expect(processesOfUids(first, last).map(({ pid }) => pid)).toEqual([person.pid, alone.pid])
    expect(await guest.exited).toBe(137)
    for (const child of [person, alone]) child.kill()
  })

  test('ends who has taken an id of the upper half, where the namespace of these ids has more', async () => {
    const [first, last, upper] = [uid - 10, uid + 10, 2 ** 31 + 21]
    const [unshare, CLONE_NEWUSER, setuid] = [272, 0x10000000, 105]
    const program = `syscall(${unshare}, ${CLONE_NEWUSER}) == 0 or die;
      sub mapped { open(my $map, '<', '/proc/self/uid_map'); return <$map> }
      select(undef, undef, undef, 0.02) until mapped(); syscall(${setuid}, 22) == 0 or die; sleep 1000`
    const guest = Bun.spawn(['perl', '-e', program], { stdio: ['ignore', 'ignore', 'ignore'] })
    // As the map of a virtiofsd.
    const map = [
      { inside: 0, outside: first, count: 21 },
      { inside: 21, outside: upper, count: 1000 },
    ]
    closeSync((await mapUserNamespace(processRef(guest.pid)!, map, { timeoutMs: 10_000 }))!)
    while (processesOfUids(upper + 1, upper + 1).length === 0) await Bun.sleep(5)
    try {
      // Another sandbox has ids of that half, too.
      expect(await killUids(first - 100, last - 100)).toBe(true)
      expect(processesOfBlock(first, last)).toEqual([{ pid: guest.pid, uid: upper + 1 }])
      expect(await killUids(first, last)).toBe(true)
      expect(processesOfUids(upper + 1, upper + 1)).toEqual([])
    } finally {
      guest.kill('SIGKILL')
    }
    expect(await guest.exited).toBe(137)
  })

  test('does nothing for ids of people, for nobody, and for a range that is none', async () => {
    expect(await killUids(0, 0)).toBe(false)
    expect(await killUids(1000, 2 ** 31)).toBe(false)
    expect(await killUids(uid, uid - 1)).toBe(false)
    expect(await killUids(Number.NaN, uid)).toBe(false)
    expect(await killUids(uid, uid)).toBe(true)
  })
})
