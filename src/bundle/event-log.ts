/** Where the shim notes what happens to its container, for a client that listens to no events: the command line's own log of them. */
import { describeError } from '../errors.ts'
import { dictionary, needed, record } from '../json/compounds.ts'
import { readText as readJson } from '../json/document.ts'
import { text } from '../json/values.ts'
import { replaceFile } from '../linux/files/replace-file.ts'
import { bundleFile } from './files.ts'
import { invalid, readText } from './read-file.ts'

export interface EventLogWishes {
  readonly stateDir: string
  /** What each event says of the container. */
  readonly attributes: Readonly<Record<string, string>>
}

const eventLogWishes = record<EventLogWishes>({
  stateDir: needed(text),
  attributes: needed(dictionary(text)),
})

/**
 * Writes nothing if the file says the same. `isFlushed`: a crash of the host leaves the former wishes or these.
 *
 * @throws KataError BUNDLE_FILE_INVALID for what is no file.
 */
export function writeEventLogWishes(
  bundle: string,
  wishes: EventLogWishes,
  how: { readonly isFlushed?: boolean } = {},
): void {
  const path = bundleFile(bundle, 'events')
  const json = JSON.stringify(wishes)
  if (readText(path) !== json) replaceFile(path, json, how)
}

/** @throws KataError BUNDLE_FILE_INVALID. */
export function readEventLogWishes(bundle: string): EventLogWishes | undefined {
  const path = bundleFile(bundle, 'events')
  const json = readText(path)
  if (json === undefined) return undefined
  try {
    return readJson(eventLogWishes, json)
  } catch (cause) {
    throw invalid(path, describeError(cause), cause)
  }
}
