/** What a container that begins with a saved machine takes over, and what is left of one that cannot begin. */
import { afterEach, beforeEach, expect, test } from 'bun:test'
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bundleFile } from '../../../bundle/files.ts'
import { type PublishedPort, readNetworkWishes, writeNetworkWishes } from '../../../bundle/network.ts'
import { digestOf } from '../../../linux/files/sparse-file.ts'
import type { Settings } from '../../settings.ts'
import { removeNetwork } from '../networks/place.ts'
import { createNetwork } from '../networks/store.ts'
import {
  type ContainerRecord,
  createRecord,
  listRecords,
  readRecord,
  recordPaths,
  removeRecord,
} from '../record.ts'
import { copyDisk, newContainer, orForget } from './new-container.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'kata-ts-new-container-'))
})
afterEach(() => rmSync(directory, { recursive: true }))

const always = new AbortController().signal

/** A disk that was saved, and what was written down of it. */
async function savedDisk(bytes: Buffer | string) {
  const from = `${directory}/from`
  writeFileSync(from, bytes)
  const fd = openSync(from, 'r')
  try {
    return { from, recorded: await digestOf(fd, always) }
  } finally {
    closeSync(fd)
  }
}

test('a disk has its name once it is whole, and a copy that is given up leaves nothing', async () => {
  // Large enough for a copy to pause in.
  const bytes = Buffer.alloc(20 * 2 ** 20, 'x')
  const disk = await savedDisk(bytes)
  const giveUp = new AbortController()
  const copy = copyDisk(disk, `${directory}/to`, giveUp.signal)
  expect(readdirSync(directory).sort()).toEqual(['from', 'to.new'])
  giveUp.abort(new Error('given up'))
  await expect(copy).rejects.toThrow('given up')
  expect(readdirSync(directory)).toEqual(['from'])
  await copyDisk(disk, `${directory}/to`, always)
  expect(readdirSync(directory).sort()).toEqual(['from', 'to'])
  expect(readFileSync(`${directory}/to`).equals(bytes)).toBe(true)
})

test.each<[string, () => void, string]>([
  ['changed', () => writeFileSync(`${directory}/from`, 'not those'), 'its digest is not the recorded one'],
  [
    'longer',
    () => writeFileSync(`${directory}/from`, 'the files and more'),
    'it has 18 bytes, recorded are 9',
  ],
  ['gone', () => rmSync(`${directory}/from`), 'it is not there'],
])('a disk that is %s since its snapshot was looked at begins no container', async (_, change, reason) => {
  const disk = await savedDisk('the files')
  change()
  await expect(copyDisk(disk, `${directory}/to`, always)).rejects.toMatchObject({
    code: 'CHECKPOINT_DAMAGED',
    fields: { path: disk.from, reason },
  })
  expect(readdirSync(directory).filter((name) => name !== 'from')).toEqual([])
})

test('a disk that cannot be read is named, and not its copy', async () => {
  // The kernel has 4096 bytes there, and no speed to read.
  const from = '/sys/class/net/lo/speed'
  const recorded = { bytes: 4096, sha256: '' }
  await expect(copyDisk({ from, recorded }, `${directory}/to`, always)).rejects.toMatchObject({
    code: 'EINVAL',
    syscall: 'read',
    path: from,
  })
  expect(readdirSync(directory)).toEqual([])
})

test('so is one that cannot be searched for data', async () => {
  const { recorded } = await savedDisk('x')
  // A directory of a tmpfs has a size, and no data that lseek(2) finds.
  const copy = copyDisk({ from: '/dev', recorded }, `${directory}/to`, always)
  await expect(copy).rejects.toThrow('lseek to the next data of /dev failed: EINVAL')
  expect(readdirSync(directory)).toEqual(['from'])
})

const record: ContainerRecord = {
  id: 'web',
  namespace: 'default',
  command: ['true'],
  image: 'busybox',
  layers: [],
  bootId: 'b',
  createdAt: '2026-01-01T00:00:00.000Z',
  status: 'running',
  terminal: false,
  detached: false,
  autoRemove: false,
}
const settings = () => ({ stateDir: directory, namespace: 'default' }) as Settings

test('a name whose bundle cannot be made is free again', async () => {
  const bundle = `${directory}/bundle`
  mkdirSync(bundle)
  // What gc has to know of it when its client is killed.
  expect(await newContainer(settings(), { record, bundle }, 'whole')).toMatchObject({ beginsSaved: true })
  // No file, which cannot be copied as one.
  mkdirSync(bundleFile(bundle, 'spec'))
  await expect(newContainer(settings(), { record, bundle }, 'half')).rejects.toThrow()
  expect(listRecords(directory, 'default')).toEqual(['whole'])
})

