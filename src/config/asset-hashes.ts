/** Checksums that a pod asks for: it starts only with the programs and images that it names. */
import { createReadStream } from 'node:fs'
import { KataError } from '../errors.ts'
import type { AssetHashes, HypervisorConfig } from './config.ts'
import { configurationOf, configurations } from './drivers.ts'
import type { AnnotationName } from './kata/annotation-names.ts'

/**
 * The keys of files by their annotations, that is by what follows `io.katacontainers.config.hypervisor.`; Kata's two runtimes
 * differ in the first two.
 */
const assetOf: Readonly<Record<string, string>> = {
  hypervisor_hash: 'path',
  path_hash: 'path',
  ...Object.fromEntries(
    configurations.flatMap(({ starters }) =>
      starters.map(({ hashAnnotation, key }) => [hashAnnotation, key]),
    ),
  ),
  kernel_hash: 'kernel',
  initrd_hash: 'initrd',
  image_hash: 'image',
}

export const hashAnnotations = Object.keys(assetOf)

export const isHashAnnotation = ({ table, name }: AnnotationName): boolean =>
  table === 'hypervisor' && Object.hasOwn(assetOf, name)

/**
 * The checksums that these annotations ask for.
 * @throws KataError CONFIG_VALUE, CONFIG_CONFLICT when two annotations contradict each other
 */
export function readHashes(asked: readonly { named: AnnotationName; text: string }[]): AssetHashes {
  const hashes: Record<string, string> = {}
  for (const { named, text } of asked) {
    const where = `annotation ${named.annotation}`
    if (!/^[0-9a-f]{128}$/i.test(text))
      throw new KataError('CONFIG_VALUE', {
        where,
        key: named.name,
        value: JSON.stringify(text.slice(0, 140)),
        allowed: 'a SHA-512 checksum, 128 hexadecimal digits',
      })
    const asset = assetOf[named.name]!
    const hash = text.toLowerCase()
    if (hashes[asset] !== undefined && hashes[asset] !== hash)
      throw new KataError('CONFIG_CONFLICT', {
        where,
        reason: `it contradicts another checksum of ${asset}`,
        hint: 'Remove one of them from the pod.',
      })
    hashes[asset] = hash
  }
  return hashes
}

/**
 * Compares the files that a sandbox is about to use with what its pod asks for. `used` has the files in place of empty
 * settings. The files belong to root: an attacker who can change them between this check and the start could change everything else.
 * @throws KataError ASSET_HASH_MISMATCH, CONFIG_CONFLICT for a checksum of what is not used
 */
export async function requireAssetHashes(
  hypervisor: HypervisorConfig,
  used: {
    readonly kernel: string
    readonly initrd?: string | undefined
    readonly image?: string | undefined
  },
): Promise<void> {
  const { assetHashes, path, driver } = hypervisor
  const starters = configurationOf(driver).starters.map((one) => [one.key, one.path(hypervisor)])
  const files: Readonly<Record<string, string | undefined>> = {
    ...used,
    path,
    ...Object.fromEntries(starters),
  }
  for (const [asset, expected] of Object.entries(assetHashes)) {
    const file = files[asset]
    if (file === undefined)
      throw new KataError('CONFIG_CONFLICT', {
        where: `annotation for the checksum of ${asset}`,
        reason: `the sandbox uses no ${asset}`,
        hint: 'Remove it from the pod.',
      })
    const actual = await sha512Of(file)
    if (actual !== expected) throw new KataError('ASSET_HASH_MISMATCH', { asset, file, actual, expected })
  }
}

async function sha512Of(file: string): Promise<string> {
  const hasher = new Bun.CryptoHasher('sha512')
  for await (const chunk of createReadStream(file)) hasher.update(chunk as Buffer)
  return hasher.digest('hex')
}
