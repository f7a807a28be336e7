/** Pulling from a registry on loopback into a store of the test's own. No guest. */
import { afterEach, beforeEach, expect, test } from 'bun:test'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { processesOfUids } from '../../linux/processes/uid-processes.ts'
import { findTool } from '../../linux/processes/which.ts'
import { until } from '../../time.ts'
import { parseImageName } from '../names/image-name.ts'
import { makeTar, sha256 } from '../testing.ts'
import { findImage, listImages, storeBytes } from './image-store.ts'
import { type PullOptions, pullImage, unfinishedWork } from './pull.ts'
import { type RegistryDouble, startRegistry } from './registry.double.ts'
import { blobPath, type StorePaths, storePaths } from './store-paths.ts'

const noSkopeo = findTool('skopeo') === undefined

let base: string
let paths: StorePaths
let registry: RegistryDouble
beforeEach(() => {
  base = mkdtempSync('/var/tmp/kata-ts-pull-')
  paths = storePaths(`${base}/state`)
  registry = startRegistry()
})
afterEach(async () => {
  await registry[Symbol.asyncDispose]()
  rmSync(base, { recursive: true })
})

const lower = makeTar([
  { name: 'etc/', type: '5' },
  { name: 'etc/a', content: 'lower' },
])
const upper = makeTar([{ name: 'etc/b', content: 'upper' }])
const steps: string[] = []
const pull = (name: string, options: Partial<PullOptions> = {}) =>
  pullImage(paths, parseImageName(`${registry.host}/${name}`), {
    limitBytes: 0,
    tlsVerify: false,
    authFile: undefined,
    env: {},
    signal: new AbortController().signal,
    onBytes: () => {},
    onStep: (step) => steps.push(step),
    ...options,
  })

test.skipIf(noSkopeo)('an image comes with its layers unpacked, and no blob twice', async () => {
  const digest = registry.add('team/app', '1.0', [lower, upper], { Cmd: ['/bin/app'] })
  steps.length = 0
  const image = await pull('team/app:1.0')
  expect(image).toMatchObject({
    name: `${registry.host}/team/app:1.0`,
    digest,
    created: '2024-05-06T07:08:09.000Z',
  })
  expect(steps).toEqual(['pulling', 'unpacking layer 1 of 2', 'unpacking layer 2 of 2'])
  expect(readFileSync(`${paths.layers}/${image.layers[1]}/etc/b`, 'utf8')).toBe('upper')
  expect(image.bytes).toBeGreaterThan(8000)
  expect(storeBytes(paths)).toBeGreaterThan(image.bytes)
  // Root's alone, and nothing of the pull is left.
  for (const name of readdirSync(paths.blobs))
    expect(statSync(`${paths.blobs}/${name}`)).toMatchObject({ uid: 0, mode: 0o100444 })
  expect(readdirSync(paths.layout).filter((name) => name.startsWith('.'))).toEqual([])

  // Another image with the same lower layer: that one is not sent again.
  registry.add('team/other', 'latest', [lower])
  registry.asked.length = 0
  await pull('team/other')
  expect(registry.asked.filter((path) => path.includes('/blobs/'))).toHaveLength(1)
  expect((await listImages(paths)).map(({ name }) => name)).toEqual([
    `${registry.host}/team/app:1.0`,
    `${registry.host}/team/other:latest`,
  ])
  expect((await findImage(paths, image.id.slice(7, 19))).name).toBe(image.name)
  expect((await pull(`team/app@${digest}`)).digest).toBe(digest)
})

test.skipIf(noSkopeo)('an image comes again, with whatever white space its manifest begins', async () => {
  for (const beginning of ['\n', ' '.repeat(2000)]) {
    registry.beginning = beginning
    const digest = registry.add('team/app', '1.0', [lower])
    for (const _ of [1, 2]) expect((await pull('team/app:1.0')).digest).toBe(digest)
  }
})

