/** Images into the store by archives, out of it, and those that are made in it. */
import { afterEach, beforeEach, expect, test } from 'bun:test'
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { gzipSync } from 'node:zlib'
import { makeFifo } from '../../linux/files/fifo.ts'
import { clocksThatRush } from '../../time.double.ts'
import { sleep } from '../../time.ts'
import { parseImageName } from '../names/image-name.ts'
import { resolveRootfs } from '../rootfs.ts'
import { makeOciArchive, makeTar, sha256 } from '../testing.ts'
import { changesTar } from '../tree-tar.ts'
import { imageHistory } from './history.ts'
import { imageFacts } from './image-facts.ts'
import { findImage, listImages } from './image-store.ts'
import { loadImages } from './load.ts'
import { makeImage } from './new-image.ts'
import { prune } from './remove-images.ts'
import { savedImages } from './save.ts'
import { holdStore, shareStore } from './store-lock.ts'
import { blobPath, makeStore, type StorePaths, storePaths } from './store-paths.ts'
import { tagImage } from './tag.ts'

let state: string
let paths: StorePaths
const signal = new AbortController().signal
beforeEach(() => {
  state = mkdtempSync('/var/tmp/kata-ts-archives-')
  paths = storePaths(`${state}/state`)
})
afterEach(() => rmSync(state, { recursive: true }))

const base = makeTar([
  { name: 'etc/', type: '5', mode: 0o755 },
  { name: 'etc/old', content: 'old' },
])
const config = { Cmd: ['date'], Env: ['PATH=/bin'] }

async function load(
  bytes: Uint8Array,
  options: { tag?: string; limitBytes?: number; into?: StorePaths } = {},
) {
  const { into = paths, ...more } = options
  const file = `${state}/archive-${crypto.randomUUID()}.tar`
  writeFileSync(file, bytes)
  return loadImages(into, file, { limitBytes: 0, signal, onStep: () => {}, ...more })
}

/** As `docker save` of before OCI: without a manifest. */
const dockerArchive = (names: readonly string[]) =>
  makeTar([
    { name: 'config.json', content: JSON.stringify({ config, rootfs: { diff_ids: [sha256(base)] } }) },
    { name: 'layer.tar', content: base },
    {
      name: 'manifest.json',
      content: JSON.stringify([{ Config: 'config.json', Layers: ['layer.tar'], RepoTags: names }]),
    },
  ])

const names = async () => (await listImages(paths)).map(({ name }) => name)
const unfinished = () => readdirSync(paths.layout).filter((name) => /^\.(pulling|blob)-/.test(name))
async function saved(...wanted: string[]): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(savedImages(paths, wanted, signal)))
}

test('an archive of docker’s is loaded under all its names, compressed or not, and saved again', async () => {
  await load(gzipSync(dockerArchive(['app:1', 'quay.io/team/app:2'])))
  expect(await names()).toEqual(['docker.io/library/app:1', 'quay.io/team/app:2'])
  const archive = await saved('app:1', 'quay.io/team/app:2')
  const other = storePaths(`${state}/other`)
  await load(archive, { into: other })
  expect(await listImages(other)).toMatchObject(
    (await listImages(paths)).map(({ name, id, digest }) => ({ name, id, digest })),
  )
  // The same archive, as one who knows docker's documents alone reads it.
  const file = `${state}/again.tar`
  writeFileSync(file, archive)
  const wanted = { name: 'app:1' }
  const found = await resolveRootfs({ kind: 'archive', path: file, wanted }, `${state}/cache`)
  expect(readFileSync(`${found.lowerDirs[0]}/etc/old`, 'utf8')).toBe('old')
  expect(archive.toString('latin1')).toContain('"RepoTags":["app:1"]')
})

test('one without a name needs one, and what is refused leaves nothing', async () => {
  const nameless = makeOciArchive([{ tar: base }], config)
  await expect(load(nameless)).rejects.toMatchObject({ code: 'IMAGE_UNNAMED' })
  await expect(load(dockerArchive(['app:1']), { limitBytes: 1 })).rejects.toMatchObject({
    code: 'IMAGE_STORE_FULL',
  })
  expect([await names(), unfinished()]).toEqual([[], []])
  expect(await load(nameless, { tag: 'app' })).toMatchObject([{ name: 'docker.io/library/app:latest' }])
})

