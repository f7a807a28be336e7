import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { busyboxPath, noBusybox } from '../../setup/paths.ts'
import { mount, unmount } from '../linux/mounts/mount.ts'
import { buildImage, findImage, isBuiltFrom, verifyImage } from './build.ts'
import { fakeProgram, makeArchive } from './test-archive.ts'
import { compileLibrary } from './test-library.ts'

let dir: string
let cacheDir: string
const agent = Buffer.from('agent')
const systemdStub = fakeProgram([])

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'kata-image-'))
  cacheDir = join(dir, 'cache')
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

/** The code of the error that building fails with. */
async function failure(options: Parameters<typeof buildImage>[0]): Promise<string> {
  return buildImage(options).then(
    () => 'no error',
    (error) => error.code ?? String(error),
  )
}

/** What a failed build may leave: the cache's skeleton, nothing half made. */
function leftovers(cache: string): string[] {
  return readdirSync(cache, { recursive: true, encoding: 'utf8' })
    .filter((path) => !path.endsWith('.deb'))
    .sort()
}

describe('buildImage', () => {
  test('a directory that is not its own stays as it is', async () => {
    mkdirSync(join(cacheDir, 'tmp'), { recursive: true })
    writeFileSync(join(cacheDir, 'tmp', 'theirs'), '')
    expect(await failure({ cacheDir, agent, systemdStub })).toBe('IMAGE_CACHE_FOREIGN')
    expect(readdirSync(cacheDir, { recursive: true }).sort()).toEqual(['tmp', 'tmp/theirs'])
  })

  test.skipIf(noBusybox !== '')(`gives an intact image that findImage finds${noBusybox}`, async () => {
    const { env } = makeArchive(dir)
    const built = await buildImage({ cacheDir, agent, systemdStub, env })
    expect(findImage(cacheDir)).toEqual(built)
    await verifyImage(built)
    expect(readFileSync(built.kernel).toString('latin1', 0, 4)).toBe('\x7fELF')
    expect(built.manifest.kernelRelease).toBe('6.99.0-cloud-amd64')
    expect(built.manifest.packages.find(({ name }) => name === 'crun')?.version).toBe('1:1.0')
    const names = Bun.spawnSync([busyboxPath, 'cpio', '-it'], { stdin: readFileSync(built.initrd) })
      .stdout.toString()
      .split('\n')
    expect(names).toContain('init')
    expect(names).toContain('usr/lib/modules/virtio_net.ko')
    expect(names).toContain('usr/lib/x86_64-linux-gnu/libcap.so.2')
    expect(names).toContain('usr/lib/x86_64-linux-gnu/libsystemd.so.0')
    expect(names).not.toContain('usr/lib/modules/virtio_ring.ko')
    // The archive has no libsystemd at all, so that this one can only be the stub.
    expect(readFileSync(built.initrd).includes(systemdStub)).toBe(true)
  })

  test('knows what an image was built from', async () => {
    const { env } = makeArchive(dir)
    const image = await buildImage({ cacheDir, agent, systemdStub, env })
    expect(isBuiltFrom(image, { agent, systemdStub })).toBe(true)
    expect(isBuiltFrom(image, { agent: Buffer.from('newer'), systemdStub })).toBe(false)
    expect(isBuiltFrom(image, { agent, systemdStub: fakeProgram(['libc.so.6']) })).toBe(false)
  })

  test('same inputs give the same bytes in another cache, another agent another image', async () => {
    const { env } = makeArchive(dir)
    const first = await buildImage({ cacheDir, agent, systemdStub, env })
    const second = await buildImage({ cacheDir: join(dir, 'other'), agent, systemdStub, env })
    expect(second.id).toBe(first.id)
    expect(second.manifest.initrd).toEqual(first.manifest.initrd)
    expect(second.manifest.kernel).toEqual(first.manifest.kernel)
    const theirs = [join(cacheDir, 'images', 'theirs'), join(cacheDir, 'debs', 'notes')]
    for (const path of theirs) writeFileSync(path, '')
    const third = await buildImage({ cacheDir, agent: Buffer.from('newer'), systemdStub, env })
    expect(third.id).not.toBe(first.id)
    expect(findImage(cacheDir)?.id).toBe(third.id)
    const fourth = await buildImage({ cacheDir, agent: Buffer.from('newest'), systemdStub, env })
    const kept = [third.id, fourth.id, 'theirs'].sort()
    expect(readdirSync(join(cacheDir, 'images')).sort()).toEqual(kept)
    expect(theirs.map((path) => existsSync(path))).toEqual([true, true])
  })

  test('another list of kernel modules gives another image, which is known by it', async () => {
    const { env } = makeArchive(dir)
    const first = await buildImage({ cacheDir, agent, systemdStub, env })
    const kernelModules = ['virtio-mmio', 'failover', 'failover']
    const second = await buildImage({ cacheDir, agent, systemdStub, env, kernelModules })
    expect(second.id).not.toBe(first.id)
    expect(second.manifest.initrd).toEqual(first.manifest.initrd)
    expect(second.manifest.kernelModules).toEqual(['failover', 'virtio_mmio'])
    expect(isBuiltFrom(second, { agent, systemdStub })).toBe(true)
    expect(readFileSync(second.modules!).toString('latin1')).toMatch(/^.*\nm failover .*\nm virtio_mmio /)
    expect(await failure({ cacheDir, agent, systemdStub, env, kernelModules: ['nosuch'] })).toBe(
      'IMAGE_MODULE_UNKNOWN',
    )
    expect(findImage(cacheDir)?.id).toBe(second.id)
  })

  test('a damaged file of modules is told and replaced', async () => {
    const { env } = makeArchive(dir)
    const { modules } = await buildImage({ cacheDir, agent, systemdStub, env })
    const good = readFileSync(modules!)
    writeFileSync(modules!, Buffer.alloc(good.length, 1))
    await expect(verifyImage(findImage(cacheDir)!)).rejects.toMatchObject({ code: 'IMAGE_CHECKSUM_MISMATCH' })
    await buildImage({ cacheDir, agent, systemdStub, env })
    expect(readFileSync(modules!).equals(good)).toBe(true)
  })

  test('does nothing when the image is there, also for builds at the same time', async () => {
    const { env, log } = makeArchive(dir)
    await Promise.all([
      buildImage({ cacheDir, agent, systemdStub, env }),
      buildImage({ cacheDir, agent, systemdStub, env }),
    ])
    await buildImage({ cacheDir, agent, systemdStub, env })
    expect(log().match(/apt-get .* download [^-]/g)).toHaveLength(1)
    expect(readdirSync(cacheDir).sort()).toEqual(['current', 'debs', 'images', 'lock'])
  })

  test('replaces a damaged image', async () => {
    const { env } = makeArchive(dir)
    const { initrd } = await buildImage({ cacheDir, agent, systemdStub, env })
    const good = readFileSync(initrd)
    writeFileSync(initrd, Buffer.alloc(good.length, 1))
    await verifyImage(await buildImage({ cacheDir, agent, systemdStub, env }))
    expect(readFileSync(initrd).equals(good)).toBe(true)
  })

  test('keeps the image before the current one and removes older ones', async () => {
    const { env } = makeArchive(dir)
    const ids: string[] = []
    for (const text of ['one', 'two', 'three'])
      ids.push((await buildImage({ cacheDir, agent: Buffer.from(text), systemdStub, env })).id)
    expect(readdirSync(join(cacheDir, 'images')).sort()).toEqual(ids.slice(1).sort())
  })

  test('cleans up what an interrupted build left', async () => {
    const { env } = makeArchive(dir)
    mkdirSync(join(cacheDir, 'tmp', 'image-x'), { recursive: true })
    writeFileSync(join(cacheDir, 'lock'), '')
    await buildImage({ cacheDir, agent, systemdStub, env })
    expect(existsSync(join(cacheDir, 'tmp'))).toBe(false)
  })

  test('fetches the package lists when a package is unknown', async () => {
    const { env, log } = makeArchive(dir)
    writeFileSync(join(dir, 'no-lists'), '')
    await buildImage({ cacheDir, agent, systemdStub, env })
    expect(log()).toContain(' update')
  })
})

