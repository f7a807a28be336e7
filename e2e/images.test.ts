/** Containers from image archives: layers over each other, whiteouts, owners, and the image's own configuration. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { busyboxPath } from '../setup/paths.ts'
import { startRegistry } from '../src/images/store/registry.double.ts'
import { makeOciArchive, makeOciFiles, makeTar, sha256 } from '../src/images/testing.ts'
import { Kata, scratch } from './harness/kata.ts'

let kata: Kata
beforeAll(() => {
  kata = new Kata()
})
afterAll(() => kata.close())

const applets = ['sh', 'cat', 'ls', 'stat', 'id', 'pwd'].map((name) => ({
  name: `bin/${name}`,
  type: '2',
  linkName: 'busybox',
}))
const base = makeTar([
  ...['bin/', 'etc/', 'proc/', 'sys/', 'dev/', 'tmp/', 'srv/'].map((name) => ({
    name,
    type: '5',
    mode: 0o755,
  })),
  { name: 'bin/busybox', content: readFileSync(busyboxPath), mode: 0o755 },
  ...applets,
  { name: 'etc/passwd', content: 'root:x:0:0::/:/bin/sh\napp:x:1234:1234::/srv:/bin/sh\n' },
  { name: 'etc/group', content: 'root:x:0:\napp:x:1234:\n' },
  { name: 'etc/old', content: 'from the first layer' },
])
const upper = makeTar([
  { name: 'etc/.wh.old' },
  { name: 'srv/data', content: 'from the second layer', uid: 1234, mode: 0o640 },
])
const config = {
  Entrypoint: ['/bin/sh', '-c'],
  // Without the files that the runtime lays over every container's own.
  Cmd: ['id -un; pwd; echo $COLOUR; cat data; ls /etc | grep -v -e ^host -e ^resolv'],
  Env: ['PATH=/bin', 'COLOUR=green'],
  WorkingDir: '/srv',
  User: 'app',
}

const gzipped = (tar: Buffer) => Buffer.from(Bun.gzipSync(new Uint8Array(tar)))

function doubleLargest(files: Map<string, Buffer>): void {
  for (const [name, bytes] of files) if (bytes.length > 5000) files.set(name, Buffer.concat([bytes, bytes]))
}

test('an OCI archive runs as its configuration says', async () => {
  using dir = scratch()
  writeFileSync(
    `${dir.path}/image.tar`,
    makeOciArchive([{ tar: base }, { tar: upper, stored: gzipped(upper) }], config),
  )
  const outcome = await kata.call(['run', '--rm', '--image', `${dir.path}/image.tar`])
  expect(outcome).toEqual({
    code: 0,
    stdout: 'app\n/srv\ngreen\nfrom the second layergroup\npasswd\n',
    stderr: '',
  })
  const other = await kata.call([
    'run',
    '--rm',
    '--image',
    `${dir.path}/image.tar`,
    '-u',
    'root',
    '--',
    'stat -c %u:%a /srv/data',
  ])
  expect(other).toEqual({ code: 0, stdout: '1234:640\n', stderr: '' })
  writeFileSync(`${dir.path}/app.env`, '# for the app\nCOLOUR=from the file\n')
  const replaced = await kata.call([
    ...['run', '--rm', '--image', `${dir.path}/image.tar`, '--env-file', `${dir.path}/app.env`],
    ...['--entrypoint', '/bin/sh', '--', '-c', 'echo "$COLOUR"'],
  ])
  expect(replaced).toEqual({ code: 0, stdout: 'from the file\n', stderr: '' })
})

test('an image of a directory is pulled by skopeo’s name for it, and runs', async () => {
  using dir = scratch()
  for (const [name, content] of makeOciFiles(
    [{ tar: base }, { tar: upper, stored: gzipped(upper) }],
    config,
  )) {
    mkdirSync(dirname(`${dir.path}/app/${name}`), { recursive: true })
    writeFileSync(`${dir.path}/app/${name}`, content)
  }
  const source = `oci:${dir.path}/app`
  const name = 'localhost/app:latest'
  expect(await kata.call(['pull', '--quiet', source])).toEqual({ code: 0, stdout: `${name}\n`, stderr: '' })
  for (const image of [source, name]) {
    const run = await kata.call(['run', '--rm', '--pull', 'never', image])
    expect(run).toEqual({
      code: 0,
      stdout: 'app\n/srv\ngreen\nfrom the second layergroup\npasswd\n',
      stderr: '',
    })
  }
  expect((await kata.call(['rmi', name])).code).toBe(0)
})

test('an image is pulled by its name, runs, and is in use until its container is removed', async () => {
  await using registry = startRegistry()
  registry.add('team/app', '1.0', [base, upper], config)
  const name = `${registry.host}/team/app:1.0`
  const plain = ['--tls-verify=false']
  expect(await kata.call(['run', '--rm', name, 'echo hi'])).toMatchObject({
    code: 125,
    stderr: expect.stringContaining('[PULL_TLS]'),
  })
  const run = await kata.call(['run', ...plain, '--name', 'app', name])
  expect(run).toEqual({
    code: 0,
    stdout: 'app\n/srv\ngreen\nfrom the second layergroup\npasswd\n',
    stderr: ['pulling ...', 'unpacking layer 1 of 2 ...', 'unpacking layer 2 of 2 ...', 'done']
      .map((step) => `${name}: ${step}\n`)
      .join(''),
  })
  const [listed] = JSON.parse((await kata.call(['images', '--format', 'json'])).stdout)
  expect(listed).toMatchObject({ name, created: '2024-05-06T07:08:09.000Z' })
  expect((await kata.call(['images', '-q'])).stdout).toBe(`${listed.id.slice(7, 19)}\n`)

  expect(await kata.call(['rmi', name])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('[IMAGE_USED]'),
  })
  const pruned = await kata.call(['prune', '--force', '--containers', '--format', 'json'])
  expect(JSON.parse(pruned.stdout)).toMatchObject({ containers: ['app'], images: [name] })
  expect((await kata.call(['images', '--format', 'json'])).stdout).toBe('[]\n')
  expect(await kata.call(['run', '--rm', '--pull', 'never', name])).toMatchObject({
    code: 125,
    stderr: expect.stringContaining('[IMAGE_NOT_STORED]'),
  })
})

test('a docker archive runs too', async () => {
  using dir = scratch()
  const document = JSON.stringify({ config: { Env: ['PATH=/bin'] }, rootfs: { diff_ids: [sha256(base)] } })
  const archive = makeTar([
    { name: 'config.json', content: document },
    { name: 'layer.tar', content: base },
    { name: 'manifest.json', content: JSON.stringify([{ Config: 'config.json', Layers: ['layer.tar'] }]) },
  ])
  writeFileSync(`${dir.path}/image.tar`, archive)
  const outcome = await kata.call([
    'run',
    '--rm',
    '--image',
    `${dir.path}/image.tar`,
    '--',
    'cat',
    '/etc/old',
  ])
  expect(outcome).toEqual({ code: 0, stdout: 'from the first layer', stderr: '' })
})

test.each([
  ['no archive at all', () => Buffer.from('this is no tar'), 'ROOTFS_ARCHIVE_INVALID'],
  [
    'a layer that is not what its digest says',
    // One that no cache has: a layer known by its digest is never read again.
    () =>
      makeOciArchive([{ tar: makeTar([{ name: 'new', content: 'x'.repeat(5000) }]) }], config, doubleLargest),
    'ROOTFS_DIGEST_MISMATCH',
  ],
  [
    'a layer that climbs out',
    () => makeOciArchive([{ tar: makeTar([{ name: '../../escaped', content: 'x' }]) }]),
    'ROOTFS_ARCHIVE_UNSAFE',
  ],
])('%s is refused', async (_, archive, code) => {
  using dir = scratch()
  writeFileSync(`${dir.path}/image.tar`, archive())
  const outcome = await kata.call(['run', '--rm', '--image', `${dir.path}/image.tar`, '--', '/bin/sh'])
  expect(outcome.code).toBe(125)
  expect(outcome.stderr).toContain(`[${code}`)
})
