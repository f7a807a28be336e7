/** Memory of each process of one idle sandbox, and of the agent inside the guest. */
import { type BareGuest, bootBare } from './bare.ts'
import { type CgroupMemory, oneCgroupConfiguration, readCgroupMemory } from './cgroup-memory.ts'
import type { Host } from './host.ts'
import { mib, type Result } from './report.ts'
import { type Memory, nothing, readMemory, type SplitMemory, sum } from './smaps.ts'

/** The guest's last start work is over by then. */
const settleMs = 2000

export async function benchMemory(host: Host, guest: BareGuest): Promise<Result> {
  await host.startIdle('idle', ['--config', oneCgroupConfiguration(host.stateDir)])
  await Bun.sleep(settleMs)
  const { shimPid, vmmPid, virtiofsdPids, memoryMiB } = host.facts('idle')
  const split: Record<string, SplitMemory> = { shim: readMemory(shimPid), QEMU: readMemory(vmmPid) }
  virtiofsdPids.forEach((pid, i) => {
    split[i === 0 ? 'virtiofsd' : 'virtiofsd worker'] = readMemory(pid)
  })
  const counted = readCgroupMemory(host, 'idle')
  await host.must(['rm', '-f', 'idle'])
  const agentBytes = await agentMemory(guest)
  const row = (name: string, { rss, pss, private: alone }: Memory) => [name, mib(rss), mib(pss), mib(alone)]
  const own = Object.entries(split).map(([name, { own }]): [string, Memory] => [name, own])
  const { translated, bootFiles } = split.QEMU!
  const inGuest = Object.values(split).reduce((total, { guest }) => sum(total, guest), nothing)
  const all = [...own.map(([, memory]) => memory), translated, bootFiles].reduce(sum)
  return {
    name: 'memory',
    what: `an idle sandbox with ${memoryMiB} MiB, after ${settleMs / 1000} s`,
    tables: [
      {
        header: ['', 'RSS', 'PSS', 'private'],
        rows: [
          ...own.map(([name, memory]) => row(name, memory)),
          row('QEMU: translated guest code', translated),
          row('QEMU: kernel and initrd files', bootFiles),
          row('sum without the guest', all),
          row('what the guest uses, in QEMU', split.QEMU!.guest),
          ['what the guest uses, in all', '', mib(inGuest.pss), ''],
        ],
      },
      ...(counted === undefined ? [] : [cgroupTable(counted)]),
    ],
    notes: [`the guest agent's own resident memory (inside the guest's): ${mib(agentBytes / 1024)}`],
    data: { unit: 'KiB', memoryMiB, processes: split, cgroup: counted, agentResidentBytes: agentBytes },
  }
}

function cgroupTable({ usage, anonymous, shared, files, kernel }: CgroupMemory) {
  const row = (name: string, kib: number) => [name, mib(kib)]
  return {
    header: ['counted to the cgroup', ''],
    rows: [
      row('programs and translated guest code', anonymous),
      row("the guest's memory", shared),
      row('files', files),
      row('kernel', kernel),
      row('all, which a limit is compared with', usage),
    ],
  }
}

/** Asked of the same agent in a bare machine: that of a sandbox talks to its shim alone. */
async function agentMemory(guest: BareGuest): Promise<number> {
  let metrics = ''
  await bootBare(guest, async ({ agent }) => {
    metrics = (await agent.getMetrics({})).metrics
  })
  const value = /^kata_agent_total_rss (\d+)$/m.exec(metrics)?.[1]
  if (value === undefined) throw new Error('the agent tells no kata_agent_total_rss')
  return Number(value)
}
