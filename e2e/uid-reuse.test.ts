// test:vmm: every VMM
/**
 * Nothing shared: a uid is given to a second sandbox only when nothing of the first is left, many starts at once keep the
 * account files whole, and a host that went down in the middle is cleaned up by the first start after it.
 */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { readShimProcess } from '../src/bundle/shim-process.ts'
import { removeCgroup } from '../src/linux/cgroups/cgroup.ts'
import { bootId, isAlive, processRef } from '../src/linux/processes/proc.ts'
import { disksDir } from '../src/sandbox/records/paths.ts'
import { type HostState, hostState, leftBehind } from './harness/host/host.ts'
import { eventually, Kata, scratch } from './harness/kata.ts'
import { slow } from './harness/time.ts'
import { hypervisorTable } from './harness/vmm.ts'

let kata: Kata
let before: HostState
beforeAll(async () => {
  kata = new Kata()
  expect((await kata.run(['true'])).code).toBe(0)
  before = hostState(kata.runDir)
})
afterAll(() => kata.close())

const left = () => leftBehind(before, hostState(kata.runDir))
const passwd = () => readFileSync('/etc/passwd', 'utf8')
/** A start that ends after the VMM was made and before guest code ran: the user, its process and its directory are real. */
const untilVmm = { KATA_TS_FAILPOINTS: 'after-take:process=fail' }

test(
  'a uid is free again only after its process, its directory and its account are gone',
  async () => {
    using directory = scratch()
    // A range of one block: whoever starts under it gets this uid or none.
    const base = 2004877312
    const config = `${directory.path}/configuration.toml`
    const range = `rootless_uid_base = ${base}\nrootless_uid_blocks = 1\n`
    writeFileSync(config, hypervisorTable(range))
    const start = () => kata.run(['true'], { flags: ['--config', config], env: untilVmm })
    for (const kind of ['process', 'private-dir', 'account', 'uid-lease']) {
      const reached = `${directory.path}/${kind}`
      const slow = kata.spawn(['run', '--name', `slow-${kind}`, '--config', config, '--', 'true'], {
        env: {
          KATA_TS_FAILPOINTS: `after-take:process=fail,before-release:${kind}=hang`,
          KATA_TS_FAILPOINTS_REACHED: reached,
        },
      })
      const isThere = () =>
        existsSync(reached) && readFileSync(reached, 'utf8').includes(`before-release:${kind}`)
      await eventually(`the teardown to stop before ${kind}`, () => isThere() || undefined)
      expect(await start()).toMatchObject({
        code: 125,
        stderr: expect.stringContaining('[UID_RANGE_EXHAUSTED]'),
      })
      const bundle = `${kata.stateDir}/containers/default/slow-${kind}/bundle`
      process.kill(readShimProcess(bundle)!.pid, 'SIGKILL')
      await slow.exited
      expect((await kata.call(['gc'])).code).toBe(0)
      expect(passwd()).not.toContain(`:${base + 65535}:`)
      // Now it is to be had again: the start comes as far as it was asked to.
      expect((await start()).stderr).toContain('failpoint after-take:process')
    }
    expect(left()).toEqual([])
  },
  slow(180_000),
)

test(
  '50 sandboxes made and removed at once: users of their own, account files whole',
  async () => {
    const names = Array.from({ length: 50 }, (_, index) => `many-${index}`)
    const outcomes = await Promise.all(
      names.map((name) => kata.call(['run', '--name', name, '--', 'true'], { env: untilVmm })),
    )
    // Each of them came as far as its VMM, which a user of its own ran.
    expect(outcomes.filter(({ stderr }) => stderr.includes('failpoint after-take:process'))).toHaveLength(50)
    for (const tool of ['pwck', 'grpck']) {
      const { stdout, stderr } = Bun.spawnSync([tool, '-r'])
      expect(`${stdout}${stderr}`).not.toContain('kata-')
    }
    expect(left()).toEqual([])
  },
  slow(180_000),
)

/** Removes those that sandboxes left; false while a process is in one. */
function removeCgroups(): boolean {
  const paths = left().flatMap((thing) => /^cgroups: (.*)$/.exec(thing)?.[1] ?? [])
  return paths
    .sort()
    .toReversed()
    .every((path) => removeCgroup({ point: '' }, path))
}

test.each(['the first start after it', 'gc'])(
  'a host that goes down in the middle: %s cleans up',
  async (how) => {
    await kata.call(['run', '-d', '--name', 'unlucky', '--', 'sleep', '600'])
    const { sandbox } = await kata.inspect('unlucky')
    const { user, uid, privateDir, shimPid, vmmPid } = sandbox
    const vmm = processRef(vmmPid)!
    // What a power cut leaves: no process, no cgroup, nothing below /run, the accounts in /etc.
    process.kill(shimPid, 'SIGKILL')
    await eventually('the VMM to follow its shim', () => !isAlive(vmm) || undefined)
    await eventually('the cgroups to be empty', () => removeCgroups() || undefined)
    rmSync(privateDir, { recursive: true })
    const shared = ['share', 'swept'].map((name) => `/run/kata-ts/${name}`)
    for (const lost of [`${kata.runDir}/default/unlucky`, `${kata.runDir}/s`, ...shared])
      rmSync(lost, { recursive: true, force: true })
    const aside = `${kata.runDir}.uids`
    renameSync('/run/kata-ts/uids', aside)
    // Disks stay, as those of a boot that is over.
    const disks = `${disksDir}/${bootId()}`
    if (existsSync(disks)) renameSync(disks, `${disksDir}/${crypto.randomUUID()}`)
    try {
      expect(passwd()).toContain(`${user}:x:${uid}:`)
      const helped = how === 'gc' ? await kata.call(['gc']) : await kata.run(['true'])
      expect(helped.code === 0 ? '' : helped.stderr).toBe('')
      expect(passwd()).not.toContain(`${user}:`)
    } finally {
      rmSync(aside, { recursive: true })
    }
    expect((await kata.call(['rm', '-f', 'unlucky'])).code).toBe(0)
    expect(left()).toEqual([])
  },
  slow(60_000),
)