test.skipIf(noSkopeo)('what is wrong with a registry or a name is told, and leaves nothing', async () => {
  registry.add('app', 'latest', [lower])
  await expect(pull('app:none')).rejects.toMatchObject({ code: 'PULL_UNKNOWN' })
  await expect(pull('private/app')).rejects.toMatchObject({
    code: 'PULL_DENIED',
    fields: { image: `${registry.host}/private/app:latest` },
    remedy: expect.stringContaining('skopeo login'),
  })
  await expect(pull('app', { tlsVerify: true })).rejects.toMatchObject({ code: 'PULL_TLS' })
  const bad = `${base}/auth.json`
  writeFileSync(bad, '[]')
  await expect(pull('app', { authFile: bad })).rejects.toMatchObject({ code: 'AUTH_FILE_INVALID' })
  const [digest = ''] = [...registry.blobs].find(([, bytes]) => bytes === lower) ?? []
  registry.blobs.set(digest, Buffer.from(lower).fill('x', 600, 610))
  await expect(pull('app')).rejects.toMatchObject({
    code: 'PULL_FAILED',
    message: expect.stringContaining('Digest'),
  })
  await registry[Symbol.asyncDispose]()
  await expect(pull('app')).rejects.toMatchObject({ code: 'PULL_UNREACHABLE' })
  expect(await listImages(paths)).toEqual([])
  expect(readdirSync(paths.layout).filter((name) => name.startsWith('.'))).toEqual([])
})

test.skipIf(noSkopeo)('a blob of the store that is damaged comes again', async () => {
  registry.add('app', 'latest', [lower, upper])
  const image = await pull('app')
  const path = blobPath(paths, sha256(lower))
  for (const damaged of [Buffer.from(lower).fill('x', 600, 610), lower.subarray(0, 700), Buffer.alloc(0)]) {
    rmSync(path)
    writeFileSync(path, damaged)
    // As after a start that has no use for the directories of the layers.
    for (const name of image.layers) rmSync(`${paths.layers}/${name}`, { recursive: true })
    expect(await pull('app')).toMatchObject({ digest: image.digest, layers: image.layers })
    expect(lower.equals(readFileSync(path))).toBe(true)
    expect(readFileSync(`${paths.layers}/${image.layers[0]}/etc/a`, 'utf8')).toBe('lower')
  }
})

/** Adds an index of one image, and returns its digest. */
function addIndex(name: string, tag: string, digest: string): string {
  const size = registry.manifests.get(`${name}:${digest}`)?.length
  const platform = { os: 'linux', architecture: 'amd64' }
  const mediaType = 'application/vnd.oci.image.index.v1+json'
  const manifests = [{ mediaType: 'application/vnd.oci.image.manifest.v1+json', digest, size, platform }]
  const index = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, manifests }))
  for (const reference of [tag, sha256(index)]) registry.manifests.set(`${name}:${reference}`, index)
  return sha256(index)
}

test.skipIf(noSkopeo)('an image that is asked for by a digest has it, or its index has it', async () => {
  const digest = registry.add('app', 'good', [lower])
  const index = addIndex('app', 'index', digest)
  const other = registry.add('app', 'other', [upper])
  const otherIndex = addIndex('app', 'other-index', other)
  for (const asked of [digest, index]) {
    const name = `${registry.host}/app@${asked}`
    expect(await pull(`app@${asked}`)).toMatchObject({ name, digest })
  }
  const lie = (reference: string, sent: string) => {
    const manifest = registry.manifests.get(`app:${sent}`)
    if (manifest === undefined) throw new Error(`no ${sent}`)
    registry.manifests.set(`app:${reference}`, manifest)
  }
  const refused = { code: 'PULL_FAILED', message: expect.stringMatching(/digest/i) }
  for (const [asked, lying, sent] of [
    [index, index, otherIndex],
    [index, index, other],
    [digest, digest, otherIndex],
    [digest, digest, other],
    ['index', digest, other],
  ] as const) {
    const honest = new Map(registry.manifests)
    lie(lying, sent)
    await expect(pull(asked.startsWith('sha256:') ? `app@${asked}` : `app:${asked}`)).rejects.toMatchObject(
      refused,
    )
    for (const [name, manifest] of honest) registry.manifests.set(name, manifest)
  }
  expect(await listImages(paths)).toHaveLength(2)
})

