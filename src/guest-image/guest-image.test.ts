import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { KataError } from '../errors.ts'
import { checkInitrd, checkKernel, findImage, requireImage, verifyImage } from './guest-image.ts'
import { type ImageManifest, parseManifest } from './manifest.ts'

let cache: string
let dir: string

beforeEach(() => {
  cache = mkdtempSync(join(tmpdir(), 'kata-cache-'))
  dir = join(cache, 'images', 'abc')
  mkdirSync(dir, { recursive: true })
})
afterEach(() => rmSync(cache, { recursive: true, force: true }))

const sha256 = (text: string) => new Bun.CryptoHasher('sha256').update(text).digest('hex')

function manifest(kernel: string, initrd: string): ImageManifest {
  return {
    id: 'abc',
    recipe: 1,
    kernel: { file: 'vmlinux', sha256: sha256(kernel), size: kernel.length },
    initrd: { file: 'initrd', sha256: sha256(initrd), size: initrd.length },
    kernelRelease: '6.12',
    agentSha256: sha256('agent'),
    packages: [],
    builtAt: '2026-01-01T00:00:00Z',
  }
}

function writeImage(): void {
  writeFileSync(join(dir, 'vmlinux'), 'kernel')
  writeFileSync(join(dir, 'initrd'), 'initrd')
  writeFileSync(join(dir, 'manifest.json'), JSON.stringify(manifest('kernel', 'initrd')))
  symlinkSync('images/abc', join(cache, 'current'))
}

async function codeOf(action: () => unknown): Promise<string> {
  try {
    await action()
    return 'no error'
  } catch (error) {
    return error instanceof KataError ? error.code : String(error)
  }
}

describe('an image in the cache', () => {
  test('is found through the symlink and verified', async () => {
    writeImage()
    const image = requireImage(cache)
    expect(image.kernel).toBe(join(dir, 'vmlinux'))
    await verifyImage(image)
  })

  test('is absent', async () => {
    expect(findImage(cache)).toBeUndefined()
    expect(await codeOf(() => requireImage(cache))).toBe('IMAGE_MISSING')
    symlinkSync('images/gone', join(cache, 'current'))
    expect(findImage(cache)).toBeUndefined()
  })

  test.each([
    ['newer, with its agent, counts', '2026-01-02T00:00:00Z', 'agent', 'built'],
    ['newer, with another agent, does not', '2026-01-02T00:00:00Z', 'other', 'packaged'],
    ['older does not', '2025-12-31T00:00:00Z', 'agent', 'packaged'],
  ])('beside that of a package: one that is %s', (_what, builtAt, agent, expected) => {
    const write = (at: string, changes: Partial<ImageManifest>) => {
      mkdirSync(at, { recursive: true })
      const written = { ...manifest('kernel', 'initrd'), ...changes }
      writeFileSync(join(at, 'manifest.json'), JSON.stringify(written))
    }
    const packaged = join(cache, 'package')
    write(packaged, { id: 'packaged' })
    expect(findImage(cache, packaged)?.id).toBe('packaged')
    write(dir, { id: 'built', builtAt, agentSha256: sha256(agent) })
    symlinkSync('images/abc', join(cache, 'current'))
    expect(findImage(cache, packaged)?.id).toBe(expected)
  })

  for (const file of ['vmlinux', 'initrd']) {
    test(`with another ${file}`, async () => {
      writeImage()
      const image = requireImage(cache)
      writeFileSync(join(dir, file), 'longer than before')
      expect(await codeOf(() => verifyImage(image))).toBe('IMAGE_CHECKSUM_MISMATCH')
      writeFileSync(join(dir, file), file === 'initrd' ? 'Initrd' : 'Kernel')
      expect(await codeOf(() => verifyImage(image))).toBe('IMAGE_CHECKSUM_MISMATCH')
    })

    test(`without ${file}`, async () => {
      writeImage()
      const image = requireImage(cache)
      rmSync(join(dir, file))
      expect(await codeOf(() => verifyImage(image))).toBe('IMAGE_FILE_MISSING')
      mkdirSync(join(dir, file))
      expect(await codeOf(() => verifyImage(image))).toBe('IMAGE_FILE_MISSING')
    })
  }

  test('verification can be aborted', async () => {
    writeImage()
    const reason = new Error('enough')
    const outcome = verifyImage(requireImage(cache), { signal: AbortSignal.abort(reason) })
    expect(await outcome.catch((error) => error)).toBe(reason)
  })

  test('with a damaged manifest', async () => {
    writeImage()
    for (const text of ['', 'null', '[]', '{"id":"abc"}']) {
      writeFileSync(join(dir, 'manifest.json'), text)
      expect(await codeOf(() => findImage(cache))).toBe('IMAGE_MANIFEST_CORRUPT')
    }
  })
})

