// test:vmm: every VMM
/** Guest memory of the host's huge pages, which the VMM's user gets without any right to them. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { processesOfUid, readProc, readStatus } from '../src/linux/processes/proc.ts'
import { Pod } from './devices/pod.ts'
import { HugePages } from './harness/host/huge-pages.ts'
import { slow } from './harness/time.ts'
import { vmm } from './harness/vmm.ts'

const memoryMiB = 256
const hugePages = () => {
  const meminfo = readFileSync('/proc/meminfo', 'utf8')
  const field = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(meminfo)?.[1] ?? 0)
  return { free: field('HugePages_Free') - field('HugePages_Rsvd'), sizeKiB: field('Hugepagesize') || 2048 }
}
let pages: HugePages
beforeAll(async () => {
  pages = await HugePages.hold()
}, slow(300_000))
afterAll(() => pages[Symbol.dispose]())

/** Asks the host for so many more than there are; whether it had them. */
function reserve(): boolean {
  const needed = Math.ceil((memoryMiB * 1024) / hugePages().sizeKiB)
  pages.add(needed)
  return hugePages().free >= needed
}

test('without enough of them the start is refused with both numbers', async () => {
  const hungry = { enableHugepages: true, defaultMemory: 1 << 20 }
  await expect(Pod.start(hungry)).rejects.toThrow(/^\[VMM_NO_HUGEPAGES\] the machine needs \d+ huge pages/)
})

test(
  'the guest runs in them and gives them back',
  async () => {
    if (!reserve()) {
      console.log(`skipped: the host has no ${memoryMiB} MiB in huge pages to give`)
      return
    }
    const { free } = hugePages()
    {
      await using pod = await Pod.start({ enableHugepages: true, defaultMemory: memoryMiB })
      expect((await pod.run('true')).status).toBe(0)
      // A VMM that reserves has all of them at once; the others take them as their guest touches them.
      if (vmm.driver === 'qemu') expect(hugePages().free).toBe(0)
      else expect(hugePages().free).toBeLessThan(free)
      const uid = Number(readStatus(`/proc/${pod.sandbox.pid}/status`)!.get('Uid')!.split('\t')[0])
      const maps = processesOfUid(uid).map((pid) => readProc(`/proc/${pid}/smaps`))
      expect(maps.join('\n')).toMatch(/KernelPageSize: +2048 kB(\n.*){1,20}(Private|Shared)_Hugetlb: +[1-9]/)
      // What it has not taken yet is there for nobody else, however free it looks.
      const beside = (free * hugePages().sizeKiB) / 1024 - memoryMiB + 2
      await expect(Pod.start({ enableHugepages: true, defaultMemory: beside })).rejects.toThrow(
        '[VMM_NO_HUGEPAGES]',
      )
    }
    expect(hugePages().free).toBe(free)
  },
  slow(60_000),
)
