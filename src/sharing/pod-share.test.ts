import { afterAll, beforeAll, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { createPodShare, guardWritable, type IsGuarded } from './pod-share.ts'
import type { BindRequest, HostShare, VolumeShare } from './share.ts'

const kubelet = '/var/lib/kubelet'
let base: string
beforeAll(() => {
  base = mkdtempSync('/tmp/kata-ts-pod-share-')
  for (const path of ['scratch/deep/er', 'scratch-not', 'other'])
    mkdirSync(`${base}/${path}`, { recursive: true })
})
afterAll(() => rmSync(base, { recursive: true }))

const bind = (source: string, more: Partial<BindRequest> = {}): BindRequest => ({
  source,
  destination: '/d',
  readonly: false,
  recursive: true,
  ...more,
})

test('what the guest may write is guarded, and what it only reads is not', () => {
  const isGuarded = guardWritable([], kubelet)
  expect(isGuarded('c', bind(base))).toBe(true)
  expect(isGuarded('c', bind(base, { readonly: true }))).toBe(false)
})

test('a read-only volume that follows the mounts of the host is guarded: a later one may be writable', () => {
  expect(guardWritable([], kubelet)('c', bind(base, { readonly: true, follow: true }))).toBe(true)
})

test.each([
  ['the directory itself', '/scratch', '/scratch', false],
  ['one with a slash at its end', '/scratch/', '/scratch', false],
  ['what lies below', '/scratch', '/scratch/deep/er', false],
  ['a pattern', '/*/deep', '/scratch/deep/er', false],
  ['a name that only begins like it', '/scratch', '/scratch-not', true],
  ['what lies above', '/scratch/deep', '/scratch', true],
  ['a star does not reach across directories', '/*/er', '/scratch/deep/er', true],
  ['nor do two', '/**/er', '/scratch/deep/er', true],
])('of the listed directories %s counts', (_, pattern, source, guarded) => {
  expect(guardWritable([`${base}${pattern}`], kubelet)('c', bind(`${base}${source}`))).toBe(guarded)
})

test('the empty entry of a template allows nothing, the root everything', () => {
  expect(guardWritable([''], kubelet)('c', bind(base))).toBe(true)
  expect(guardWritable(['/'], kubelet)('c', bind(base))).toBe(false)
})

test('a source that is not there is refused by its name, when it is looked at', () => {
  expect(() => guardWritable([], kubelet)('c', bind(`${base}/none`))).toThrow(
    /^\[SHARE_SOURCE_MISSING\].*none/,
  )
})

/** Both shares of a pod, and the requests that they got. */
function pod(isGuarded: IsGuarded, kind: 'volumes' | 'failing' | 'none' = 'volumes') {
  const asked: string[] = []
  const [endFirst, endVolumes] = [Promise.withResolvers<never>(), Promise.withResolvers<never>()]
  const part = (name: string, exited: Promise<never>) => ({
    tag: name,
    guestPath: `/${name}`,
    exited,
    connect: () => 0,
    addBind: async (id: string, { source }: BindRequest) => {
      asked.push(`${name} bind ${id} ${source}`)
      return `/${name}`
    },
    removeContainer: async (id: string) => {
      asked.push(`${name} remove ${id}`)
      if (name === 'volumes' && kind === 'failing') throw new Error('the mount is busy')
    },
  })
  const first: HostShare = {
    ...part('first', endFirst.promise),
    idMap: undefined,
    addWatched: async () => '/first/watchable',
    streamBuffer: undefined,
    addRootfs: async (id) => ({ path: `/first/${id}`, storages: [] }),
  }
  const volumes: VolumeShare = part('volumes', endVolumes.promise)
  const share = createPodShare({ first, volumes: kind === 'none' ? undefined : volumes, isGuarded })
  return { share, asked, endFirst, endVolumes }
}

test('root file systems and what is not guarded go to the first share, the rest to that of volumes', async () => {
  const { share, asked } = pod((_, { source }) => source === '/w')
  expect((await share.addRootfs('c', [])).path).toBe('/first/c')
  expect(await share.addWatched?.()).toBe('/first/watchable')
  expect(await share.addBind('c', bind('/r'))).toBe('/first')
  expect(await share.addBind('c', bind('/w'))).toBe('/volumes')
  await share.removeContainer('c')
  expect(asked).toEqual(['first bind c /r', 'volumes bind c /w', 'volumes remove c', 'first remove c'])
})

test('volumes that cannot be released do not keep the root file system', async () => {
  const { share, asked } = pod(() => true, 'failing')
  await expect(share.removeContainer('c')).rejects.toThrow('the mount is busy')
  expect(asked).toEqual(['volumes remove c', 'first remove c'])
})

test('a guarded volume of a pod without that share is refused, and never goes to the first', async () => {
  const { share, asked } = pod(() => true, 'none')
  await expect(share.addBind('c', bind('/w'))).rejects.toThrow(/^\[SHARE_NO_VOLUMES\] container c .*\/w/)
  expect(asked).toEqual([])
})

test.each(['endFirst', 'endVolumes'] as const)(
  'the end of either daemon is that of the share: %s',
  async (end) => {
    const { share, ...ends } = pod(() => true)
    const exit = { code: null, signal: 'SIGKILL' } as const
    ends[end].resolve(exit as never)
    expect(await share.exited).toEqual(exit)
  },
)
