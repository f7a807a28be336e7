/** What goes and what stays when images are removed, in a store filled from layouts of the test's own. */
import { afterEach, beforeEach, expect, test } from 'bun:test'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { tryDirectoryLock } from '../../linux/files/directory-lock.ts'
import { settled } from '../../time.double.ts'
import { makeOciFiles, makeTar, sha256 } from '../testing.ts'
import { unfinishedName } from '../unfinished.ts'
import { listImages, lookForImage } from './image-store.ts'
import { importLayout } from './import.ts'
import { readIndex, writeIndex } from './index-file.ts'
import { type ImageUsers, planPrune, prune, removeImage } from './remove-images.ts'
import { holdStore } from './store-lock.ts'
import { blobPath, storePaths } from './store-paths.ts'

let base: string
let paths: ReturnType<typeof storePaths>
beforeEach(() => {
  base = mkdtempSync('/var/tmp/kata-ts-rmi-')
  paths = storePaths(`${base}/state`)
})
afterEach(() => rmSync(base, { recursive: true }))

const shared = makeTar([{ name: 'shared', content: 'x'.repeat(9000) }])
const own = (text: string) => makeTar([{ name: 'own', content: text }])

function add(
  name: string,
  layers: readonly Buffer[],
  change?: (files: Map<string, Buffer>) => void,
  {
    signal = new AbortController().signal,
    onStep = () => {},
  }: { readonly signal?: AbortSignal; readonly onStep?: (step: string) => void } = {},
) {
  const layout = `${base}/layout-${crypto.randomUUID()}`
  const files = makeOciFiles(layers.map((tar) => ({ tar })))
  change?.(files)
  for (const [file, bytes] of files) {
    mkdirSync(dirname(`${layout}/${file}`), { recursive: true })
    writeFileSync(`${layout}/${file}`, bytes)
  }
  return importLayout(paths, layout, { name, limitBytes: 0, signal, onStep })
}

const nobody: ImageUsers = { containers: new Map(), layers: new Set(), disks: new Set() }
const remove = (text: string, users = nobody, force = false) =>
  removeImage(paths, text, { force, users: () => users })
const names = async () => (await listImages(paths)).map(({ name }) => name)
const [a, b] = ['docker.io/library/a:latest', 'docker.io/library/b:latest']

test('an image goes with what no other image has', async () => {
  await add(a, [shared, own('a')])
  const second = await add(b, [shared, own('b')])
  await remove('a')
  expect(await names()).toEqual([b])
  expect(readdirSync(paths.layers).sort()).toEqual([...second.layers].sort())
  expect(readdirSync(paths.blobs).sort()).toEqual(second.blobs.map((blob) => blob.slice(7)).sort())
  await expect(remove('a')).rejects.toMatchObject({ code: 'IMAGE_NOT_STORED' })
})

test('an image that a container uses is refused, and forced out without its layers', async () => {
  const { id, layers } = await add(a, [shared])
  const users: ImageUsers = {
    containers: new Map([[id, ['web']]]),
    layers: new Set(layers),
    disks: new Set(),
  }
  await expect(remove('a', users)).rejects.toMatchObject({
    code: 'IMAGE_USED',
    fields: { image: 'a', containers: 'web' },
  })
  await expect(remove(id, users)).rejects.toMatchObject({ code: 'IMAGE_USED' })
  // A name of several may go: the image stays.
  await add(b, [shared])
  await remove('a', users)
  expect(await names()).toEqual([b])
  await remove('b', users, true)
  expect(await names()).toEqual([])
  expect(readdirSync(paths.blobs)).toEqual([])
  expect(readdirSync(paths.layers)).toEqual([...layers])
})

test('who removes waits until an image that is being added is there', async () => {
  const order: string[] = []
  let removing = Promise.resolve()
  const remover = async () => {
    using _held = await holdStore(paths)
    order.push('removed')
  }
  const onStep = () => {
    removing = remover()
  }
  await add(a, [shared], undefined, { onStep })
  order.push('added')
  await removing
  expect(order).toEqual(['added', 'removed'])
})

test('an index that is replaced while it is read is read all the same', async () => {
  await add(a, [shared, own('a')])
  await add(b, [shared, own('b')])
  const entries = readIndex(paths)
  for (const changed of [entries.slice(0, 1), entries]) {
    const found = lookForImage(paths, 'a')
    writeIndex(paths, changed)
    expect((await found)?.name).toBe(a)
  }
})

