import { expect, test } from 'bun:test'
import { isAlive, processRef } from '../linux/processes/proc.ts'
import { silentLogger } from '../log.ts'
import { processResource } from './process-resource.ts'

test('ends exactly the process that is named, and has nothing to do for one that never came', async () => {
  const child = Bun.spawn(['/usr/bin/sleep', '60'])
  const ref = processRef(child.pid)!
  await processResource.release({ name: 'vmm', ref: { ...ref, startTime: '1' } }, silentLogger)
  expect(isAlive(ref)).toBe(true)
  await processResource.release({ name: 'vmm', ref }, silentLogger)
  expect(isAlive(ref)).toBe(false)
  await processResource.release({ name: 'vmm' }, silentLogger)
  await child.exited
})
