/** The process id of the shim. */
import { bundleFile } from './files.ts'
import { invalid, readText, replaceFile } from './read-file.ts'

export function writeShimPid(bundle: string, pid: number): void {
  replaceFile(bundleFile(bundle, 'shimPid'), String(pid))
}

/** Undefined when no shim was started. @throws KataError BUNDLE_FILE_INVALID. */
export function readShimPid(bundle: string): number | undefined {
  const path = bundleFile(bundle, 'shimPid')
  const text = readText(path)
  if (text === undefined) return undefined
  if (!/^[1-9]\d{0,9}$/.test(text)) throw invalid(path, 'it holds no process id')
  return Number(text)
}
