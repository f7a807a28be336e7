/** What the executable answers, as JSON, made into typed values. A field that a newer one adds is left out. */
import { dictionary, list, needed, record } from '../json/compounds.ts'
import { readFile, readText } from '../json/document.ts'
import { number, type Reader, text } from '../json/values.ts'

type Field = string | number | boolean

export interface CommandResult {
  readonly exitCode: number
  readonly errors: readonly {
    readonly code: string
    readonly message: string
    readonly remedy: string
    readonly fields: Readonly<Record<string, Field>>
  }[]
  readonly warnings: readonly string[]
}

/** One line of `kata-ts ps`. */
export interface PsEntry {
  readonly id: string
  readonly status: string
  readonly exitCode?: number | undefined
  readonly image: string
  readonly command: readonly string[]
  readonly createdAt: string
  readonly labels: Readonly<Record<string, string>>
  readonly accelerator?: string | undefined
}

const field: Reader<Field> = (value, at) => {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value
  throw at.wrong(value, 'a text, a number or a boolean')
}

const commandResult = record<CommandResult>({
  exitCode: needed(number),
  errors: needed(
    list(
      record<CommandResult['errors'][number]>({
        code: needed(text),
        message: needed(text),
        remedy: needed(text),
        fields: needed(dictionary(field)),
      }),
    ),
  ),
  warnings: needed(list(text)),
})

const psEntries = list(
  record<PsEntry>({
    id: needed(text),
    status: needed(text),
    exitCode: number,
    image: needed(text),
    command: needed(list(text)),
    createdAt: needed(text),
    labels: needed(dictionary(text)),
    accelerator: text,
  }),
)

/** @throws JsonMismatch, or an error of the system. */
export const readResultFile = (path: string): CommandResult => readFile(commandResult, path)

/** @throws JsonMismatch. */
export const readPs = (json: string): readonly PsEntry[] => readText(psEntries, json)