test('an image that is removed while the store is read is none, and the store is not corrupt', async () => {
  await add(a, [shared, own('a')])
  await add(b, [shared, own('b')])
  const goes = () => {
    const entries = readIndex(paths)
    writeIndex(paths, [entries[0]!])
    rmSync(blobPath(paths, entries[1]!.digest))
  }
  const listed = names()
  goes()
  expect(await listed).toEqual([a])
  await expect(lookForImage(paths, 'b')).resolves.toBeUndefined()

  await add(b, [shared, own('b')])
  const found = lookForImage(paths, 'b')
  goes()
  // Its files were looked at before they went, or it is gone.
  expect((await found)?.name ?? b).toBe(b)

  // One that has its name is missed.
  await add(b, [shared, own('b')])
  rmSync(blobPath(paths, readIndex(paths)[1]!.digest))
  await expect(lookForImage(paths, 'b')).rejects.toMatchObject({ code: 'IMAGE_STORE_CORRUPT' })
})

test('a damaged image is listed as such, keeps no other from being used, and can be removed', async () => {
  const whole = await add(a, [shared, own('a')])
  const broken = await add(b, [shared, own('b')])
  const third = await add('docker.io/library/c:1', [own('c')])
  for (const damage of [broken.id, broken.digest]) {
    const path = blobPath(paths, damage)
    chmodSync(path, 0o600)
    writeFileSync(path, '{}')
    const [first, second] = await listImages(paths)
    expect(first).toEqual(whole)
    expect(second).toMatchObject({ name: b, id: '', digest: broken.digest, layers: [] })
    expect(second?.damage).toContain(damage.slice(7))
    expect((await lookForImage(paths, whole.id.slice(7, 19)))?.name).toBe(a)
    await expect(lookForImage(paths, 'b')).rejects.toMatchObject({
      code: 'IMAGE_STORE_CORRUPT',
      fields: { reason: expect.stringContaining(b) },
    })
  }
  // Its own blobs stay, whichever they are.
  const layerOfBroken = broken.blobs[3]!
  await remove('c:1')
  expect(existsSync(blobPath(paths, third.id))).toBe(false)
  expect(existsSync(blobPath(paths, layerOfBroken))).toBe(true)
  await prune(paths, () => ({ ...nobody, containers: new Map([[whole.id, ['web']]]) }))
  expect(await names()).toEqual([a, b])
  await remove('b')
  expect(await names()).toEqual([a])
  expect(readdirSync(paths.blobs).sort()).toEqual(whole.blobs.map((blob) => blob.slice(7)).sort())
})

test('an image whose documents are damaged is whole again when it is pulled again', async () => {
  const { id } = await add(a, [shared])
  const path = blobPath(paths, id)
  chmodSync(path, 0o600)
  writeFileSync(path, '')
  expect(await add(a, [shared])).toMatchObject({ name: a, id })
  expect(await names()).toEqual([a])
})

test('a layer that is damaged is replaced by that of an archive', async () => {
  const { layers } = await add(a, [shared])
  const path = blobPath(paths, sha256(shared))
  chmodSync(path, 0o600)
  writeFileSync(path, shared.subarray(0, 600))
  rmSync(`${paths.layers}/${layers[0]}`, { recursive: true })
  await add(b, [shared])
  expect(shared.equals(readFileSync(path))).toBe(true)
})

test('a store may have any number of blobs', async () => {
  await add(a, [shared])
  for (let index = 0; index < 10_000; index++)
    writeFileSync(`${paths.blobs}/${`${index}`.padStart(64, '0')}`, '')
  expect(await names()).toEqual([a])
  await prune(paths, () => nobody)
  expect(readdirSync(paths.blobs)).toEqual([])
}, 60_000)

test('an id removes all names of its image', async () => {
  const { id } = await add(a, [shared])
  await add(b, [shared])
  await remove(id.slice(7, 19))
  expect(await names()).toEqual([])
})

test('a name that is the beginning of the id of its own image is removed alone', async () => {
  await add(a, [shared])
  const [image] = await listImages(paths)
  const beginning = image!.id.slice('sha256:'.length, 'sha256:'.length + 6)
  await add(`docker.io/library/${beginning}:latest`, [shared])
  await remove(beginning)
  expect(await names()).toEqual([a])
  await remove(beginning)
  expect(await names()).toEqual([])
})

