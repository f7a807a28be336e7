// test:vmm: qemu, clh
/**
 * A shim that may open few files, and may not raise that (no CAP_SYS_RESOURCE): its file server gets what there is, never more, and what lies
 * beyond is as documented in docs/pod-world.md. The control is a shim as this host starts it.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { readProc, readStatus } from '../src/linux/processes/proc.ts'
import { mostDescriptors } from '../src/sharing/virtiofsd/command.ts'
import { type HostState, hostState, leftBehind } from './harness/host/host.ts'
import { Kata, scratch } from './harness/kata.ts'
import { slow } from './harness/time.ts'
import { auditCode } from './harness/vmm.ts'

setDefaultTimeout(slow(90_000))

const [files, few] = [3000, 2048]
const sysResource = 1n << 24n
const withFew = [
  ...['prlimit', `--nofile=1024:${few}`],
  ...['setpriv', '--bounding-set=-sys_resource', '--inh-caps=-sys_resource', '--'],
]

let kata: Kata
let before: HostState
const area = scratch()

beforeAll(() => {
  for (let index = 1; index <= files; index++) writeFileSync(`${area.path}/f${index}`, '')
  kata = new Kata()
  before = hostState(kata.runDir)
})
afterAll(async () => {
  await kata.close()
  area[Symbol.dispose]()
  expect(leftBehind(before, hostState(kata.runDir))).toEqual([])
})

const hardLimit = (pid: number) =>
  Number(/^Max open files +\S+ +(\d+)/m.exec(readProc(`/proc/${pid}/limits`) ?? '')?.[1])

/** Starts a machine with the files as a volume by a command before `kata-ts`, and counts them in two ways. */
async function look(name: string, prefix: readonly string[]) {
  const run = ['run', '-d', '--name', name, '-v', `${area.path}:/data`, '--', 'sleep', '1000']
  const { exitCode, stderr } = Bun.spawnSync([...prefix, ...kata.command(run)])
  expect({ exitCode, stderr: exitCode === 0 ? '' : stderr.toString() }).toEqual({ exitCode: 0, stderr: '' })
  const { shimPid, virtiofsdPids } = (await kata.inspect(name)).sandbox
  const capabilities = BigInt(`0x${readStatus(`/proc/${shimPid}/status`)?.get('CapEff')}`)
  const inside = async (script: string) =>
    (await kata.call(['exec', name, '--', 'sh', '-c', script])).stdout.trim()
  const result = {
    mayRaise: (capabilities & sysResource) !== 0n,
    limits: [...new Set((virtiofsdPids as number[]).map(hardLimit))],
    listed: Number(await inside('ls /data | wc -l')),
    refused: Number(
      await inside(
        `cd /data; seq 1 ${files} | sed s/^/f/ | xargs stat -c %n 2>&1 | grep -c 'Too many open files in system'`,
      ),
    ),
    audit: (await kata.call(['audit', name])).code,
  }
  await kata.call(['rm', '-f', name])
  return result
}

describe('of a file server whose shim may open', () => {
  test(`${few} files: the listing ends early, and opening one more is ENFILE`, async () => {
    const { listed, refused, ...others } = await look('few', withFew)
    expect(others).toEqual({ mayRaise: false, limits: [few], audit: auditCode })
    expect(listed).toBeGreaterThan(0)
    expect(listed).toBeLessThan(files)
    expect(refused).toBeGreaterThan(0)
  })

  test('as many as this host gives: all is there', async () => {
    const { limits, ...others } = await look('many', [])
    expect(others).toEqual({ mayRaise: others.mayRaise, listed: files, refused: 0, audit: auditCode })
    expect(limits).toEqual([Math.min(limits[0]!, mostDescriptors)])
    expect(limits[0]).toBeGreaterThan(files)
  })
})