test('a name that several images of an archive would get is given to none', async () => {
  const archive = (names: readonly (readonly string[])[]) => {
    const configs = names.map((_, index) =>
      JSON.stringify({ config: { Cmd: [`${index}`] }, rootfs: { diff_ids: [sha256(base)] } }),
    )
    const documents = names.map((RepoTags, index) => ({
      Config: `${index}.json`,
      Layers: ['layer.tar'],
      RepoTags,
    }))
    return makeTar([
      ...configs.map((content, index) => ({ name: `${index}.json`, content })),
      { name: 'layer.tar', content: base },
      { name: 'manifest.json', content: JSON.stringify(documents) },
    ])
  }
  for (const named of [
    [[], []],
    [['app:1'], []],
  ])
    await expect(load(archive(named), { tag: 'app:1' })).rejects.toMatchObject({
      code: 'OPTION_INVALID',
      fields: { option: '--tag', allowed: expect.stringContaining('2 images') },
    })
  expect([await names(), unfinished()]).toEqual([[], []])
  await load(archive([['app:1'], []]), { tag: 'app:2' })
  expect(await names()).toEqual(['docker.io/library/app:1', 'docker.io/library/app:2'])
  // The same image twice is one image.
  const twice = makeOciArchive([{ tar: base }], config, (files) => {
    const index = JSON.parse(files.get('index.json')!.toString())
    files.set(
      'index.json',
      Buffer.from(JSON.stringify({ ...index, manifests: [...index.manifests, ...index.manifests] })),
    )
  })
  await load(twice, { tag: 'app:3' })
  expect(await names()).toContain('docker.io/library/app:3')
})

test('an image that has no room in the store is refused before anything of it is there', async () => {
  const layer = makeTar([{ name: 'large', content: 'x'.repeat(1 << 20) }])
  const docker = makeTar([
    { name: 'config.json', content: JSON.stringify({ config, rootfs: { diff_ids: [sha256(layer)] } }) },
    { name: 'layer.tar', content: layer },
    {
      name: 'manifest.json',
      content: JSON.stringify([{ Config: 'config.json', Layers: ['layer.tar'], RepoTags: ['app:2'] }]),
    },
  ])
  for (const bytes of [docker, makeOciArchive([{ tar: layer }], config)]) {
    await expect(load(bytes, { tag: 'app', limitBytes: 1 << 20 })).rejects.toMatchObject({
      code: 'IMAGE_STORE_FULL',
    })
    expect(readdirSync(paths.blobs)).toEqual([])
  }
  // What is there needs no room a second time: the blob, and what is unpacked of it.
  await load(docker)
  await load(docker, { limitBytes: 2.5 * 2 ** 20 })
})

test('who sends an archive slowly keeps nobody from removing images', async () => {
  makeStore(paths)
  const soon = async () => (await holdStore(paths, AbortSignal.timeout(2000)))[Symbol.dispose]()
  // The positive control: there is something to be kept from.
  {
    using _shared = await shareStore(paths)
    using _rush = clocksThatRush()
    await expect(holdStore(paths)).rejects.toMatchObject({
      code: 'IMAGE_STORE_BUSY',
      fields: { path: paths.layout, seconds: 300 },
      remedy: expect.stringContaining('kata-ts pull'),
    })
  }
  const [pipe, archive] = [`${state}/pipe`, dockerArchive(['app:1'])]
  makeFifo(pipe)
  const writer = openSync(pipe, 'r+')
  writeSync(writer, archive.subarray(0, 700))
  const loaded = loadImages(paths, pipe, { limitBytes: 0, signal, onStep: () => {} })
  try {
    await Bun.sleep(100)
    await soon()
  } finally {
    writeSync(writer, archive.subarray(700))
    closeSync(writer)
    await loaded.catch(() => {})
  }
  expect(await loaded).toMatchObject([{ name: 'docker.io/library/app:1' }])
})

test('a load that is given up ends, whether its sender says nothing or all at once', async () => {
  makeStore(paths)
  const pipe = `${state}/pipe`
  makeFifo(pipe)
  const endOf = async (over: AbortController) => {
    const loaded = loadImages(paths, pipe, { limitBytes: 0, signal: over.signal, onStep: () => {} }).then(
      () => 'loaded',
      (error) => error,
    )
    await sleep(20)
    over.abort(new Error('given up'))
    return await Promise.race([loaded, sleep(2000).then(() => 'still reads')])
  }
  const writer = openSync(pipe, 'r+')
  const silent = await endOf(new AbortController())
  closeSync(writer)
  expect(silent).toEqual(new Error('given up'))
  const endless = Bun.spawn(['sh', '-c', 'exec head -c 1G /dev/zero >"$1"', 'sh', pipe])
  try {
    expect(await endOf(new AbortController())).toEqual(new Error('given up'))
  } finally {
    endless.kill('SIGKILL')
    await endless.exited
  }
})

