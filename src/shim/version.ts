/** `-v` and `-info`: name, version and features of this shim. */
import { fstatSync, writeSync } from 'node:fs'
import { RuntimeInfo } from '../protocol/generated/containerd/introspection.ts'
import { Any } from '../protocol/generated/google/protobuf/any.ts'
import { commit, shimName, version } from '../version.ts'
import { optionsTypeUrl, readInput } from './bootstrap.ts'
import { features } from './features.ts'

const runtimeName = 'io.containerd.kata-ts.v2'
/**
 * What containerd's mount manager (2.2 and later) leaves to this shim: layers of type erofs and the recipe of their overlay. Without
 * it the layers would be mounted on the host.
 */
const ownMounts = 'mkdir/*,format/*,erofs'
/** Type of the features document, as runc's shim names it. */
const featuresTypeUrl = 'types.containerd.io/opencontainers/runtime-spec/1/features/Features'

export function printVersion(): number {
  writeSync(1, `${shimName}:\n  Version:  ${version}\n  Revision: ${commit}\n  Runtime:  ${runtimeName}\n`)
  return 0
}

/** The answer to containerd 2's question about a runtime, a RuntimeInfo message. The runtime's options come on standard input. */
export function printInfo(): number {
  // A person gives none: a terminal would never end.
  const input = fstatSync(0).isCharacterDevice() ? new Uint8Array() : readInput()
  writeSync(1, RuntimeInfo.encode(runtimeInfo(input)).finish())
  return 0
}

/** `options` is an encoded Any. Those that are ours come back, as with runc's shim; any others are not understood. Pure. */
export function runtimeInfo(options: Uint8Array): RuntimeInfo {
  const understood = understoodOptions(options)
  return RuntimeInfo.fromPartial({
    name: runtimeName,
    version: { version, revision: commit },
    ...(understood && { options: understood }),
    annotations: { 'containerd.io/runtime-allow-mounts': ownMounts },
    features: { typeUrl: featuresTypeUrl, value: new TextEncoder().encode(JSON.stringify(features)) },
  })
}

function understoodOptions(bytes: Uint8Array): Any | undefined {
  try {
    const options = Any.decode(bytes)
    return options.typeUrl === optionsTypeUrl ? options : undefined
  } catch {
    return undefined
  }
}
