/** Images of a real containerd of the test's own, without CRI, snapshots or network. No guest. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'bun:test'
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { findTool } from '../../linux/processes/which.ts'
import { until } from '../../time.ts'
import { parseImageSource } from '../names/image-source.ts'
import { makeOciArchive, makeTar, sha256 } from '../testing.ts'
import { listImages } from './image-store.ts'
import { pullImage } from './pull.ts'
import { type StorePaths, storePaths } from './store-paths.ts'

const noContainerd = findTool('containerd') === undefined || findTool('ctr') === undefined
const why = noContainerd ? ' (skipped: containerd is not installed)' : ''

// As /run/containerd: whoever is of the socket's group gets to it.
const base = mkdtempSync('/run/kata-ts-ctd-')
chmodSync(base, 0o711)
const socket = `${base}/s.sock`
let daemon: Bun.Subprocess | undefined
let paths: StorePaths

/** Anything but what stores images. */
const disabled = [
  ...['io.containerd.grpc.v1.cri', 'io.containerd.internal.v1.opt', 'io.containerd.internal.v1.tracing'],
  ...['io.containerd.tracing.processor.v1.otlp', 'io.containerd.nri.v1.nri'],
  ...['aufs', 'btrfs', 'zfs', 'devmapper', 'blockfile'].map((name) => `io.containerd.snapshotter.v1.${name}`),
]

const large = makeTar([{ name: 'zeros', content: Buffer.alloc(3 << 20) }])
const small = makeTar([{ name: 'a', content: 'from containerd' }])

function ctr(...args: string[]): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync(['ctr', '--address', socket, ...args])
  if (exitCode !== 0) throw new Error(`ctr ${args.join(' ')}: ${stderr}`)
  return stdout.toString()
}

function add(namespace: string, name: string, layer: Buffer): void {
  const change = (files: Map<string, Buffer>) => {
    const index = JSON.parse(files.get('index.json')!.toString())
    index.manifests[0].annotations = { 'io.containerd.image.name': name }
    files.set('index.json', Buffer.from(JSON.stringify(index)))
  }
  writeFileSync(`${base}/archive`, makeOciArchive([{ tar: layer }], { Cmd: ['/a'] }, change))
  ctr('--namespace', namespace, 'images', 'import', '--no-unpack', `${base}/archive`)
}

beforeAll(async () => {
  if (noContainerd) return
  const configuration = `version = 2
root = "${base}/root"
state = "${base}/run"
disabled_plugins = ${JSON.stringify(disabled)}
[grpc]
address = "${socket}"
[ttrpc]
address = "${socket}.ttrpc"
`
  writeFileSync(`${base}/config.toml`, configuration)
  daemon = Bun.spawn(['containerd', '-c', `${base}/config.toml`], {
    stdio: ['ignore', 'ignore', Bun.file(`${base}/log`)],
  })
  const isUp = () => Bun.spawnSync(['ctr', '--address', socket, 'version']).exitCode === 0
  if (!(await until(isUp, { timeoutMs: 30_000, everyMs: 100 })))
    throw new Error(`containerd did not come up: ${readFileSync(`${base}/log`, 'utf8').slice(-2000)}`)
  add('default', 'docker.io/library/app:latest', small)
  add('k8s.io', 'quay.io/team/app:2', large)
})
afterAll(async () => {
  daemon?.kill()
  await daemon?.exited
  rmSync(base, { recursive: true })
})
beforeEach(() => {
  paths = storePaths(mkdtempSync(`${base}/state-`))
})

const pull = (text: string, { limitBytes = 0, address = socket } = {}) => {
  const source = parseImageSource(text)
  if (source === undefined) throw new Error(`${text} is no store`)
  return pullImage(paths, source.name, {
    source,
    limitBytes,
    tlsVerify: true,
    authFile: undefined,
    env: { CONTAINERD_ADDRESS: address },
    signal: new AbortController().signal,
    onBytes: () => {},
    onStep: () => {},
  })
}
const leftovers = () => readdirSync(paths.layout).filter((name) => name.startsWith('.'))

