/** Which mounts `start` has shown to the shim of the pod, because it did not see them itself. */
import { describeError } from '../errors.ts'
import { list } from '../json/compounds.ts'
import { readText as readJson } from '../json/document.ts'
import { text } from '../json/values.ts'
import { replaceFile } from '../linux/files/replace-file.ts'
import { bundleFile } from './files.ts'
import { invalid, readText } from './read-file.ts'

const readPoints = list(text)

export function writeLateMounts(bundle: string, points: readonly string[]): void {
  replaceFile(bundleFile(bundle, 'lateMounts'), JSON.stringify(points))
}

/** None when there is no such file. @throws KataError BUNDLE_FILE_INVALID. */
export function readLateMounts(bundle: string): readonly string[] {
  const path = bundleFile(bundle, 'lateMounts')
  const file = readText(path)
  if (file === undefined) return []
  try {
    return readJson(readPoints, file)
  } catch (cause) {
    throw invalid(path, describeError(cause), cause)
  }
}
