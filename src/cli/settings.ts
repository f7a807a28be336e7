/** The surroundings of every command. Read once in main.ts and passed on. */
import type { Logger } from '../log.ts'
import type { Format } from './output/format.ts'

export const defaultStateDir = '/var/lib/kata-ts'
export const defaultNamespace = 'default'

/** How this program starts itself again under the shim's name. */
export interface SelfCommand {
  readonly program: string
  /** Arguments before our own: the script, when it runs from source. */
  readonly prefix: readonly string[]
}

export interface Settings {
  readonly namespace: string
  /** `/run/kata-ts`: run-time state, shared with the shim. */
  readonly runDir: string
  /** `/var/lib/kata-ts`: container records and images; survives a reboot. */
  readonly stateDir: string
  readonly format: Format
  /** For commands that take one; `format` is `text` then. */
  readonly template?: string
  readonly debug: boolean
  readonly log: Logger
  readonly self: SelfCommand
  /** The caller's environment. */
  readonly env: Readonly<Record<string, string | undefined>>
  /** Writes data to standard output; false when its reader has ended. */
  readonly print: (text: string) => boolean
  /** Tells the person something on standard error. */
  readonly tell: (text: string) => void
  /** Notes an error that the person was told, for `--result-file`. */
  readonly note?: (error: unknown) => void
  /** Fires when the user whom this process serves has gone, and a container that he had started is to go on. */
  readonly gone?: AbortSignal | undefined
}
