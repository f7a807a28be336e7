/** The bundle: the directory with the OCI config.json that the client of the shim made. */
import { existsSync, readFileSync } from 'node:fs'
import type { Overrides } from '../config/overrides.ts'
import { KataError } from '../errors.ts'

/** The parts of an OCI runtime spec that the shim itself looks at; all else is carried through. */
export interface BundleSpec {
  readonly annotations?: Readonly<Record<string, string>>
  readonly process?: { readonly terminal?: boolean }
  readonly [key: string]: unknown
}

/** Longest config.json that is read: the OCI specs of real pods have some tens of kilobytes. */
const maxSpecBytes = 8 * 1024 * 1024

/** @throws KataError BUNDLE_INVALID. */
export function readBundleSpec(bundle: string): BundleSpec {
  return readJson(bundle, 'config.json') as BundleSpec
}

/**
 * Decisions of the operator at the command line, beyond the configuration file; empty when containerd is the client.
 * They lie in the root-owned bundle, so no pod can write them.
 */
export function readOverrides(bundle: string): Overrides {
  return existsSync(`${bundle}/overrides.json`) ? (readJson(bundle, 'overrides.json') as Overrides) : {}
}

/** The pod that the bundle's container belongs to, by containerd's and CRI-O's annotations; undefined for a single container. */
export function readSandboxId(bundle: string): string | undefined {
  const { annotations = {} } = readBundleSpec(bundle)
  return annotations['io.kubernetes.cri.sandbox-id'] ?? annotations['io.kubernetes.cri-o.SandboxID']
}

function readJson(bundle: string, name: string): unknown {
  try {
    const text = readFileSync(`${bundle}/${name}`, 'utf8')
    if (text.length > maxSpecBytes) throw new Error(`${name} has more than ${maxSpecBytes} bytes`)
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw new Error(`${name} is not an object`)
    return value
  } catch (cause) {
    const problem = cause instanceof Error ? cause.message : String(cause)
    throw new KataError('BUNDLE_INVALID', { bundle, problem }, { cause })
  }
}
