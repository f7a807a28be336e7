/**
 * The smoke of `npm test`: a host with a real KVM is built and booted, one container runs on it, its VMM is read back, and nothing is
 * left. There is no time limit but the lab host's own: it is waited for as long as it goes on.
 */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { createProgress } from '../../src/guest-image/progress.ts'
import type { AuditedProcess } from '../../src/sandbox/records/audit.ts'
import { runningLab, stopLab } from '../machine/host.ts'
import { mustInLab } from '../machine/ssh.ts'
import { twiceAtMost } from '../machine/trouble.ts'
import { up } from '../up.ts'

const wasRunning = runningLab() !== undefined
const limitMs = 60 * 60_000
const progress = createProgress(process.stderr)
const waits: string[] = []

async function timed<T>(what: string, work: () => Promise<T>): Promise<T> {
  const since = performance.now()
  const result = await work()
  waits.push(`${what} ${((performance.now() - since) / 1000).toFixed(0)} s`)
  return result
}
const again = (reason: string) => {
  waits.push(`tried once more: ${reason}`)
  console.log(`tried once more: ${reason}`)
}

beforeAll(() => timed('lab host up', () => up(progress)), limitMs)
afterAll(async () => {
  if (!wasRunning) await stopLab()
  console.log(`lab smoke waited for: ${waits.join('; ')}`)
}, limitMs)

/** A sandbox that runs; one that did not come up leaves nothing in the way of the next try. */
async function start(): Promise<{ accelerator: string; vmmPid: number; uid: number }> {
  await up(progress)
  await mustInLab('kata-ts rm -f smoke 2>/dev/null; kata-ts run -d --name smoke -- sleep 3000')
  const [document] = JSON.parse(await mustInLab('kata-ts inspect smoke'))
  return document.sandbox
}

test(
  'a container runs under KVM with a network, its VMM is the user that was promised, and nothing of it is left',
  async () => {
    const sandbox = await timed('container', () => twiceAtMost(start, again))
    expect(sandbox.accelerator).toBe('kvm')
    const flags = await mustInLab('kata-ts exec smoke -- grep -m1 ^flags /proc/cpuinfo')
    expect(flags).toContain(' hypervisor ')

    // Debian's kernel brings AppArmor. Its profile of pasta would let none of ours make a network.
    expect(await mustInLab('cat /sys/kernel/security/apparmor/profiles')).toContain('pasta (enforce)')
    expect(await mustInLab('kata-ts exec smoke -- ip address show eth0')).toContain('inet ')

    const status = await mustInLab(`cat /proc/${sandbox.vmmPid}/status`)
    const field = (name: string) => new RegExp(`^${name}:\\s+(.*)$`, 'm').exec(status)?.[1]?.trim()
    expect(field('Uid')).toBe(Array(4).fill(sandbox.uid).join('\t'))
    expect(field('Groups')).toBe((await mustInLab('stat -c %g /dev/kvm')).trim())
    for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'])
      expect(field(set)).toBe('0000000000000000')
    expect(field('NoNewPrivs')).toBe('1')
    expect(field('Seccomp')).toBe('2')
    const [audited] = JSON.parse(await mustInLab('kata-ts audit smoke --format json')) as {
      processes: AuditedProcess[]
    }[]
    for (const { name, rows } of audited!.processes)
      expect({ name, rows: rows.filter((row) => row.expected !== row.actual) }).toEqual({ name, rows: [] })

    await timed('end', () => mustInLab('kata-ts rm -f smoke'))
    const left = `pgrep -l 'qemu-system|virtiofsd|containerd-shim'
getent passwd | grep '^kata-[0-9]'
ls /run/user | grep -v '^0$'
ls /run/kata-ts/uids`
    expect(await mustInLab(`{ ${left}\n} 2>/dev/null || true`)).toBe('')
  },
  limitMs,
)
