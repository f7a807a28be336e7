/** The bundle: the directory with the OCI config.json that the client of a runtime makes. */
import { existsSync } from 'node:fs'
import { describeError, KataError } from '../errors.ts'
import { readTextFile } from '../json/document.ts'
import { podOf } from './annotations.ts'
import { parseSpecText } from './read-spec.ts'
import type { OciSpec } from './spec.ts'

/** Longest config.json that is read: the OCI specs of real pods have some tens of kilobytes. */
const maxSpecBytes = 8 * 1024 * 1024

/**
 * Its specification, frozen; `dropped` takes the names of fields that are left out.
 *
 * @throws KataError BUNDLE_INVALID, OCI_SPEC_INVALID naming the field.
 */
export function readBundleSpec(bundle: string, dropped?: string[]): OciSpec {
  return parseSpecText(readConfig(bundle), dropped)
}

/**
 * {@link readBundleSpec}; undefined for a pod that containerd's Sandbox service makes, whose bundle has none: what it is comes later.
 *
 * @throws as {@link readBundleSpec}.
 */
export function readSpecIfThere(bundle: string): OciSpec | undefined {
  return existsSync(pathIn(bundle)) ? readBundleSpec(bundle) : undefined
}

/** The pod that the bundle's container belongs to; undefined for a single container. @throws as {@link readBundleSpec}. */
export function readSandboxId(bundle: string): string | undefined {
  return podOf(readBundleSpec(bundle))
}

const pathIn = (bundle: string): string => `${bundle}/config.json`

function readConfig(bundle: string): string {
  try {
    return readTextFile(pathIn(bundle), maxSpecBytes)
  } catch (cause) {
    throw new KataError(
      'BUNDLE_INVALID',
      { bundle, problem: `config.json: ${describeError(cause)}` },
      { cause },
    )
  }
}
