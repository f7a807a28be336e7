/** The page of errors, as text. */

import type { ErrorPart } from '../../src/errors/catalogue.ts'
import type { CatalogueEntry } from '../../src/errors/entry.ts'
import { generated } from './text.ts'

/** docs/errors.md: every coded error with its sentence, remedy and ttrpc status, by part of the catalogue. */
export function errorsPage(parts: readonly ErrorPart[]): string {
  return `# Errors

<!-- ${generated('src/errors/')} -->

Every error that kata-ts reports has a stable code. Messages have the form \`[CODE] what went wrong. What to do.\` Words in
braces below are placeholders for what the message names. \`kata-ts help CODE\` prints the same text.

${parts.map(indexOf).join('\n')}

${parts.map(section).join('\n')}`
}

function indexOf({ title, entries }: ErrorPart): string {
  const codes = sorted(entries).map(([code]) => `[${code}](#${code.toLowerCase()})`)
  return `- [${title}](#${title.toLowerCase().replaceAll(' ', '-')}): ${codes.join(', ')}`
}

function section({ title, about, entries }: ErrorPart): string {
  return `## ${title}\n\n${about}\n\n${sorted(entries).map(paragraph).join('\n')}`
}

function paragraph([code, { sentence, remedy, status }]: [string, CatalogueEntry]): string {
  return `### ${code}\n\n${asText(sentence)}.\n\n- What to do: ${asText(remedy)}\n- ttrpc status: \`${status}\`\n`
}

function sorted(entries: ErrorPart['entries']): [string, CatalogueEntry][] {
  return Object.entries(entries()).sort(([a], [b]) => (a < b ? -1 : 1))
}

/** Braces and angle brackets as they are, not as markup. Emphasis has no meaning in a code span. */
const asText = (text: string) =>
  text
    .split(/(`[^`]*`)/)
    .map((part) => (part.startsWith('`') ? part.replace(/\{"?(\w+)"?\}/g, '{$1}') : asProse(part)))
    .join('')

const asProse = (text: string) => text.replace(/\{("?)(\w+)\1\}/g, '$1*{$2}*$1').replace(/</g, '\\<')
