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
  /** Those of Kata's that kata-ts does not implement. */
  readonly kata: readonly KataKey[]
}

export const knownKeys = (driver: HypervisorDriver): KnownKeys => ({
  driver,
  keys: keysFor(driver),
  kata: kataKeys(),
})
