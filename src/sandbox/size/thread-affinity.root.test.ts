import { expect, test } from 'bun:test'
import { sleeperAs } from '../../rootless/test-support.ts'
import { allowedCpus, bindThread } from './thread-affinity.ts'

const isRoot = process.getuid?.() === 0
const uid = 0x6f00_1234

test.skipIf(!isRoot)('a thread of the VMM’s user is bound, and one of another user is refused', async () => {
  const [vmm, other] = [await sleeperAs(uid), await sleeperAs(uid + 1)]
  try {
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
