/** The bundle: the directory with the OCI config.json that the client of the shim made. */
import { readFileSync } from 'node:fs'
import { bundleFile } from '../bundle/files.ts'
import { maxSpecBytes } from '../bundle/read-file.ts'
import { describeError, KataError } from '../errors.ts'

/** The parts of an OCI runtime spec that the shim itself looks at; all else is carried through. */
export interface BundleSpec {
  readonly annotations?: Readonly<Record<string, string>>
  readonly process?: { readonly terminal?: boolean }
  readonly [key: string]: unknown
}

/** @throws KataError BUNDLE_INVALID. */
export function readBundleSpec(bundle: string): BundleSpec {
  return readJson(bundle) as BundleSpec
}

/** The pod that the bundle's container belongs to, by containerd's and CRI-O's annotations; undefined for a single container. */
export function readSandboxId(bundle: string): string | undefined {
  const { annotations = {} } = readBundleSpec(bundle)
  return annotations['io.kubernetes.cri.sandbox-id'] ?? annotations['io.kubernetes.cri-o.SandboxID']
}

function readJson(bundle: string): unknown {
  const name = 'config.json'
  try {
    const text = readFileSync(bundleFile(bundle, 'spec'), 'utf8')
    if (text.length > maxSpecBytes) throw new Error(`${name} has more than ${maxSpecBytes} bytes`)
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw new Error(`${name} is not an object`)
    return value
  } catch (cause) {
    throw new KataError('BUNDLE_INVALID', { bundle, problem: describeError(cause) }, { cause })
  }
}