test('who reads a saved image slowly keeps nobody from removing it, and gets all of it', async () => {
  await load(dockerArchive(['app:1']))
  const chunks = savedImages(paths, ['app:1'], signal)
  const first = await chunks.next()
  const nobody = { containers: new Map(), layers: new Set<string>(), disks: new Set<string>() }
  {
    using _rush = clocksThatRush()
    expect((await prune(paths, () => nobody)).images).toEqual(['docker.io/library/app:1'])
  }
  const archive = Buffer.concat([first.value!, ...(await Array.fromAsync(chunks))])
  expect(await load(archive)).toMatchObject([{ name: 'docker.io/library/app:1' }])
})

test.each([
  ['changed', (bytes: Buffer) => bytes.fill(0, 0, 1)],
  ['cut', (bytes: Buffer) => bytes.subarray(1)],
  ['longer', (bytes: Buffer) => Buffer.concat([bytes, bytes])],
])('no archive is made of a stored layer that is damaged: %s', async (_, damage) => {
  await load(dockerArchive(['app:1']))
  expect((await saved('app:1')).length).toBeGreaterThan(base.length)
  const digest = sha256(base)
  writeFileSync(blobPath(paths, digest), damage(Buffer.from(base)))
  await expect(saved('app:1')).rejects.toMatchObject({
    code: 'ROOTFS_DIGEST_MISMATCH',
    fields: { what: `blob ${digest}`, expected: digest },
  })
})

test('what two ids begin with names neither image', async () => {
  const document = (n: number) =>
    JSON.stringify({ config: { ...config, Labels: { n: `${n}` } }, rootfs: { diff_ids: [sha256(base)] } })
  const seen = new Map<string, number>()
  let [n, beginning] = [0, '']
  do beginning = sha256(Buffer.from(document(++n))).slice(7, 11)
  while (!seen.has(beginning) && seen.set(beginning, n))
  for (const [index, which] of [seen.get(beginning)!, n].entries())
    await load(
      makeTar([
        { name: 'config.json', content: document(which) },
        { name: 'layer.tar', content: base },
        {
          name: 'manifest.json',
          content: JSON.stringify([
            { Config: 'config.json', Layers: ['layer.tar'], RepoTags: [`app:${index}`] },
          ]),
        },
      ]),
    )
  await expect(findImage(paths, beginning)).rejects.toMatchObject({
    code: 'IMAGE_AMBIGUOUS',
    fields: { id: beginning, count: 2 },
    remedy: expect.stringContaining('kata-ts images'),
  })
  expect((await findImage(paths, 'app:1')).id).toStartWith(`sha256:${beginning}`)
})

test('what is the name of an image is not taken for the beginning of another one’s id', async () => {
  await load(dockerArchive(['other:1']))
  const { id } = await findImage(paths, 'other:1')
  const beginning = id.slice('sha256:'.length, 'sha256:'.length + 6)
  await load(makeOciArchive([{ tar: base }], { Cmd: ['id'] }), { tag: beginning })
  expect((await findImage(paths, beginning)).name).toBe(`docker.io/library/${beginning}:latest`)
  for (const text of [`sha256:${beginning}`, id.slice('sha256:'.length), id])
    expect((await findImage(paths, text)).name).toBe('docker.io/library/other:1')
})

test('what an author wrote that no start looks at is refused by its name, and a long step is told', async () => {
  const loadWith = (more: object) => {
    const content = JSON.stringify({ config, ...more, rootfs: { diff_ids: [sha256(base)] } })
    const manifest = [{ Config: 'config.json', Layers: ['layer.tar'], RepoTags: ['app:1'] }]
    return load(
      makeTar([
        { name: 'config.json', content },
        { name: 'layer.tar', content: base },
        { name: 'manifest.json', content: JSON.stringify(manifest) },
      ]),
    )
  }
  await loadWith({ history: [{ created_by: 'x'.repeat(200_000) }] })
  expect((await imageHistory(paths, 'app:1'))[0]?.createdBy).toHaveLength(200_000)
  await loadWith({ author: 5, history: 'none' })
  for (const [look, field] of [
    [imageFacts, 'author: expected a string, is a number'],
    [imageHistory, 'history: expected a list, is a string'],
  ] as const)
    await expect(look(paths, 'app:1')).rejects.toThrow(
      new RegExp(
        `^\\[IMAGE_STORE_CORRUPT\\] .*: docker.io/library/app:1: configuration sha256:\\w+: ${field}`,
      ),
    )
})

test('a tag is one more name of the image, and stays when the other goes', async () => {
  await load(dockerArchive(['app:1']))
  await tagImage(paths, 'app:1', parseImageName('mine:2'))
  const [one, two] = await listImages(paths)
  expect([one?.id, await names()]).toEqual([two?.id, ['docker.io/library/app:1', 'docker.io/library/mine:2']])
  await expect(tagImage(paths, 'none:1', parseImageName('x'))).rejects.toMatchObject({
    code: 'IMAGE_NOT_STORED',
  })
})

