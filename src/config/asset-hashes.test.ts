import { expect, test } from 'bun:test'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLogger } from '../log.ts'
import { type Annotations, applyAnnotations } from './annotations.ts'
import { requireAssetHashes } from './asset-hashes.ts'
import { loadConfigText } from './load.ts'

const size = { cpus: 4, memoryMiB: 8192 }
const key = (name: string) => `io.katacontainers.config.hypervisor.${name}`
const sha512 = (text: string) => createHash('sha512').update(text).digest('hex')

function asked(annotations: Annotations, enabled = '_hash') {
  const text = `[hypervisor.qemu]\nenable_annotations = [".*${enabled}"]`
  const config = loadConfigText('/c.toml', new TextEncoder().encode(text), silentLogger, size)
  return applyAnnotations(config, annotations, silentLogger, {
    size,
    exists: () => true,
    isOpenToAll: () => true,
  }).hypervisor
}

test("are read by the names of both of Kata's runtimes, when they are enabled", () => {
  const hash = sha512('a')
  expect(asked({}).assetHashes).toEqual({})
  expect(asked({ [key('kernel_hash')]: hash.toUpperCase() }).assetHashes).toEqual({ kernel: hash })
  for (const name of ['hypervisor_hash', 'path_hash'])
    expect(asked({ [key(name)]: hash, 'io.katacontainers.asset_hash_type': 'sha512' }).assetHashes).toEqual({
      path: hash,
    })
  expect(() => asked({ [key('kernel_hash')]: hash }, 'x')).toThrow('ANNOTATION_NOT_ENABLED')
})

test('a value that is no SHA-512, two that disagree, and another kind fail the pod', () => {
  for (const text of ['ab', `x${sha512('a')}`, `${sha512('a')}0`])
    expect(() => asked({ [key('kernel_hash')]: text })).toThrow('128 hexadecimal digits')
  expect(() => asked({ [key('path_hash')]: sha512('a'), [key('hypervisor_hash')]: sha512('b') })).toThrow(
    'contradicts another checksum of path',
  )
  expect(() => asked({ 'io.katacontainers.asset_hash_type': 'sha256' })).toThrow('ANNOTATION_UNSUPPORTED')
})

test('a sandbox starts with the files it asks for and with no others', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'kata-ts-hash-'))
  try {
    const kernel = join(directory, 'kernel')
    writeFileSync(kernel, 'a kernel')
    const same = asked({ [key('kernel_hash')]: sha512('a kernel') })
    await requireAssetHashes(same, { kernel })
    const other = asked({ [key('kernel_hash')]: sha512('another') })
    await expect(requireAssetHashes(other, { kernel })).rejects.toThrow(`ASSET_HASH_MISMATCH`)
    const unused = asked({ [key('image_hash')]: sha512('a kernel') })
    await expect(requireAssetHashes(unused, { kernel })).rejects.toThrow('the sandbox uses no image')
  } finally {
    rmSync(directory, { recursive: true })
  }
})

test('a checksum of a program that the VMM is not started by fails the pod', async () => {
  const jailed = asked({ [key('jailer_hash')]: sha512('a') })
  await expect(requireAssetHashes(jailed, { kernel: '/k' })).rejects.toThrow(
    'the sandbox uses no jailer_path',
  )
  const firecracker = { ...jailed, driver: 'firecracker', jailerPath: '/etc/hostname' } as const
  await expect(requireAssetHashes(firecracker, { kernel: '/k' })).rejects.toThrow('ASSET_HASH_MISMATCH')
})
