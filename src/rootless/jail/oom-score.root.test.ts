import { afterEach, beforeEach, expect, test } from 'bun:test'
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { capabilityMask } from '../../linux/processes/capabilities.ts'
import { readOomScore, writeOomScore } from '../../linux/processes/oom-score.ts'
import { readStatus } from '../../linux/processes/proc.ts'
import { silentLogger } from '../../log.ts'
import { baseSyscalls } from '../filters/base-syscalls.ts'
import { launch } from './jail.ts'
import { takeShimScore } from './oom-score.ts'

/** What whoever starts a sandbox may have, and an ordinary child of his then has. */
const inherited = 321
const before = readOomScore('self')!
let stateDir: string
beforeEach(() => {
  stateDir = mkdtempSync(`${tmpdir()}/oom-`)
  expect(writeOomScore('self', inherited)).toBe(true)
})
afterEach(() => {
  writeOomScore('self', before)
  rmSync(stateDir, { recursive: true })
})

const effective = BigInt(`0x${readStatus('/proc/self/status')!.get('CapEff')}`)
const mayLower = (effective & capabilityMask(['sys_resource'])) !== 0n

test('what is jailed begins with 0, whatever its parent has', async () => {
  const output = openSync('/dev/null', 'a')
  const uid = 0x6f000000 + 65535
  const identity = { name: 'kata-0', uid, gid: uid, groups: [] }
  const given = { identity, paths: [], fds: [], output, stateDir, syscalls: { allowed: baseSyscalls } }
  const spec = { program: '/usr/bin/sleep', args: ['1000'], ...given }
  const jailed = await launch(spec, silentLogger)
  const control = Bun.spawn(['sleep', '1000'])
  const scores = [jailed.ref.pid, control.pid].map(readOomScore)
  process.kill(jailed.ref.pid, 'SIGKILL')
  control.kill()
  await Promise.all([jailed.exited, control.exited])
  closeSync(output)
  expect(scores).toEqual([0, inherited])
})

test('a shim has one above containerd’s, or 0 where the host allows no less', () => {
  takeShimScore()
  expect(readOomScore('self')).toBe(mayLower ? -998 : 0)
})