describe('failures are coded and leave nothing', () => {
  test('archive unreachable', async () => {
    const { env } = makeArchive(dir)
    writeFileSync(join(dir, 'offline'), '')
    expect(await failure({ cacheDir, agent, systemdStub, env })).toBe('IMAGE_PACKAGES_UNREACHABLE')
    expect(leftovers(cacheDir)).toEqual(['debs', 'images', 'lock'])
    writeFileSync(join(dir, 'no-lists'), '')
    expect(await failure({ cacheDir, agent, systemdStub, env })).toBe('IMAGE_PACKAGES_UNREACHABLE')
  })

  for (const without of [
    'usr/lib/x86_64-linux-gnu/libcap.so.2.75',
    'usr/lib/modules/6.99.0-cloud-amd64/kernel/overlay.ko.xz',
    'boot/vmlinuz-6.99.0-cloud-amd64',
  ])
    test(`a package without ${without}`, async () => {
      const { env } = makeArchive(dir, { without })
      expect(await failure({ cacheDir, agent, systemdStub, env })).toBe('IMAGE_PACKAGE_CONTENT')
      expect(leftovers(cacheDir)).toEqual(['debs', 'images', 'lock'])
    })

  test('a crun that wants more of libsystemd than the stub has', async () => {
    const stub = compileLibrary(
      dir,
      'libsystemd.so.0',
      'int sd_notify(void) { return 0; }',
      'V_1 { sd_notify; };',
    )
    const same = 'int sd_notify(void); int f(void) { return sd_notify(); }'
    const known = compileLibrary(dir, 'known', same, 'C { f; };', ['libsystemd.so.0'])
    await buildImage({
      cacheDir,
      agent,
      systemdStub: stub,
      env: makeArchive(join(dir, 'a'), { crun: known }).env,
    })

    const newer = 'int sd_notify(void) { return 0; } int sd_new(void) { return 0; }'
    const wider = compileLibrary(dir, 'libsystemd.so.0', newer, 'V_1 { sd_notify; }; V_2 { sd_new; };')
    const more = `${same} int sd_new(void); int g(void) { return sd_new(); }`
    const crun = compileLibrary(dir, 'more', more, 'C { f; g; };', ['libsystemd.so.0'])
    const { env } = makeArchive(join(dir, 'b'), { crun })
    const error = await buildImage({ cacheDir: join(dir, 'new'), agent, systemdStub: stub, env }).catch(
      (e) => e,
    )
    expect([error.code, error.fields]).toEqual([
      'IMAGE_SYSTEMD_SYMBOL',
      { program: 'crun', symbol: 'sd_new@V_2' },
    ])
    expect(leftovers(join(dir, 'new'))).toEqual(['debs', 'images', 'lock'])
    await buildImage({ cacheDir: join(dir, 'new'), agent, systemdStub: wider, env })

    // The same name in another version is another symbol.
    const old = compileLibrary(dir, 'libold.so', 'int sd_notify(void) { return 0; }', 'V_0 { sd_notify; };')
    expect(await failure({ cacheDir, agent, systemdStub: old, env })).toBe('IMAGE_SYSTEMD_SYMBOL')
  })

  test('a package that is not what the lists announce', async () => {
    const { env } = makeArchive(dir)
    writeFileSync(join(dir, 'pool', 'crun_1%3a1.0_amd64.deb'), 'something else')
    expect(await failure({ cacheDir, agent, systemdStub, env })).toBe('IMAGE_PACKAGES_UNREACHABLE')
  })

  test('agent or stub missing', async () => {
    const { env } = makeArchive(dir)
    const none = join(dir, 'none')
    expect(await failure({ cacheDir, agent: none, systemdStub, env })).toBe('IMAGE_FILE_MISSING')
    expect(await failure({ cacheDir, agent, systemdStub: none, env })).toBe('IMAGE_FILE_MISSING')
  })

  test('no Debian tools', async () => {
    expect(await failure({ cacheDir, agent, systemdStub, env: { PATH: join(dir, 'empty') } })).toBe(
      'IMAGE_TOOL_MISSING',
    )
  })

  test('cache below a file', async () => {
    writeFileSync(join(dir, 'file'), '')
    expect(await failure({ cacheDir: join(dir, 'file', 'cache'), agent, systemdStub, env: {} })).toBe(
      'IMAGE_CACHE_UNWRITABLE',
    )
  })

  test('aborted', async () => {
    const { env } = makeArchive(dir)
    const reason = new Error('enough')
    const build = buildImage({ cacheDir, agent, systemdStub, env, signal: AbortSignal.abort(reason) })
    expect(await build.catch((error) => error)).toBe(reason)
    expect(leftovers(cacheDir)).toEqual(['debs', 'images', 'lock'])
  })

  test.skipIf(process.getuid?.() !== 0)('disk full', async () => {
    const { env } = makeArchive(dir)
    for (const size of ['16k', '64k', '128k']) {
      mkdirSync(cacheDir, { recursive: true })
      mount({ source: 'tmpfs', target: cacheDir, type: 'tmpfs', data: `size=${size}` })
      try {
        expect(await failure({ cacheDir, agent, systemdStub, env })).toBe('IMAGE_DISK_FULL')
        expect(leftovers(cacheDir).filter((path) => path.startsWith('images/'))).toEqual([])
      } finally {
        unmount(cacheDir)
      }
    }
  })
})
