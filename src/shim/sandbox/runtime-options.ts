/** The runtime's options of a pod that the Sandbox service makes: `start` is told of them, and CreateSandbox is not. */
import { bundleFile } from '../../bundle/files.ts'
import { invalid, readObject } from '../../bundle/read-file.ts'
import { KataError } from '../../errors.ts'
import { replaceFile } from '../../linux/files/replace-file.ts'
import { Options } from '../../protocol/generated/containerd/runtime_options.ts'
import type { Any } from '../../protocol/generated/google/protobuf/any.ts'

/** As a client gives them. */
export type RuntimeOptions = Pick<Any, 'typeUrl' | 'value'>

/** To be read by the daemon that `start` leaves behind. @throws KataError CONFIG_PATH_MISSPELLED. */
export function writeRuntimeOptions(bundle: string, { typeUrl, value }: RuntimeOptions): void {
  const { configPath, configBody } = Options.decode(value)
  if (configPath === '') refuseMisspelled(configBody)
  replaceFile(bundleFile(bundle, 'runtimeOptions'), JSON.stringify({ typeUrl, configPath }))
}

/**
 * containerd hands over options without a ConfigPath as their text. One that was meant to name the configuration file must not stand for
 * the file of the host.
 */
function refuseMisspelled(options: Uint8Array): void {
  const [, key] = /^\s*["']?(config[\w-]*)["']?\s*=/im.exec(new TextDecoder().decode(options)) ?? []
  if (key !== undefined) throw new KataError('CONFIG_PATH_MISSPELLED', { key })
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
