/** A coded error from the shim to its client in a file: {@link ToldFailure} is its content. */
import { errorFromTold, type ToldError, toldOf } from '../errors/told.ts'
import type { KataError } from '../errors.ts'
import { replaceFile } from '../linux/files/replace-file.ts'
import { plainText } from '../plain-text.ts'
import { bundleFile } from './files.ts'
import { invalid, readObject } from './read-file.ts'

export interface ToldFailure extends ToldError {
  /** For people who look into the file. */
  readonly message: string
}

type FailureFile = 'failure' | 'actionFailure'

export function writeFailure(bundle: string, file: FailureFile, error: KataError): void {
  const told: ToldFailure = { ...toldOf(error), message: error.message }
  replaceFile(bundleFile(bundle, file), JSON.stringify(told))
}

/** Undefined when nothing failed. @throws KataError BUNDLE_FILE_INVALID. */
export function readFailure(bundle: string, file: FailureFile): KataError | undefined {
  const path = bundleFile(bundle, file)
  const told = readObject(path)
  if (told === undefined) return undefined
  const error = errorFromTold(told)
  if (error !== undefined) return error
  const message = typeof told.message === 'string' ? `: ${plainText(told.message, 1000)}` : ''
  throw invalid(path, `it holds no error that this version knows${message}`)
}
