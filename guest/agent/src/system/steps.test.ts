import { expect, test } from 'bun:test'
import { Steps } from './steps.ts'

test('a step that fails keeps no other one from being taken, and the first failure is told', async () => {
  const taken: string[] = []
  const steps = new Steps([
    () => void taken.push('cgroup'),
    () => Promise.reject(new Error('the cgroup stays in use')),
    () => {
      throw new Error('a second one')
    },
    async () => void taken.push('disk'),
  ])
  await expect(steps.take()).rejects.toThrow('the cgroup stays in use')
  expect(taken).toEqual(['cgroup', 'disk'])
})

test('steps that failed are taken again, and those that were taken are not', async () => {
  const taken: string[] = []
  let isBusy = true
  const steps = new Steps([
    () => void taken.push('cgroup'),
    () => {
      if (isBusy) throw new Error('the disk is in use')
      taken.push('disk')
    },
  ])
  await expect(steps.take()).rejects.toThrow('the disk is in use')
  isBusy = false
  await steps.take()
  await steps.take()
  expect(taken).toEqual(['cgroup', 'disk'])
})
