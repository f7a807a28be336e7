import { beforeEach, expect, test } from 'bun:test'
import { Storage } from '../../../../src/protocol/generated/agent.ts'
import { PodVolumes } from './pod-volumes.ts'

let log: string[]
let volumes: PodVolumes
beforeEach(() => {
  log = []
  volumes = new PodVolumes({
    async mount({ mountPoint }) {
      log.push(`mount ${mountPoint}`)
      await Bun.sleep(1)
      if (mountPoint === '/bad') throw new Error('no')
      return mountPoint
    },
    remount: ({ mountPoint, options }) => log.push(`remount ${mountPoint} ${options.join()}`),
    unmount: (point) => log.push(`unmount ${point}`),
  })
})

const volume = (mountPoint: string, more: object = {}) =>
  Storage.fromPartial({ driver: 'ephemeral', mountPoint, ...more })

test('one that two containers ask for at once is made once, and goes with the pod', async () => {
  await Promise.all([volumes.require(volume('/a')), volumes.require(volume('/a'))])
  await volumes.require(volume('/b'))
  await volumes.require(volume('/a'))
  expect(log).toEqual(['mount /a', 'mount /b'])
  await volumes.release(() => {})
  expect(log.slice(2)).toEqual(['unmount /b', 'unmount /a'])
})

test('one that could not be made fails everybody who asks, and can be asked for again', async () => {
  const asked = await Promise.allSettled([volumes.require(volume('/bad')), volumes.require(volume('/bad'))])
  expect(asked.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  await expect(volumes.require(volume('/bad'))).rejects.toThrow('no')
  expect(log).toEqual(['mount /bad', 'mount /bad'])
  await volumes.release(() => {})
  expect(log).toHaveLength(2)
})

test('only a memory-backed volume that is there gets another size', async () => {
  await volumes.require(volume('/a'))
  volumes.update(volume('/a', { options: ['size=5'] }))
  expect(log).toEqual(['mount /a', 'remount /a size=5'])
  for (const other of [volume('/b'), volume('/a', { driver: 'local' })])
    expect(() => volumes.update(other)).toThrow('no memory-backed volume of this pod')
})

test('what belongs to the pod, and what to a container', () => {
  expect(volumes.owns(volume('/a'))).toBe(true)
  expect(volumes.owns(volume('/a', { driver: 'local' }))).toBe(true)
  expect(volumes.owns(volume('/a', { driver: 'local', options: ['subpath=x'] }))).toBe(false)
  // It lies on the container's own disk, which another of that name has empty again.
  expect(volumes.owns(volume('/run/layers/0a1b/rw/upper', { driver: 'local' }))).toBe(false)
  expect(volumes.owns(volume('/a', { driver: 'blk' }))).toBe(false)
  expect(volumes.owns(volume('/a', { driver: 'blk', shared: true }))).toBe(true)
})

test('a volume that cannot be unmounted keeps no other one mounted, and its failure is told', async () => {
  const failure = new Error('the disk is still in use')
  const unmounted: string[] = []
  const volumes = new PodVolumes<string>({
    mount: async ({ mountPoint }) => mountPoint,
    remount: () => {},
    unmount: (mountPoint) => {
      if (mountPoint === '/busy') throw failure
      unmounted.push(mountPoint)
    },
  })
  for (const mountPoint of ['/first', '/busy']) await volumes.require(Storage.fromPartial({ mountPoint }))
  const reports: unknown[] = []
  await volumes.release((error) => void reports.push(error))
  expect({ unmounted, reports }).toEqual({ unmounted: ['/first'], reports: [failure] })
})