/** Whether parts of the file have no place on the disk yet, as ext4 and xfs show it. */
const isPending = (path: string) =>
  Bun.spawnSync(['/usr/sbin/filefrag', '-v', path]).stdout.toString().includes('delalloc')

test('what the container is started by again is on the disk with its record', async () => {
  const bundle = `${directory}/bundle`
  mkdirSync(bundle)
  const kept = ['spec', 'overrides'] as const
  for (const file of kept) writeFileSync(bundleFile(bundle, file), `{"of":"${file}"}`)
  // The control: without a flush it is not, where the file system allocates late.
  if (!isPending(bundleFile(bundle, 'spec'))) return
  await newContainer(settings(), { record, bundle }, 'fork')
  const { bundle: own } = recordPaths(directory, 'default', 'fork')
  expect(kept.filter((file) => isPending(bundleFile(own, file)))).toEqual([])
  for (const file of kept) expect(readFileSync(bundleFile(own, file), 'utf8')).toBe(`{"of":"${file}"}`)
})

test('on a network that is internal by now, a container has no way outside, whatever the one had that was saved', async () => {
  const bundle = `${directory}/bundle`
  mkdirSync(bundle)
  const place = { network: 'front', address: '10.89.0.2', bits: 24, gateway: '10.89.0.1', names: ['web'] }
  writeNetworkWishes(bundle, { ports: [], place, mac: '02:42:0a:59:00:02' })
  const outcome = async (internal: boolean, id: string, ports: readonly PublishedPort[] = []) => {
    await createNetwork(settings(), 'front', { labels: {}, internal })
    await newContainer(settings(), { record, bundle }, id, { ports })
    const { directory: made, bundle: own } = recordPaths(directory, 'default', id)
    const { allowed } = readNetworkWishes(own)!
    rmSync(made, { recursive: true })
    await removeNetwork(settings(), 'front')
    return allowed
  }
  expect(await outcome(false, 'one')).toBeUndefined()
  expect(await outcome(true, 'two')).toEqual([])
  const ports = [{ host: 8080, container: 80, protocol: 'tcp' }] as const
  await expect(outcome(true, 'three', ports)).rejects.toThrow(/^\[OPTION_CONFLICT\].*internal/)
  expect(listRecords(directory, 'default')).toEqual([])
})

test('the name of the saved container is not taken over, not even one that a killed rename left; aliases are', async () => {
  const bundle = `${directory}/bundle`
  mkdirSync(bundle)
  await createNetwork(settings(), 'front', { labels: {}, internal: false })
  const place = { network: 'front', address: '10.89.0.2', bits: 24, gateway: '10.89.0.1' }
  writeNetworkWishes(bundle, { ports: [], place: { ...place, names: ['old', 'alias'] } })
  await newContainer(settings(), { record, bundle }, 'Fork')
  const { bundle: own } = recordPaths(directory, 'default', 'Fork')
  expect(readNetworkWishes(own)?.place?.names).toEqual(['fork', 'alias'])
})

test('a container that cannot begin leaves nothing, with what it had copied', async () => {
  const made = { ...record, id: 'new' }
  const { directory: own } = createRecord(directory, made)
  expect(await orForget(settings(), made, () => 7)).toBe(7)
  expect(listRecords(directory, 'default')).toEqual(['new'])
  const work = async () => {
    writeFileSync(`${own}/written.img`, 'files')
    throw new Error('no room')
  }
  await expect(orForget(settings(), made, work)).rejects.toThrow('no room')
  expect(readdirSync(`${directory}/containers/default`)).toEqual([])
})

test('one that was removed meanwhile is told as that, and takes nothing from another one of its name', async () => {
  const made = { ...record, id: 'new' }
  const { directory: own } = createRecord(directory, made)
  const another = { ...made, createdAt: '2026-01-01T00:00:09.000Z' }
  const given = {
    code: 'START_GIVEN_UP',
    fields: { id: 'new', reason: 'its container was removed meanwhile' },
  }
  const copying = (next: () => unknown) =>
    orForget(settings(), made, async () => {
      await removeRecord(directory, 'default', 'new')
      next()
      renameSync(`${own}/suspended/disk`, `${own}/written.img`)
    })
  await expect(copying(() => {})).rejects.toMatchObject(given)
  createRecord(directory, made)
  await expect(copying(() => createRecord(directory, another))).rejects.toMatchObject(given)
  expect(readRecord(directory, 'default', 'new').createdAt).toBe(another.createdAt)
})
