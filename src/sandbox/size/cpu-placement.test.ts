import { expect, test } from 'bun:test'
import { createLogger } from '../../log.ts'
import { CpuPlacement } from './cpu-placement.ts'

/** A machine with two processors, threads 100 and 101. */
function machine({ pin = true, failing = '' } = {}) {
  const said: string[] = []
  const warned: string[] = []
  const threads = [100, 101]
  let free = '0-7'
  const placement = new CpuPlacement({
    pin,
    confine: ({ cpus, mems }) => {
      said.push(`confine ${cpus} ${mems}`.trim())
      if (failing === 'confine' || cpus.includes(99)) throw new Error('no such processor')
      // As under version 2 of cgroups, where all threads are in the cgroup.
      free = cpus.length === 0 ? '0-7' : `${cpus}`
    },
    threads: () => threads,
    everywhere: () => free,
    bind: async (tid, cpus) => {
      if (failing === 'bind') throw new Error('EPERM')
      said.push(`${tid} on ${cpus}`)
    },
    log: createLogger({ sink: ({ level, message }) => void (level === 'warn' && warned.push(message)) }),
  })
  const cpus = (list: string, mems = '') => ({ cpu: { cpus: list, mems } })
  return { placement, threads, warned, cpus, said: () => said.splice(0) }
}

test('the sandbox is where its containers are together, each vCPU on one processor if there are as many', async () => {
  const { placement, threads, cpus, said } = machine()
  await placement.place('pause')
  expect(said()).toEqual([])
  await placement.place('a', cpus('4', '0'))
  expect(said()).toEqual(['confine 4 0'])
  await placement.place('b', cpus('2'))
  expect(said()).toEqual(['confine 2,4 0', '100 on 2', '101 on 4'])
  threads.push(102)
  await placement.place('b', cpus('2'))
  expect(said()).toEqual(['confine 2,4 0', '100 on 0-7', '101 on 0-7', '102 on 0-7'])
  await placement.place('b', cpus('2-3'))
  expect(said()).toEqual(['confine 2,3,4 0', '100 on 2', '101 on 3', '102 on 4'])
  for (const id of ['a', 'b', 'b']) await placement.forget(id)
  expect(said()).toEqual(['confine 2,3', ...['100', '101', '102'].map((tid) => `${tid} on 0-7`), 'confine'])
})

test('when the machine has given processors back, those that are left are pinned', async () => {
  const { placement, threads, cpus, said } = machine()
  threads.push(102)
  await placement.place('a', cpus('4'))
  await placement.place('b', cpus('2,3'))
  await placement.forget('a')
  expect(said().slice(-4)).toEqual(['confine 2,3', ...['100', '101', '102'].map((tid) => `${tid} on 0-7`)])
  threads.pop()
  await placement.placeAgain()
  expect(said()).toEqual(['confine 2,3', '100 on 2', '101 on 3'])
})

test('without the key nothing is pinned', async () => {
  const { placement, cpus, said } = machine({ pin: false })
  await placement.place('a', cpus('0-1'))
  expect(said()).toEqual(['confine 0,1'])
})

test('a container that asks for what cannot be is refused, and does not count', async () => {
  const { placement, cpus, said } = machine()
  await expect(placement.place('a', cpus('x'))).rejects.toThrow('[CPUSET_INVALID]')
  expect(said()).toEqual([])
  const failing = machine({ failing: 'confine' })
  await expect(failing.placement.place('a', cpus('9'))).rejects.toThrow('no such processor')
  await failing.placement.forget('a')
  expect(failing.said()).toEqual(['confine 9'])
})

test('processors that are refused count for no other container that comes or goes at the same time', async () => {
  const { placement, cpus, said } = machine({ pin: false })
  await placement.place('a', cpus('0'))
  const asked = [placement.place('b', cpus('1')), placement.place('a', cpus('99')), placement.forget('a')]
  const outcomes = await Promise.allSettled(asked)
  expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
  expect(said()).toEqual(['confine 0', 'confine 0,1', 'confine 1,99', 'confine 1'])
})

test('a thread that cannot be pinned is a warning: the machine runs on', async () => {
  const { placement, warned, cpus } = machine({ failing: 'bind' })
  await placement.place('a', cpus('0-1'))
  expect(warned).toEqual(['vCPUs cannot be pinned'])
})
