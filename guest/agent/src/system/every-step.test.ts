import { expect, test } from 'bun:test'
import { everyStep } from './every-step.ts'

test('a step that fails keeps no other one from being taken, and the first failure is told', async () => {
  const taken: string[] = []
  const steps = [
    () => void taken.push('cgroup'),
    () => Promise.reject(new Error('the cgroup stays in use')),
    () => {
      throw new Error('a second one')
    },
    async () => void taken.push('disk'),
  ]
  await expect(everyStep(steps)).rejects.toThrow('the cgroup stays in use')
  expect(taken).toEqual(['cgroup', 'disk'])
})
