/** Images of other stores of this host, by the real skopeo. Docker is a double. No guest. */
import { afterEach, beforeEach, expect, test } from 'bun:test'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { findTool } from '../../linux/processes/which.ts'
import { parseImageSource } from '../names/image-source.ts'
import { makeOciFiles, makeTar } from '../testing.ts'
import { startDocker } from './docker.double.ts'
import { listImages } from './image-store.ts'
import { pullImage } from './pull.ts'
import { type StorePaths, storePaths } from './store-paths.ts'

const noSkopeo = findTool('skopeo') === undefined
/** A group that is nobody's. */
const otherGroup = 0x7ffe0000

let base: string
let paths: StorePaths
beforeEach(() => {
  // Root's alone, and below /tmp, which skopeo does not see otherwise.
  base = mkdtempSync('/tmp/kata-ts-stores-')
  paths = storePaths(`${base}/state`)
  for (const [name, content] of makeOciFiles([{ tar: makeTar([{ name: 'a', content: 'from a layout' }]) }])) {
    mkdirSync(dirname(`${base}/layout/${name}`), { recursive: true, mode: 0o700 })
    writeFileSync(`${base}/layout/${name}`, content, { mode: 0o600 })
  }
})
afterEach(() => rmSync(base, { recursive: true }))

const steps: string[] = []
const pull = (text: string, limitBytes = 0, env: Record<string, string> = {}) => {
  const source = parseImageSource(text)
  if (source === undefined) throw new Error(`${text} is no store`)
  return pullImage(paths, source.name, {
    source,
    limitBytes,
    tlsVerify: true,
    authFile: undefined,
    env,
    signal: new AbortController().signal,
    onBytes: () => {},
    onStep: (step) => steps.push(step),
  })
}

function skopeo(...args: string[]): void {
  const { exitCode, stderr } = Bun.spawnSync(['skopeo', '--insecure-policy', 'copy', '-q', ...args], {
    env: { PATH: process.env.PATH ?? '' },
  })
  expect({ exitCode, stderr: stderr.toString() }).toEqual({ exitCode: 0, stderr: '' })
}

test.skipIf(noSkopeo)('a layout and archives, each readable to root alone', async () => {
  const layout = `oci:${base}/layout`
  skopeo(layout, `oci-archive:${base}/oci.tar:quay.io/x/y:2`)
  skopeo(layout, `docker-archive:${base}/docker.tar:team/app:3`)
  skopeo(layout, `dir:${base}/directory`)
  const names = [
    [layout, 'localhost/layout:latest'],
    [`oci-archive:${base}/oci.tar:quay.io/x/y:2`, 'quay.io/x/y:2'],
    [`docker-archive:${base}/docker.tar`, 'localhost/docker:latest'],
    [`docker-archive:${base}/docker.tar:team/app:3`, 'docker.io/team/app:3'],
    [`dir:${base}/directory`, 'localhost/directory:latest'],
  ] as const
  for (const [source, name] of names) {
    const image = await pull(source)
    expect(image).toMatchObject({ name, digest: expect.stringMatching(/^sha256:/) })
    expect(readFileSync(`${paths.layers}/${image.layers[0]}/a`, 'utf8')).toBe('from a layout')
  }
  expect(await listImages(paths)).toHaveLength(names.length)
  expect(readdirSync(paths.layout).filter((name) => name.startsWith('.'))).toEqual([])
})

test.skipIf(noSkopeo)('a link in a layout leads to nothing that only root may read', async () => {
  const blobs = `${base}/layout/blobs/sha256`
  const [first = ''] = readdirSync(blobs)
  const secret = `${base}/secret`
  writeFileSync(secret, readFileSync(`${blobs}/${first}`), { mode: 0o600 })
  rmSync(`${blobs}/${first}`)
  symlinkSync(secret, `${blobs}/${first}`)
  await expect(pull(`oci:${base}/layout`)).rejects.toMatchObject({
    code: 'PULL_FAILED',
    message: expect.stringMatching(/permission denied|no such file/),
  })
  // Control: the same file in its place is read.
  rmSync(`${blobs}/${first}`)
  renameSync(secret, `${blobs}/${first}`)
  expect(await pull(`oci:${base}/layout`)).toMatchObject({ name: 'localhost/layout:latest' })
})

