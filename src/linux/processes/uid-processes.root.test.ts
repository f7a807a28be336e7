import { describe, expect, test } from 'bun:test'
import { readStatus } from './proc.ts'
import { killUids, processesOfUids } from './uid-processes.ts'

const uid = 0x6d000000

describe('killUids', () => {
  test('ends a user that keeps forking, and is not stopped by zombies', async () => {
    const forker = 'while :; do (sleep 100 &) ; sleep 0.01; done'
    const ids = ['--reuid', `${uid}`, '--clear-groups']
    const child = Bun.spawn(['/usr/bin/setpriv', ...ids, '/bin/sh', '-c', forker])
    while (processesOfUids(uid, uid).length < 3) await Bun.sleep(5)
    expect(await killUids(uid - 10, uid + 10)).toBe(true)
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

  test('does nothing for ids of people, for nobody, and for a range that is none', async () => {
    expect(await killUids(0, 0)).toBe(false)
    expect(await killUids(1000, 2 ** 31)).toBe(false)
    expect(await killUids(uid, uid - 1)).toBe(false)
    expect(await killUids(Number.NaN, uid)).toBe(false)
    expect(await killUids(uid, uid)).toBe(true)
  })
})