test.skipIf(noContainerd)(`images of two namespaces, under their own names${why}`, async () => {
  const app = await pull('containerd:app')
  expect(app).toMatchObject({
    name: 'docker.io/library/app:latest',
    digest: expect.stringMatching(/^sha256:/),
  })
  expect(readFileSync(`${paths.layers}/${app.layers[0]}/a`, 'utf8')).toBe('from containerd')
  const team = await pull('containerd:k8s.io/quay.io/team/app:2')
  expect(team.name).toBe('quay.io/team/app:2')
  expect(ctr('--namespace', 'k8s.io', 'images', 'list')).toContain(`quay.io/team/app:2 `)
  expect((await listImages(paths)).map(({ name }) => name).sort()).toEqual([app.name, team.name])
  for (const name of readdirSync(paths.blobs))
    expect(statSync(`${paths.blobs}/${name}`)).toMatchObject({ uid: 0, mode: 0o100444 })
  expect(leftovers()).toEqual([])
})

test.skipIf(noContainerd)(`what is not there is told, and leaves nothing${why}`, async () => {
  const unreadable = (message: RegExp) => ({
    code: 'CONTAINERD_UNREADABLE',
    message: expect.stringMatching(message),
  })
  await expect(pull('containerd:none')).rejects.toMatchObject(unreadable(/none:latest.*not found/))
  // It is in another namespace.
  await expect(pull('containerd:quay.io/team/app:2')).rejects.toMatchObject(
    unreadable(/containerd:default\/quay.io\/team\/app:2.*not found/),
  )
  const address = `${base}/no.sock`
  await expect(pull('containerd:app', { address })).rejects.toMatchObject(unreadable(/no socket .*no\.sock/))
  // A file is no socket: nobody gets its group.
  await expect(pull('containerd:app', { address: `${base}/log` })).rejects.toMatchObject(
    unreadable(/no socket/),
  )
  expect(await listImages(paths)).toEqual([])
  expect(leftovers()).toEqual([])
})

test.skipIf(noContainerd)(`ctr has no right but the group of the socket${why}`, async () => {
  chmodSync(socket, 0o600)
  const denied = expect.stringContaining('permission denied')
  await expect(pull('containerd:app')).rejects.toMatchObject({
    code: 'CONTAINERD_UNREADABLE',
    message: denied,
  })
  // Control: root gets in.
  expect(ctr('images', 'list', '-q')).toContain('docker.io/library/app:latest')
  chmodSync(socket, 0o660)
  expect((await pull('containerd:app')).name).toBe('docker.io/library/app:latest')
})

test.skipIf(noContainerd)(`no more comes than the store may take${why}`, async () => {
  const name = 'containerd:k8s.io/quay.io/team/app:2'
  await expect(pull(name, { limitBytes: 2 << 20 })).rejects.toMatchObject({ code: 'IMAGE_STORE_FULL' })
  expect(await listImages(paths)).toEqual([])
  expect((await pull(name, { limitBytes: 12 << 20 })).name).toBe('quay.io/team/app:2')
})

test.skipIf(noContainerd)(`a blob that is not what its digest says is refused${why}`, async () => {
  const layer = makeTar([{ name: 'b', content: 'as it was made' }])
  add('default', 'localhost/changed:1', layer)
  const blob = `${base}/root/io.containerd.content.v1.content/blobs/sha256/${sha256(layer).slice(7)}`
  const whole = readFileSync(blob)
  const changed = Buffer.from(whole)
  changed.write('no', whole.indexOf('as it was made'))
  const rewrite = (bytes: Buffer) => {
    rmSync(blob)
    writeFileSync(blob, bytes)
  }
  rewrite(changed)
  // Ctr compares it, too. What it sends is compared as with any archive (archives.root.test.ts).
  await expect(pull('containerd:localhost/changed:1')).rejects.toMatchObject({
    code: 'CONTAINERD_UNREADABLE',
    message: expect.stringContaining('unexpected digest'),
  })
  // Control: it was the blob.
  rewrite(whole)
  expect((await pull('containerd:localhost/changed:1')).name).toBe('localhost/changed:1')
})
