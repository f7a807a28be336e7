import { expect, test } from 'bun:test'
import { processesOfUid } from '../../linux/processes/proc.ts'
import { sleeperAs } from '../../rootless/test-support.ts'
import { until } from '../../time.ts'
import { allowedCpus, bindThread } from './thread-affinity.ts'

const isRoot = process.getuid?.() === 0
const uid = 0x7f00_1234

test.skipIf(!isRoot)('a thread of the VMM’s user is bound, and one of another user is refused', async () => {
  const [vmm, other] = [sleeperAs(uid), sleeperAs(uid + 1)]
  try {
    const are = (id: number) => processesOfUid(id).length > 0
    await until(() => are(uid) && are(uid + 1), { timeoutMs: 5000 })
    const everywhere = allowedCpus(other.pid)
    await bindThread(vmm.pid, vmm.pid, '0')
    expect(allowedCpus(vmm.pid)).toBe('0')
    for (const pid of [other.pid, process.pid])
      await expect(bindThread(vmm.pid, pid, '0')).rejects.toThrow('Operation not permitted')
    expect(allowedCpus(other.pid)).toBe(everywhere)
    await bindThread(vmm.pid, vmm.pid, everywhere)
    expect(allowedCpus(vmm.pid)).toBe(everywhere)
    await expect(bindThread(vmm.pid, vmm.pid, '8000')).rejects.toThrow(/taskset of thread \d+ to 8000: /)
  } finally {
    for (const child of [vmm, other]) child.kill('SIGKILL')
  }
})
