/** The ways in which commands print data: a text for people, JSON for programs, and for some a template of the caller's. */
import { KataError } from '../../errors.ts'
import { plainJson } from '../../plain-text.ts'
import { parseChoice } from '../parse/number.ts'

export type Format = 'text' | 'json'

export interface ChosenFormat {
  readonly format: Format
  /** A template in the place of the text; {@link refuseTemplate} for commands that take none. */
  readonly template?: string
}

/** @throws KataError OPTION_INVALID. */
export function parseFormat(text: string): ChosenFormat {
  if (text.includes('{{') || /^table(\s|$)/.test(text)) return { format: 'text', template: text }
  return { format: parseChoice(text, '--format', ['text', 'json']) }
}

/** @throws KataError OPTION_INVALID. */
export function refuseTemplate(template: string | undefined): void {
  if (template === undefined) return
  throw new KataError('OPTION_INVALID', {
    option: '--format',
    value: template,
    allowed: 'text, json; lists and inspect take templates, for other fields use jq',
  })
}

/** `data` as JSON with a final newline, or what `asText` makes of it. */
export function render<Data>(format: Format, data: Data, asText: (data: Data) => string): string {
  return format === 'json' ? `${plainJson(data, 2)}\n` : asText(data)
}