test.skipIf(noSkopeo)('a file gives its image no name with the digest of another one', async () => {
  const [index, other] = [`${base}/layout/index.json`, `quay.io/x/y@sha256:${'a'.repeat(64)}`]
  const { manifests, ...more } = JSON.parse(readFileSync(index, 'utf8'))
  const { digest } = manifests[0]
  for (const name of [other, `quay.io/x/y@${digest}`]) {
    const annotations = { 'org.opencontainers.image.ref.name': name }
    writeFileSync(index, JSON.stringify({ ...more, manifests: [{ ...manifests[0], annotations }] }))
    const pulled = pull(`oci:${base}/layout:${name}`)
    if (name === other)
      await expect(pulled).rejects.toMatchObject({
        code: 'IMAGE_NAME_INVALID',
        fields: { reason: `its digest is ${digest}` },
      })
    else expect(await pulled).toMatchObject({ name, digest })
  }
  expect(await listImages(paths)).toHaveLength(1)
})

test.skipIf(noSkopeo)('an image of Docker, whose socket only its group may open', async () => {
  const directory = mkdtempSync('/run/kata-ts-docker-')
  chmodSync(directory, 0o711)
  using _directory = { [Symbol.dispose]: () => rmSync(directory, { recursive: true }) }
  const socket = `${directory}/docker.sock`
  await using docker = startDocker(socket)
  docker.add('team/app:3', makeTar([{ name: 'a', content: 'from docker' }]))
  const env = { DOCKER_HOST: `unix://${socket}` }
  chmodSync(socket, 0o660)
  chownSync(socket, 0, otherGroup)
  const image = await pull('docker-daemon:team/app:3', 0, env)
  expect(image.name).toBe('docker.io/team/app:3')
  expect(readFileSync(`${paths.layers}/${image.layers[0]}/a`, 'utf8')).toBe('from docker')
  expect(docker.asked.at(-1)).toMatch(/images\/(get\?names=)?team(%2F|\/)app(%3A|:)3/)
  await expect(pull('docker-daemon:team/none', 0, env)).rejects.toMatchObject({
    code: 'PULL_FAILED',
    message: expect.stringContaining('No such image: team/none:latest'),
  })
  // Control: it is the group that lets skopeo in.
  chmodSync(socket, 0o600)
  await expect(pull('docker-daemon:team/app:3', 0, env)).rejects.toMatchObject({
    code: 'PULL_FAILED',
    message: expect.stringContaining('permission denied'),
  })
  await expect(pull('docker-daemon:x', 0, { DOCKER_HOST: 'tcp://127.0.0.1:1' })).rejects.toMatchObject({
    code: 'OPTION_INVALID',
    message: expect.stringContaining('DOCKER_HOST'),
  })
})

test.skipIf(noSkopeo)('what is not there is told as that, and what is has its bound', async () => {
  const missing = { code: 'ROOTFS_MISSING', message: expect.stringContaining('/no/such') }
  await expect(pull('oci:/no/such')).rejects.toMatchObject(missing)
  expect(() => pull('containers-storage:x')).toThrow('podman save NAME | kata-ts load')
  if (!existsSync('/var/run/docker.sock'))
    await expect(pull('docker-daemon:x')).rejects.toMatchObject({
      code: 'PULL_FAILED',
      message: expect.stringContaining('Docker daemon'),
    })
  await expect(pull(`oci:${base}/layout`, 512)).rejects.toMatchObject({ code: 'IMAGE_STORE_FULL' })
  expect(await listImages(paths)).toEqual([])
})
