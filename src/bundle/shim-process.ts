/** Which process the shim is, written by `start` for clients that have to end a shim that does not answer. */
import { describeError } from '../errors.ts'
import { needed, record } from '../json/compounds.ts'
import { readText as readJson } from '../json/document.ts'
import { text } from '../json/values.ts'
import { replaceFile } from '../linux/files/replace-file.ts'
import { bootId, type ProcessRef, readProcessRef } from '../linux/processes/proc.ts'
import { bundleFile } from './files.ts'
import { invalid, readText } from './read-file.ts'

/**
 * The start time and the boot tell the shim from a later process with its number. Its command line would not: between fork
 * and exec there is a moment in which it is empty.
 */
const readShim = record<{ readonly process: ProcessRef; readonly bootId: string }>({
  process: needed(readProcessRef),
  bootId: needed(text),
})

export function writeShimProcess(bundle: string, process: ProcessRef): void {
  replaceFile(bundleFile(bundle, 'shimProcess'), JSON.stringify({ process, bootId: bootId() }))
}

/** Undefined when no shim was started since the host booted; it may have ended. @throws KataError BUNDLE_FILE_INVALID. */
export function readShimProcess(bundle: string): ProcessRef | undefined {
  const path = bundleFile(bundle, 'shimProcess')
  const file = readText(path)
  if (file === undefined) return undefined
  const shim = parse(path, file)
  return shim.bootId === bootId() ? shim.process : undefined
}

function parse(path: string, file: string) {
  try {
    return readJson(readShim, file)
  } catch (cause) {
    throw invalid(path, describeError(cause), cause)
  }
}
