/** The runtime's options of a pod that the Sandbox service makes: `start` is told of them, and CreateSandbox is not. */
import { bundleFile } from '../../bundle/files.ts'
import { invalid, readObject } from '../../bundle/read-file.ts'
import { replaceFile } from '../../linux/files/replace-file.ts'
import { Options } from '../../protocol/generated/containerd/runtime_options.ts'
import type { Any } from '../../protocol/generated/google/protobuf/any.ts'

/** As a client gives them. */
export type RuntimeOptions = Pick<Any, 'typeUrl' | 'value'>

/** To be read by the daemon that `start` leaves behind. */
export function writeRuntimeOptions(bundle: string, { typeUrl, value }: RuntimeOptions): void {
  const { configPath } = Options.decode(value)
  replaceFile(bundleFile(bundle, 'runtimeOptions'), JSON.stringify({ typeUrl, configPath }))
}

/** Undefined when `start` was given none. @throws KataError BUNDLE_FILE_INVALID. */
export function readRuntimeOptions(bundle: string): RuntimeOptions | undefined {
  const path = bundleFile(bundle, 'runtimeOptions')
  const read = readObject(path)
  if (read === undefined) return undefined
  const { typeUrl, configPath } = read
  if (typeof typeUrl !== 'string' || typeof configPath !== 'string')
    throw invalid(path, 'typeUrl and configPath are no texts')
  return { typeUrl, value: Options.encode(Options.fromPartial({ configPath })).finish() }
}
