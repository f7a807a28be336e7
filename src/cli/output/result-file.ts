/** `--result-file`: how a command ended, as JSON for the program that called it. Standard error belongs to the command in the container. */
import { closeSync, fchmodSync, openSync } from 'node:fs'
import { coded } from '../../errors/coded.ts'
import type { ErrorFields } from '../../errors.ts'
import { writeAll } from '../../linux/files/named-write.ts'
import { Interrupted } from '../client/signals.ts'

export interface ToldError {
  /** A code of the catalogue, or `INTERRUPTED` when a signal ended the command before anything ran. */
  readonly code: string
  /** The sentence, without code and remedy. */
  readonly message: string
  readonly remedy: string
  readonly fields: ErrorFields
}

/** What standard error was told, in order. */
export interface Told {
  readonly errors: readonly ToldError[]
  readonly warnings: readonly string[]
}

export interface CommandResult extends Told {
  /** The exit code. `run` and `exec` end with that of the command in the container where there are no errors. */
  readonly exitCode: number
}

/** What one error says, of whichever kind. */
export function toldError(error: unknown): ToldError {
  if (error instanceof Interrupted)
    return { code: 'INTERRUPTED', message: error.message, remedy: '', fields: {} }
  const { code, rawMessage: message, remedy, fields } = coded(error)
  return { code, message, remedy, fields }
}

/** Collects what is told, and writes it at the end to a file that was made at the beginning. */
export class ResultFile {
  readonly #errors: ToldError[] = []
  readonly #warnings: string[] = []
  #file: { readonly fd: number; readonly path: string } | undefined

  /** Makes the file, which its caller may read whatever the umask says. @throws an errno error: EEXIST, because nothing is replaced. */
  open(path: string): void {
    if (this.#file !== undefined) return
    const fd = openSync(path, 'wx')
    this.#file = { fd, path }
    fchmodSync(fd, 0o644)
  }

  error(error: unknown): void {
    this.#errors.push(toldError(error))
  }

  /** What was told until now. */
  get all(): Told {
    return { errors: this.#errors, warnings: this.#warnings }
  }

  /** Takes over what another process has told. */
  add({ errors, warnings }: Told): void {
    this.#errors.push(...errors)
    this.#warnings.push(...warnings)
  }

  /** Any text for the person; those that begin with `warning: ` are kept. */
  told(text: string): void {
    const prefix = 'warning: '
    if (text.startsWith(prefix)) this.#warnings.push(text.slice(prefix.length))
  }

  /** Does nothing where no file was asked for. @throws an errno error. */
  write(exitCode: number): void {
    if (this.#file === undefined) return
    const { fd, path } = this.#file
    const result: CommandResult = { exitCode, ...this.all }
    writeAll(fd, Buffer.from(`${JSON.stringify(result)}\n`), path)
    closeSync(fd)
    this.#file = undefined
  }
}