test('prune removes what no container uses, and what was left unfinished', async () => {
  const used = await add(a, [shared, own('a')])
  const unused = await add(b, [shared, own('b')])
  const users: ImageUsers = {
    containers: new Map([[used.id, ['web']]]),
    layers: new Set(used.layers),
    disks: new Set(),
  }
  mkdirSync(`${paths.layout}/.pulling-999999999-x/layout`, { recursive: true })
  writeFileSync(`${paths.layout}/.blob-999999999-x`, 'half')
  mkdirSync(`${paths.layers}/.making-999999999-x/half`, { recursive: true })
  const making = unfinishedName('making')
  mkdirSync(`${paths.layers}/${making}`)
  // As docker's prune without --all.
  const left = await planPrune(paths, users, { keepsImages: true })
  expect(left).toMatchObject({ images: [], layers: [] })
  expect(left.files).toHaveLength(3)
  const plan = await planPrune(paths, users)
  expect(plan).toMatchObject({ images: [b], layers: [unused.layers[1]!] })
  // Its layer, its manifest, its configuration and its blob; two directories and a file.
  expect(plan.files).toHaveLength(6)
  expect(plan.bytes).toBeGreaterThan(4096)
  expect(await prune(paths, () => users)).toEqual(plan)
  expect(await names()).toEqual([a])
  expect(readdirSync(paths.layout).filter((name) => name.startsWith('.'))).toEqual([])
  // Somebody is still unpacking.
  expect(readdirSync(paths.layers).filter((name) => name.startsWith('.'))).toEqual([making])
  rmdirSync(`${paths.layers}/${making}`)
  expect(await prune(paths, () => users)).toEqual({ images: [], layers: [], files: [], bytes: 0 })
  // Layers of archives, too, once no container has them.
  await prune(paths, () => nobody)
  expect(readdirSync(paths.layers)).toEqual([])
})

test('all that was left unfinished counts, whoever owns it and however many there are', async () => {
  await add(a, [shared])
  const before = await planPrune(paths, nobody, { keepsImages: true })
  for (const [name, uid] of [
    ['x', 0],
    ['y', 0],
    ['z', 0x7fff0001],
  ] as const) {
    const directory = `${paths.layout}/.pulling-999999999-${name}`
    mkdirSync(directory)
    writeFileSync(`${directory}/blob`, 'x'.repeat(1 << 20))
    chownSync(`${directory}/blob`, uid, uid)
  }
  const plan = await planPrune(paths, nobody, { keepsImages: true })
  expect(plan.bytes - before.bytes).toBeGreaterThanOrEqual(3 << 20)
})

function isFree(): boolean {
  using lock = tryDirectoryLock(paths.layout)
  return lock !== undefined
}

test('a blob that goes while a plan is made counts nothing', async () => {
  await add(a, [shared])
  // What the listing still has, and stat(2) no longer.
  symlinkSync('/nowhere', `${paths.blobs}/${'0'.repeat(64)}`)
  const plan = await planPrune(paths, nobody)
  expect(plan.files).toContain(`${paths.blobs}/${'0'.repeat(64)}`)
  expect(plan.bytes).toBeGreaterThan(0)
})

test('the store is shared for as long as an image is being added, and nothing can be removed meanwhile', async () => {
  const free: boolean[] = []
  await add(a, [shared, own('a')], undefined, { onStep: () => free.push(isFree()) })
  expect([...free, isFree()]).toEqual([false, false, true])
})

test.each([
  ['prune', () => prune(paths, () => nobody)],
  ['rmi', () => remove(a)],
])(
  '%s lets go of the store before it takes the files of layers away',
  async (_, removal) => {
    await add(a, [makeTar(Array.from({ length: 2000 }, (_, index) => ({ name: `${index}` })))])
    let [isOver, wasFree] = [false, false]
    const removed = removal().finally(() => {
      isOver = true
    })
    while (!isOver) {
      wasFree ||= readdirSync(paths.layers).some((name) => name.startsWith('.making-')) && isFree()
      await settled()
    }
    await removed
    expect([wasFree, readdirSync(paths.layers)]).toEqual([true, []])
  },
  // A busy disk takes its time for so many files.
  30_000,
)

test('a blob that is not what its digest says is refused, whichever it is', async () => {
  for (const which of [0, 1, 2]) {
    const damaged = add(a, [own('a')], (files) => {
      const blobs = [...files.keys()].filter((name) => name.startsWith('blobs/'))
      const bytes = Buffer.from(files.get(blobs[which]!)!)
      bytes[bytes.length - 1]! ^= 1
      files.set(blobs[which]!, bytes)
    })
    await expect(damaged).rejects.toMatchObject({ code: 'ROOTFS_DIGEST_MISMATCH' })
  }
  expect(await names()).toEqual([])
  expect(existsSync(paths.index)).toBe(false)
})

test.each(['copied', 'unpacked'])('a large layer that is being %s can be given up', async (step) => {
  const stop = new AbortController()
  const giveUp = () => {
    setTimeout(() => stop.abort(new Error('enough')), 1)
  }
  const large = makeTar([{ name: 'large', content: Buffer.alloc(64 << 20) }])
  const asked = step === 'unpacked' ? { onStep: giveUp } : {}
  const added = add(a, [large], undefined, { signal: stop.signal, ...asked })
  if (step === 'copied') giveUp()
  await expect(added).rejects.toThrow('enough')
  expect(readdirSync(paths.layers)).toEqual([])
  expect(readdirSync(paths.blobs).length).toBe(step === 'copied' ? 0 : 3)
})
