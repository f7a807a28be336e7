/**
 * What an idle pod costs beside its containers, for the overhead of the RuntimeClasses: memory by process, processor time, and
 * what each of the two places of `sandbox_cgroup_only` counts to the pod, idle and after its container has written a file.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { vcpuThreads } from '../src/cgroups/placement.ts'
import { cgroupDirectory, cgroupHierarchies, cgroupOf, hierarchyOf } from '../src/linux/cgroups/cgroup.ts'
import type { Host } from './host.ts'
import { mib, type Result } from './report.ts'
import { readMemory } from './smaps.ts'

/** The guest's last start work is over by then. */
const settleMs = 5000
/** How long processor time is counted. */
const windowMs = 30_000
const writtenMB = 300
/** sysconf(_SC_CLK_TCK) of Linux on x86-64. */
const tickMs = 10

interface Overhead {
  /** KiB, each page divided among those that share it. */
  readonly pss: Readonly<Record<string, number>>
  /** Thousandths of a processor, each process. */
  readonly milliCpus: Readonly<Record<string, number>>
  readonly counted: { readonly idle: Counted; readonly written: Counted }
}

/** KiB, by cgroup; undefined where no memory is counted. */
interface Counted {
  readonly pod: number | undefined
  readonly overhead: number | undefined
}

export async function benchOverhead(host: Host): Promise<Result> {
  const together = await measure(host, true)
  const apart = await measure(host, false)
  const names = Object.keys(together.pss)
  const kib = (value: number | undefined) => (value === undefined ? '' : mib(value))
  const row = (label: string, key: 'idle' | 'written'): string[] => [
    label,
    kib(together.counted[key].pod),
    kib(apart.counted[key].pod),
    kib(apart.counted[key].overhead),
  ]
  const sum = (values: Readonly<Record<string, number>>) => Object.values(values).reduce((a, b) => a + b, 0)
  return {
    name: 'overhead',
    what: `what an idle pod costs beside its containers, over ${windowMs / 1000} s`,
    tables: [
      {
        header: ['', 'PSS', 'of a processor'],
        rows: [
          ...names.map((name) => [name, mib(together.pss[name]!), thousandths(together.milliCpus[name]!)]),
          ['all', mib(sum(together.pss)), thousandths(sum(together.milliCpus))],
        ],
      },
      {
        header: ['sandbox_cgroup_only', 'true: pod', 'false: pod', 'false: kata_overhead'],
        rows: [row('idle', 'idle'), row(`after a file of ${writtenMB} MB was written`, 'written')],
      },
    ],
    notes: [],
    data: { unit: 'KiB', together, apart },
  }
}

async function measure(host: Host, only: boolean): Promise<Overhead> {
  const name = only ? 'together' : 'apart'
  const config = `${host.stateDir}/${name}.toml`
  const runtime = `[runtime]\nsandbox_cgroup_only = ${only}\n`
  writeFileSync(config, `[hypervisor.qemu]\naccelerator = "auto"\n${runtime}`)
  await host.startIdle(name, ['--config', config])
  await Bun.sleep(settleMs)
  const { shimPid, vmmPid, virtiofsdPids } = host.facts(name)
  const processes = Object.entries({ shim: [shimPid], VMM: [vmmPid], virtiofsd: virtiofsdPids })
  const each = (read: (pid: number) => number) =>
    Object.fromEntries(processes.map(([role, pids]) => [role, pids.map(read).reduce((a, b) => a + b, 0)]))
  const pss = each((pid) => Object.values(readMemory(pid)).reduce((all, memory) => all + memory.pss, 0))
  const counts = () => ({
    pod: countedTo(vcpuThreads(vmmPid)[0] ?? vmmPid),
    overhead: only ? undefined : countedTo(shimPid),
  })
  const idle = counts()
  const before = each(ticksOf)
  await Bun.sleep(windowMs)
  const after = each(ticksOf)
  const milliCpus = Object.fromEntries(
    Object.keys(after).map((role) => [role, ((after[role]! - before[role]!) * tickMs * 1000) / windowMs]),
  )
  const command = ['dd', 'if=/dev/zero', 'of=/bench-file', 'bs=1M', `count=${writtenMB}`]
  await host.must(['exec', name, '--', ...command])
  const written = counts()
  await host.must(['rm', '-f', name])
  return { pss, milliCpus, counted: { idle, written } }
}

const thousandths = (value: number) => `${Math.round(value)}m`

/** User and system time of a process: fields 14 and 15 of proc_pid_stat(5), counted from behind its name. */
function ticksOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ')
  return Number(fields[11]) + Number(fields[12])
}

/** What the kernel counts to the cgroup of a thread, which in version 1 may be another than its process's. */
function countedTo(tid: number): number | undefined {
  const hierarchy = hierarchyOf(cgroupHierarchies(), 'memory')
  const path = hierarchy && cgroupOf(tid, hierarchy)
  if (path === undefined || path === '/') return undefined
  const file = hierarchy!.version === 2 ? 'memory.current' : 'memory.usage_in_bytes'
  return Math.round(Number(readFileSync(`${cgroupDirectory(hierarchy!, path)}/${file}`, 'utf8')) / 1024)
}
