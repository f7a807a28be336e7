/** Container images for the tests, made from what is installed: busybox, and a pause of our own. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { busyboxPath } from '../../setup/paths.ts'
import { makeTar, sha256, type TestEntry } from '../../src/images/testing.ts'

export const busyboxImage = 'localhost/kata-ts/busybox:latest'
export const pauseImage = 'localhost/kata-ts/pause:latest'
/** An image with one program and no shell. */
export const bareImage = 'localhost/kata-ts/bare:latest'

interface ImageConfig {
  readonly Entrypoint?: readonly string[]
  readonly Cmd?: readonly string[]
  readonly Env?: readonly string[]
  readonly StopSignal?: string
}

/** All images, each as an OCI archive that `ctr images import` takes. `scratch` is for the compiler's output. */
export function makeImages(scratch: string): Buffer[] {
  const pause = readFileSync(compilePause(scratch))
  const env = ['PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin']
  return [
    makeArchive(busyboxImage, [busyboxFiles()], { Cmd: ['sh'], Env: env }),
    makeArchive(pauseImage, [[{ name: 'pause', content: pause, mode: 0o755 }]], { Entrypoint: ['/pause'] }),
    makeArchive(bareImage, [[{ name: 'program', content: pause, mode: 0o755 }]], {
      Entrypoint: ['/program'],
    }),
  ]
}

/** An OCI image (image-spec: image-layout.md, manifest.md, config.md) under the name `reference`, of one layer after the other. */
export function makeArchive(
  reference: string,
  layers: readonly (readonly TestEntry[])[],
  config: ImageConfig,
): Buffer {
  const files = new Map<string, Buffer>()
  const blob = (mediaType: string, bytes: Buffer) => {
    files.set(`blobs/sha256/${sha256(bytes).slice(7)}`, bytes)
    return { mediaType: `application/vnd.oci.image.${mediaType}`, digest: sha256(bytes), size: bytes.length }
  }
  const json = (value: unknown) => Buffer.from(JSON.stringify(value))
  const tars = layers.map(makeTar)
  const rootfs = { type: 'layers', diff_ids: tars.map(sha256) }
  const image = json({ architecture: 'amd64', os: 'linux', config, rootfs })
  const manifest = json({
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: blob('config.v1+json', image),
    layers: tars.map((tar) => blob('layer.v1.tar', tar)),
  })
  const named = { annotations: { 'io.containerd.image.name': reference } }
  files.set(
    'index.json',
    json({ schemaVersion: 2, manifests: [{ ...blob('manifest.v1+json', manifest), ...named }] }),
  )
  files.set('oci-layout', json({ imageLayoutVersion: '1.0.0' }))
  return makeTar([...files].map(([name, content]) => ({ name, content })))
}

/** busybox under all its names, and the files that programs expect. */
export function busyboxFiles(): TestEntry[] {
  const listed = Bun.spawnSync([busyboxPath, '--list-full']).stdout.toString().split('\n')
  const names = listed.filter((path) => /^(usr\/)?s?bin\/[^/]+$/.test(path) && path !== 'bin/busybox')
  const directories = 'bin dev etc home proc root run sbin sys tmp usr usr/bin usr/sbin var'.split(' ')
  return [
    ...directories.map((name) => ({ name, type: '5', mode: name === 'tmp' ? 0o1777 : 0o755 })),
    { name: 'etc/passwd', content: 'root:x:0:0:root:/root:/bin/sh\nweb:x:1000:1000:web:/home:/bin/sh\n' },
    { name: 'etc/group', content: 'root:x:0:\nweb:x:1000:\n' },
    { name: 'bin/busybox', content: readFileSync(busyboxPath), mode: 0o755 },
    ...names.map((name) => ({ name, type: '1', linkName: 'bin/busybox', mode: 0o755 })),
  ]
}

function compilePause(scratch: string): string {
  const program = join(scratch, 'pause')
  const { exitCode, stderr } = Bun.spawnSync(
    ['gcc', '-Os', '-static', '-s', '-o', program, join(import.meta.dir, 'pause.c')],
    { env: { PATH: process.env.PATH ?? '' } },
  )
  if (exitCode !== 0) throw new Error(`gcc: ${stderr}`)
  return program
}
