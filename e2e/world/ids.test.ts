/**
 * Users and groups of a pod, the highest included: virtiofsd stays a user of its own, and a volume's files have in the
 * guest the owners that they have on disk. The pause container runs as Kubernetes' own does; what comes later is not
 * known when the pod is made.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test'
import { chmodSync, chownSync, lstatSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readFacts, type SandboxFacts } from '../../src/sandbox/records/facts.ts'
import { sandboxPaths } from '../../src/sandbox/records/paths.ts'
import { ownDirectory } from '../harness/directories.ts'
import { hostState } from '../harness/host/host.ts'
import { expectNothingLeft } from '../harness/host/nothing-left.ts'
import { scratch } from '../harness/kata.ts'
import { slow } from '../harness/time.ts'
import { bind, Pod } from './pod.ts'

setDefaultTimeout(slow(60_000))

/** Pause, Kubernetes' last, OpenShift's, the last one that the kernel has; and one that the pod was made with. */
const ids = [0, 65534, 65535, 65536, 1_000_660_000, 2_147_483_647, 4_294_967_294, 3_000_000_000]
const withoutPlace = 3_000_000_001
const fsGroup = 1_000_660_001

const area = scratch()
const runDir = ownDirectory('/run/kt-')
const volume = join(area.path, 'volume')
let before: ReturnType<typeof hostState>
let pod: Pod
let facts: SandboxFacts

beforeAll(async () => {
  before = hostState(runDir)
  mkdirSync(join(volume, 'team'), { recursive: true })
  chmodSync(area.path, 0o755)
  chownSync(join(volume, 'team'), 0, fsGroup)
  chmodSync(join(volume, 'team'), 0o2770)
  for (const id of [...ids, withoutPlace]) {
    writeFileSync(join(volume, `${id}`), 'old', { mode: 0o600 })
    chownSync(join(volume, `${id}`), id, id)
  }
  chmodSync(volume, 0o777)
  const user = { uid: 65535, gid: 65535, additionalGids: [3_000_000_000] }
  pod = await Pod.start({ id: 'ids', dir: join(area.path, 'p'), runDir, sandbox: { process: { user } } })
  facts = readFacts(sandboxPaths(runDir, 'k8s.io', 'ids').facts)!
  const app = { uid: 1_000_660_000, gid: 0, additionalGids: [fsGroup] }
  await pod.add('app', { process: { user: app }, mounts: [bind(volume, '/volume')] })
})

afterAll(async () => {
  await pod?.stop()
  rmSync(runDir, { recursive: true })
  area[Symbol.dispose]()
  await expectNothingLeft(before, runDir)
})

test('virtiofsd is a user of its own, whatever the pause container runs as', () => {
  expect(facts.virtiofsdUid).toBe(facts.uid - 65535)
  expect(facts.virtiofsdPids).toHaveLength(4)
  for (const pid of facts.virtiofsdPids)
    expect(readFileSync(`/proc/${pid}/status`, 'utf8')).toContain(`\nUid:\t${facts.virtiofsdUid}\t`)
})

test.each(ids)('%p: its file has its number, is read and written by it, and so are new ones', async (id) => {
  const user = { user: { uid: id, gid: id } }
  const script = `cd /volume; id -u; id -g; stat -c '%u %g' ${id}; cat ${id}; echo new > ${id}; echo > made-${id}`
  const { stdout, stderr, code } = await pod.exec('app', script, user)
  expect({ stdout, stderr, code }).toEqual({ stdout: `${id}\n${id}\n${id} ${id}\nold`, stderr: '', code: 0 })
  expect(readFileSync(join(volume, `${id}`), 'utf8')).toBe('new\n')
  expect(lstatSync(join(volume, `made-${id}`))).toMatchObject({ uid: id, gid: id })
})

test('control: the file of another user is refused', async () => {
  const { stderr } = await pod.exec('app', 'cat /volume/65535')
  expect(stderr).toContain('Permission denied')
})

test("a supplementary group, as fsGroup is one: members write, and what they make is the group's", async () => {
  const { stdout, code } = await pod.exec('app', 'id -G; echo > /volume/team/file')
  expect({ stdout, code }).toEqual({ stdout: `0 ${fsGroup}\n`, code: 0 })
  expect(lstatSync(join(volume, 'team/file'))).toMatchObject({ uid: 1_000_660_000, gid: fsGroup })
  const other = { user: { uid: 1_000_660_000, gid: 0 } }
  expect((await pod.exec('app', 'echo > /volume/team/none', other)).stderr).toContain('Permission denied')
})

test('an id without a place: its files are nobody’s, no file becomes its own, no container runs as it', async () => {
  const root = { user: { uid: 0, gid: 0 } }
  const script = `cd /volume; stat -c %u ${withoutPlace}; echo > mine; chown ${withoutPlace} mine`
  const { stdout, stderr } = await pod.exec('app', script, root)
  expect(stdout).toBe('65534\n')
  expect(stderr).toContain('Invalid argument')
  expect(lstatSync(join(volume, 'mine')).uid).toBe(0)
  const user = { uid: withoutPlace, gid: 0 }
  await expect(pod.add('beyond', { process: { user } })).rejects.toThrow(
    /SHARE_ID_BEYOND.*beyond.*3000000001/,
  )
})

test('the ids that virtiofsd can take are its block and nobody’s', () => {
  for (const file of ['uid_map', 'gid_map']) {
    const lines = readFileSync(`/proc/${facts.virtiofsdPids[1]}/${file}`, 'utf8').trim().split('\n')
    const [block, ...others] = lines.map((line) => line.trim().split(/ +/).map(Number))
    expect(block).toEqual([0, facts.virtiofsdUid, 65535])
    for (const [, outside] of others) expect(outside).toBeGreaterThanOrEqual(2 ** 31)
  }
})
