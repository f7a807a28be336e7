/** Images of other stores of this host, by the real skopeo. Docker is not among them: no test has one. No guest. */
import { afterEach, beforeEach, expect, test } from 'bun:test'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { findTool } from '../../linux/processes/which.ts'
import { parseImageSource } from '../names/image-source.ts'
import { makeOciFiles, makeTar } from '../testing.ts'
import { listImages } from './image-store.ts'
import { pullImage } from './pull.ts'
import { type StorePaths, storePaths } from './store-paths.ts'

const noSkopeo = findTool('skopeo') === undefined

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
const pull = (text: string, limitBytes = 0) => {
  const source = parseImageSource(text)
  if (source === undefined) throw new Error(`${text} is no store`)
  return pullImage(paths, source.name, {
    ...{ source, limitBytes, tlsVerify: true, authFile: undefined, env: {} },
    ...{ signal: new AbortController().signal, onBytes: () => {}, onStep: (step) => steps.push(step) },
  })
}

function skopeo(...args: string[]): void {
  const { exitCode, stderr } = Bun.spawnSync(['skopeo', '--insecure-policy', 'copy', '-q', ...args], {
    env: { PATH: process.env.PATH ?? '' },
  })
  expect({ exitCode, stderr: stderr.toString() }).toEqual({ exitCode: 0, stderr: '' })
}

test.skipIf(noSkopeo)('a layout, archives and podman’s store, each readable to root alone', async () => {
  const layout = `oci:${base}/layout`
  const storage = `containers-storage:[vfs@${base}/graph+${base}/run]`
  skopeo(layout, `oci-archive:${base}/oci.tar:quay.io/x/y:2`)
  skopeo(layout, `docker-archive:${base}/docker.tar:team/app:3`)
  skopeo(layout, `dir:${base}/directory`)
  skopeo(layout, `${storage}localhost/stored:4`)
  const names = [
    [layout, 'localhost/layout:latest'],
    [`oci-archive:${base}/oci.tar:quay.io/x/y:2`, 'quay.io/x/y:2'],
    [`docker-archive:${base}/docker.tar`, 'localhost/docker:latest'],
    [`docker-archive:${base}/docker.tar:team/app:3`, 'docker.io/team/app:3'],
    [`dir:${base}/directory`, 'localhost/directory:latest'],
    [`${storage}localhost/stored:4`, 'localhost/stored:4'],
  ] as const
  for (const [source, name] of names) {
    const image = await pull(source)
    expect(image).toMatchObject({ name, digest: expect.stringMatching(/^sha256:/) })
    expect(readFileSync(`${paths.layers}/${image.layers[0]}/a`, 'utf8')).toBe('from a layout')
  }
  expect(await listImages(paths)).toHaveLength(names.length)
  expect(readdirSync(paths.layout).filter((name) => name.startsWith('.'))).toEqual([])
})

test.skipIf(noSkopeo)('what is not there is told with skopeo’s words, and has its bound', async () => {
  const missing = { code: 'PULL_FAILED', message: expect.stringContaining('/no/such') }
  await expect(pull('oci:/no/such')).rejects.toMatchObject(missing)
  await expect(pull(`containers-storage:[vfs@${base}/graph+${base}/run]x`)).rejects.toMatchObject({
    code: 'PULL_FAILED',
  })
  if (!existsSync('/var/run/docker.sock'))
    await expect(pull('docker-daemon:x')).rejects.toMatchObject({
      ...{ code: 'PULL_FAILED', message: expect.stringContaining('Docker daemon') },
    })
  await expect(pull(`oci:${base}/layout`, 512)).rejects.toMatchObject({ code: 'IMAGE_STORE_FULL' })
  expect(await listImages(paths)).toEqual([])
})