test('a name with a digest is that of the image with this digest alone, whoever gives it', async () => {
  const other = `app@sha256:${'a'.repeat(64)}`
  await expect(load(dockerArchive([other]))).rejects.toMatchObject({ code: 'IMAGE_UNNAMED' })
  await expect(load(dockerArchive([]), { tag: other })).rejects.toMatchObject({ code: 'IMAGE_NAME_INVALID' })
  const [image] = await load(dockerArchive([other]), { tag: 'app:1' })
  const reason = `its digest is ${image!.digest}`
  await expect(tagImage(paths, 'app:1', parseImageName(other))).rejects.toMatchObject({
    code: 'IMAGE_NAME_INVALID',
    fields: { name: parseImageName(other).full, reason },
  })
  const made = makeImage(paths, {
    name: parseImageName(other).full,
    signal,
    limitBytes: 0,
    onStep: () => {},
    layer: new Blob([new Uint8Array(base)]).stream(),
    changes: [],
    history: { created_by: 'import' },
  })
  await expect(made).rejects.toMatchObject({ code: 'IMAGE_NAME_INVALID' })
  expect([await names(), unfinished()]).toEqual([['docker.io/library/app:1'], []])
  // Its own is no lie.
  const own = parseImageName(`app@${image!.digest}`)
  await tagImage(paths, 'app:1', own)
  const again = storePaths(`${state}/again`)
  expect(await load(await saved(own.full), { into: again })).toMatchObject([{ name: own.full }])
})

test('a container’s changes are a layer over its image', async () => {
  const [image] = await load(dockerArchive(['app:1']))
  const upper = `${state}/upper`
  mkdirSync(`${upper}/etc`, { recursive: true })
  writeFileSync(`${upper}/etc/new`, 'new')
  const lower = `${paths.layers}/${image!.layers[0]}`
  const made = await makeImage(paths, {
    name: parseImageName('app:2').full,
    base: image!.id,
    signal,
    limitBytes: 0,
    onStep: () => {},
    layer: changesTar([upper, lower], { signal }),
    changes: ['ENV COLOUR=green', 'CMD ["id"]'],
    history: { created_by: 'sh', comment: 'by hand', author: 'me' },
  })
  expect(made.layers.slice(0, 1)).toEqual([...image!.layers])
  const source = { kind: 'archive', path: paths.layout, wanted: { digest: made.digest } } as const
  const found = await resolveRootfs(source, paths.cacheDir)
  expect(found.lowerDirs).toHaveLength(2)
  expect(readFileSync(`${found.lowerDirs[0]}/etc/new`, 'utf8')).toBe('new')
  expect(found.config).toMatchObject({ cmd: ['id'], env: ['PATH=/bin', 'COLOUR=green'] })
  const [newest, ...others] = await imageHistory(paths, 'app:2')
  expect(newest).toMatchObject({ createdBy: 'sh', comment: 'by hand', bytes: expect.any(Number) })
  // Of the layer below nothing was noted.
  expect(others).toHaveLength(1)
  expect(unfinished()).toEqual([])
  // It goes as every image goes.
  const nobody = { containers: new Map(), layers: new Set<string>(), disks: new Set<string>() }
  expect((await prune(paths, () => nobody)).images).toHaveLength(2)
  await expect(findImage(paths, 'app:2')).rejects.toMatchObject({ code: 'IMAGE_NOT_STORED' })
})

test('a tar of files is an image of one layer, within the limit of the store', async () => {
  const image = (limitBytes: number) =>
    makeImage(paths, {
      name: parseImageName('files').full,
      signal,
      limitBytes,
      onStep: () => {},
      layer: new Blob([new Uint8Array(base)]).stream(),
      config: {},
      changes: ['WORKDIR /etc'],
      history: { created_by: 'import' },
    })
  await expect(image(100)).rejects.toMatchObject({ code: 'IMAGE_STORE_FULL' })
  const { digest } = await image(0)
  const source = { kind: 'archive', path: paths.layout, wanted: { digest } } as const
  expect((await resolveRootfs(source, paths.cacheDir)).config.workingDir).toBe('/etc')
  expect(unfinished()).toEqual([])
})

test('an archive of more names than anybody gives is refused before the store is changed', async () => {
  const many = Array.from({ length: 4097 }, (_, k) => `app:${k}`)
  await expect(load(dockerArchive(many))).rejects.toMatchObject({ code: 'ROOTFS_TOO_LARGE' })
  expect(await names()).toEqual([])
})