test.skipIf(noSkopeo)('no more comes than the store may take, compressed or not', async () => {
  registry.add('large', 'latest', [makeTar([{ name: 'zeros', content: Buffer.alloc(3 << 20) }])])
  const full = { code: 'IMAGE_STORE_FULL', message: expect.stringContaining('image_store_limit') }
  await expect(pull('large', { limitBytes: 2 << 20 })).rejects.toMatchObject(full)
  await expect(pull('large', { limitBytes: 5 << 20 })).rejects.toMatchObject(full)
  expect(await listImages(paths)).toEqual([])
  await pull('large', { limitBytes: 12 << 20 })
})

test.skipIf(noSkopeo)(
  'a pull that is killed takes skopeo along, and the next one removes what it left',
  async () => {
    registry.add('slow', 'latest', [lower])
    const { send } = registry
    const stalled = Promise.withResolvers<void>()
    registry.send = () => {
      stalled.resolve()
      // A byte, and then nothing.
      const stream = new ReadableStream({ start: (controller) => controller.enqueue(new Uint8Array(1)) })
      return new Response(stream)
    }
    const script = `
    const { pullImage } = await import(${JSON.stringify(`${import.meta.dir}/pull.ts`)})
    const { storePaths } = await import(${JSON.stringify(`${import.meta.dir}/store-paths.ts`)})
    const { parseImageName } = await import(${JSON.stringify(`${import.meta.dir}/../names/image-name.ts`)})
    await pullImage(storePaths(${JSON.stringify(`${base}/state`)}), parseImageName(${JSON.stringify(`${registry.host}/slow`)}), {
      limitBytes: 0, tlsVerify: false, env: {}, signal: new AbortController().signal, onBytes() {}, onStep() {},
    })`
    const child = Bun.spawn([process.execPath, '-e', script], { stdio: ['ignore', 'inherit', 'inherit'] })
    await stalled.promise
    // Other tests have such users, too.
    const { uid } = statSync(
      `${paths.layout}/${readdirSync(paths.layout).find((name) => name.startsWith('.pulling-'))}`,
    )
    const running = () => processesOfUids(uid, uid)
    expect(running().length).toBeGreaterThan(0)
    child.kill('SIGKILL')
    await child.exited
    expect(await until(() => running().length === 0, { timeoutMs: 5000, everyMs: 20 })).toBe(true)
    expect(unfinishedWork(paths)).toHaveLength(1)
    expect(existsSync(paths.index)).toBe(false)
    registry.send = send
    await pull('slow')
    expect(unfinishedWork(paths)).toEqual([])
  },
)

/** What a pull says on a host without these programs. */
async function saidWithout(programs: readonly string[], image: string): Promise<string> {
  const code = `
    import { parseImageSource } from '${import.meta.dir}/../names/image-source.ts'
    import { parseImageName } from '${import.meta.dir}/../names/image-name.ts'
    import { pullImage } from '${import.meta.dir}/pull.ts'
    import { storePaths } from '${import.meta.dir}/store-paths.ts'
    const source = parseImageSource('${image}')
    const options = { limitBytes: 0, tlsVerify: false, env: {}, signal: new AbortController().signal, onBytes() {}, onStep() {} }
    const name = source?.name ?? parseImageName('${image}')
    await pullImage(storePaths('${base}/state'), name, { ...options, source }).catch((error) => console.log(error.message))`
  const hide = programs.map((path) => `[ ! -e ${path} ] || mount --bind /dev/null ${path}; `).join('')
  const argv = ['/bin/sh', '-ec', `${hide}exec "$@"`, 'sh', process.execPath, '-e', code]
  const run = Bun.spawn(['/usr/bin/unshare', '--mount', ...argv], { stderr: 'inherit' })
  return run.stdout.text()
}

test('a host without the program that gets an image is told which to install, and nothing is left', async () => {
  expect(await saidWithout(['/usr/bin/skopeo', '/usr/sbin/skopeo'], 'app:1')).toMatch(
    /^\[SKOPEO_MISSING\] docker\.io\/library\/app:1 is not in the store, .*apt-get install skopeo/,
  )
  expect(
    await saidWithout(['/usr/bin/ctr', '/usr/local/bin/ctr'], 'containerd:k8s.io/quay.io/app:1'),
  ).toMatch(/^\[CTR_MISSING\] .*quay\.io\/app:1 names containerd’s store, .*apt-get install containerd/)
  expect(unfinishedWork(paths)).toEqual([])
})
