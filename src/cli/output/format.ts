/** The two ways in which commands print data: a text for people, JSON for programs. */
import { KataError } from '../../errors.ts'
import { plainJson } from '../../plain-text.ts'
import { parseChoice } from '../parse/number.ts'

export type Format = 'text' | 'json'

/** @throws KataError OPTION_INVALID. */
export function parseFormat(text: string): Format {
  if (text.includes('{{') || text.startsWith('table'))
    throw new KataError('OPTION_INVALID', {
      option: '--format',
      value: text,
      allowed: 'text, json; for fields use jq: `kata-ts ps --format json | jq -r .[].id`',
    })
  return parseChoice(text, '--format', ['text', 'json'])
}

/** `data` as JSON with a final newline, or what `asText` makes of it. */
export function render<Data>(format: Format, data: Data, asText: (data: Data) => string): string {
  return format === 'json' ? `${plainJson(data, 2)}\n` : asText(data)
}
