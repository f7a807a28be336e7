/** The two ways in which commands print data: a text for people, JSON for programs. */
import { plainJson } from '../../plain-text.ts'
import { parseChoice } from '../parse/number.ts'

export type Format = 'text' | 'json'

/** @throws KataError OPTION_INVALID. */
export function parseFormat(text: string): Format {
  return parseChoice(text, '--format', ['text', 'json'])
}

/** `data` as JSON with a final newline, or what `asText` makes of it. */
export function render<Data>(format: Format, data: Data, asText: (data: Data) => string): string {
  return format === 'json' ? `${plainJson(data, 2)}\n` : asText(data)
}