describe('parseManifest', () => {
  const good = manifest('k', 'i')
  test('takes what the build writes', () => {
    expect(parseManifest(JSON.stringify(good), 'm')).toEqual(good)
  })
  test('takes no file outside the directory and no strange sum', () => {
    for (const change of [{ file: '../x' }, { file: '' }, { sha256: 'X'.repeat(64) }, { size: 1.5 }])
      expect(() =>
        parseManifest(JSON.stringify({ ...good, kernel: { ...good.kernel, ...change } }), 'm'),
      ).toThrow('[IMAGE_MANIFEST_CORRUPT]')
  })
  test('any JSON is taken or refused by code', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        expect(() => parseManifest(text, 'm')).toThrow('[IMAGE_MANIFEST_CORRUPT]')
      }),
    )
  })
})

describe('files that the configuration names', () => {
  /** An x86-64 ELF header with one PT_NOTE segment that holds a note of `name` and `type`. */
  function elf(name: string, type: number): Buffer {
    const file = Buffer.alloc(64 + 56 + 20)
    file.write('\x7fELF\x02\x01', 'latin1')
    file.writeUInt16LE(62, 18)
    file.writeBigUInt64LE(64n, 32)
    file.writeUInt16LE(56, 54)
    file.writeUInt16LE(1, 56)
    file.writeUInt32LE(4, 64)
    file.writeBigUInt64LE(120n, 64 + 8)
    file.writeBigUInt64LE(20n, 64 + 32)
    file.writeUInt32LE(4, 120)
    file.writeUInt32LE(4, 124)
    file.writeUInt32LE(type, 128)
    file.write(name, 132, 'latin1')
    return file
  }
  const path = () => join(cache, 'file')

  test('a kernel with the PVH note', () => {
    writeFileSync(path(), elf('Xen\0', 18))
    checkKernel(path())
  })

  const otherMachine = elf('Xen\0', 18)
  otherMachine.writeUInt16LE(183, 18)
  for (const [name, bytes] of [
    ['another note', elf('Xen\0', 1)],
    ['a note of somebody else', elf('GNU\0', 18)],
    ['another machine', otherMachine],
    ['a cut header', elf('Xen\0', 18).subarray(0, 40)],
    ['a cut table', elf('Xen\0', 18).subarray(0, 100)],
    ['no ELF file', Buffer.from('MZ')],
    ['an empty file', Buffer.alloc(0)],
  ] as const)
    test(`no kernel: ${name}`, async () => {
      writeFileSync(path(), bytes)
      expect(await codeOf(() => checkKernel(path()))).toBe('IMAGE_KERNEL_FORMAT')
    })

  test('a damaged kernel is accepted or refused by code, never worse', async () => {
    const good = elf('Xen\0', 18)
    await fc.assert(
      fc.asyncProperty(fc.nat(good.length - 1), fc.nat(255), async (at, value) => {
        const bad = Buffer.from(good)
        bad[at] = value
        writeFileSync(path(), bad)
        expect(await codeOf(() => checkKernel(path()))).toMatch(/^(no error|IMAGE_KERNEL_FORMAT)$/)
      }),
      { numRuns: 300 },
    )
  })

  test('an initrd by its first bytes', async () => {
    for (const head of ['070701', '\x1f\x8b', '\x28\xb5\x2f\xfd', '\xfd7zXZ\0', '\x02\x21\x4c\x18']) {
      writeFileSync(path(), Buffer.from(`${head}rest`, 'latin1'))
      checkInitrd(path())
    }
    for (const head of ['', 'text', '070707']) {
      writeFileSync(path(), head)
      expect(await codeOf(() => checkInitrd(path()))).toBe('IMAGE_INITRD_FORMAT')
    }
  })

  test('missing ones', async () => {
    expect(await codeOf(() => checkKernel(join(cache, 'none')))).toBe('IMAGE_FILE_MISSING')
    expect(await codeOf(() => checkInitrd(cache))).toBe('IMAGE_FILE_MISSING')
  })
})
