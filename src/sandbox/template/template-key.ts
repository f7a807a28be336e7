/** The name of a template: a digest of all that shapes its machine. What was saved can only go on in a machine that is made of the same. */
import { realpathSync, statSync } from 'node:fs'
import type { TemplateShape } from '../../vmm/vmm.ts'

/** Raised when templates of earlier versions are of no use to this one. */
const version = 2

/** What of the host a saved machine may depend on. */
export interface TemplateHost {
  /** After a boot its kernel may be another. */
  readonly bootId: string
  /** {@link hostProcessor}. */
  readonly processor: string
}

/** What was done with the machine once it had booted, and how it is saved. */
export interface TemplateMaking {
  /** Whether its clones map their memory from a file. */
  readonly hasMemoryFile: boolean
  /** The drivers that its guest has loaded. */
  readonly drivers: readonly string[]
}

/** 64 hexadecimal digits. */
export function templateKey(
  { args, files }: Pick<TemplateShape, 'args' | 'files'>,
  { bootId, processor }: TemplateHost,
  making: TemplateMaking,
): string {
  const parts = { version, bootId, processor, args, files: files.map(identityOf), ...making }
  return new Bun.CryptoHasher('sha256').update(JSON.stringify(parts)).digest('hex')
}

/** Which file it is, and whether it has changed: all of them are root's. @throws ENOENT. */
function identityOf(path: string): string[] {
  const real = realpathSync(path)
  const { dev, ino, size, mtimeNs, ctimeNs } = statSync(real, { bigint: true })
  return [real, ...[dev, ino, size, mtimeNs, ctimeNs].map(String)]
}
