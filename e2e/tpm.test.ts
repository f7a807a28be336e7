// test:vmm: qemu
/** A TPM for the guest: a real swtpm, confined like the VMM and a user of its own, used from a container. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { listPids, readProc, readStatus } from '../src/linux/processes/proc.ts'
import type { OciSpec } from '../src/oci/spec.ts'
import { differs } from '../src/rootless/posture/posture-check.ts'
import { auditRecords } from '../src/sandbox/records/audit.ts'
import { Pod } from './devices/pod.ts'
import { type HostState, hostState, leftBehind } from './harness/host/host.ts'
import { slow } from './harness/time.ts'

const bootMs = slow(60_000)
let pod: Pod
let before: HostState

beforeAll(async () => {
  before = hostState('/run/kp-none')
  pod = await Pod.start({ enableTpm: true })
}, bootMs)
afterAll(async () => {
  await pod[Symbol.asyncDispose]()
  expect(leftBehind(before, hostState('/run/kp-none'))).toEqual([])
})

/** As a pod asks for a device by its number. */
const withTpm = (spec: OciSpec): OciSpec => {
  const numbers = { type: 'c', major: 10, minor: 224 }
  const rules = [{ allow: false }, { allow: true, access: 'rwm', ...numbers }]
  const devices = [{ path: '/dev/tpm0', fileMode: 0o600, uid: 0, gid: 0, ...numbers }]
  return { ...spec, linux: { ...spec.linux, devices, resources: { devices: rules } } }
}

/** TPM2_GetRandom of eight bytes (TPM 2.0 library, part 3). */
const getRandom = String.raw`printf '\200\001\000\000\000\014\000\000\001\173\000\010'`

test('a container talks to it', async () => {
  const script = `cat /sys/class/tpm/tpm0/tpm_version_major; exec 3<>/dev/tpm0; ${getRandom} >&3; head -c 20 <&3 | od -An -tx1`
  const { stdout, stderr } = await pod.run(script, {}, withTpm)
  expect(stderr).toBe('')
  const [version, ...answer] = stdout.trim().split(/\s+/)
  expect(version).toBe('2')
  // TPM_ST_NO_SESSIONS, 20 bytes, TPM_RC_SUCCESS, 8 random ones.
  expect(answer.slice(0, 12).join(' ')).toBe('80 01 00 00 00 14 00 00 00 00 00 08')
  expect(answer).toHaveLength(20)
})

test('a container that did not ask for it has none, and cannot make itself one', async () => {
  const { stdout, stderr } = await pod.run('mknod /dev/tpm c 10 224 && echo made; head -c1 /dev/tpm')
  expect(stdout).toBe('made\n')
  expect(stderr).toContain('Operation not permitted')
})

test('the emulator is a user of its own without any right', () => {
  const uidOf = (pid: number) => readStatus(`/proc/${pid}/status`)!.get('Uid')!.split('\t')
  const [pid, ...more] = listPids().filter(
    (pid) => readProc(`/proc/${pid}/comm`)?.trim() === 'swtpm' && isDescendantOfThis(pid),
  )
  expect(more).toEqual([])
  const status = readStatus(`/proc/${pid}/status`)!
  const [uid] = uidOf(pid!)
  expect(uidOf(pid!)).toEqual(Array(4).fill(uid!))
  expect(uid).not.toBe('0')
  expect(uid).not.toBe(uidOf(pod.sandbox.pid)[0])
  expect(status.get('Groups')?.trim()).toBe('')
  for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'])
    expect(status.get(set)).toBe('0000000000000000')
  expect(status.get('NoNewPrivs')).toBe('1')
  expect(Number(status.get('Seccomp_filters'))).toBeGreaterThanOrEqual(2)
  expect(readFileSync(`/proc/${pid}/cmdline`, 'utf8')).not.toContain('path=')
})

test('an audit finds it, and the VMM that it serves, as they were asked to be', async () => {
  const audited = await auditRecords(`${pod.runDir}/test/pod`)
  expect(audited.map(({ name, rows }) => [name, rows.filter(differs)])).toEqual(
    ['swtpm', 'swtpm-waiter', 'virtiofsd', 'virtiofsd-worker', 'vmm', 'vmm-waiter'].map((name) => [name, []]),
  )
})

/** By way of its waiter. */
function isDescendantOfThis(pid: number): boolean {
  return parentOf(parentOf(pid)) === String(process.pid)
}

const parentOf = (pid: number | string) => readStatus(`/proc/${pid}/status`)?.get('PPid') ?? ''
