/** The keys that files and annotations for one VMM may have. One load or one pod asks for them many times, and builds the tables once. */
import type { HypervisorDriver } from './config.ts'
import type { KataKey } from './kata/kata-key.ts'
import { kataKeys } from './kata/kata-keys.ts'
import type { KeySpec } from './key-spec.ts'
import { keysFor } from './keys.ts'

export interface KnownKeys {
  readonly driver: HypervisorDriver
  /** With the values of the VMM. */
  readonly keys: readonly KeySpec[]
  /** Those of Kata's that kata-ts does not implement, built for the first name that is none of `keys`: a file of ours has no other. */
  readonly kata: () => readonly KataKey[]
}

export function knownKeys(driver: HypervisorDriver): KnownKeys {
  let kata: readonly KataKey[] | undefined
  const kataOnce = () => {
    kata ??= kataKeys()
    return kata
  }
  return { driver, keys: keysFor(driver), kata: kataOnce }
}
