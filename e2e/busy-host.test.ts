/**
 * The tests' account of what is left holds beside others at work: containers of runc with their mounts and cgroups,
 * accounts as packages make them, bridges, and a QEMU that is not ours.
 */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { busyboxPath } from '../setup/paths.ts'
import { isAlive, processRef } from '../src/linux/processes/proc.ts'
import { type HostState, hostState, leftBehind } from './harness/host/host.ts'
import { eventually, Kata, scratch } from './harness/kata.ts'
import { slow } from './harness/time.ts'

const needed = ['runc', 'useradd', 'ip', 'qemu-system-x86_64']
const missing = needed.filter((name) => Bun.which(name) === null)
const reason = missing.length > 0 ? ` (skipped: ${missing.join(', ')} missing)` : ''

let kata: Kata
let before: HostState
let others: Bun.Subprocess
const area = scratch('/var/tmp/somebodys-')
beforeAll(async () => {
  if (reason !== '') return
  kata = new Kata()
  expect((await kata.run(['true'])).code).toBe(0)
  before = hostState(kata.runDir)
  others = Bun.spawn(['sh', join(import.meta.dir, 'harness/busy-host.sh'), area.path, busyboxPath], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
}, slow(60_000))
afterAll(async () => {
  if (reason !== '') return
  writeFileSync(`${area.path}/stop`, '')
  await others.exited
  await kata.close()
  area[Symbol.dispose]()
}, slow(60_000))

const left = () => leftBehind(before, hostState(kata.runDir))

test.skipIf(reason !== '')(
  `beside others at work nothing of theirs is counted, and all of ours is${reason}`,
  async () => {
    for (const work of ['containers', 'accounts', 'links', 'machine'])
      await eventually(`${work} of others`, () => existsSync(`${area.path}/done/${work}`) || undefined)
    for (const name of ['one', 'two']) {
      expect(await kata.run(['echo', name])).toEqual({ code: 0, stdout: `${name}\n`, stderr: '' })
      expect(left()).toEqual([])
    }
    await kata.call(['run', '-d', '--name', 'killed', '--', 'sleep', '600'])
    const { sandbox } = await kata.inspect('killed')
    expect(left()).toContainEqual(expect.stringContaining(`processes: ${sandbox.vmmPid} `))
    const vmm = processRef(sandbox.vmmPid)!
    process.kill(sandbox.shimPid, 'SIGKILL')
    await eventually('the VMM to follow', () => !isAlive(vmm) || undefined)
    expect(left()).toContainEqual(expect.stringContaining(`accounts: /etc/passwd: ${sandbox.user}:`))
    expect((await kata.call(['gc'])).code).toBe(0)
    await kata.call(['rm', '-f', 'killed'])
    // For as long as a test lasts, so that every moment of their coming and going is met.
    for (let round = 0; round < 100; round++) {
      expect(left()).toEqual([])
      await Bun.sleep(30)
    }
  },
  slow(120_000),
)
