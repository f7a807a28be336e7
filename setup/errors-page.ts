/** The page of errors, as text. */
import type { CatalogueEntry } from '../src/errors/entry.ts'
import { generated } from './text.ts'

/** docs/errors.md: every coded error with its sentence, remedy and ttrpc status. */
export function errorsPage(catalogue: Readonly<Record<string, CatalogueEntry>>): string {
  const entries = Object.entries(catalogue)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(
      ([code, { sentence, remedy, status }]) =>
        `## ${code}\n\n${asText(sentence)}.\n\n- What to do: ${asText(remedy)}\n- ttrpc status: \`${status}\`\n`,
    )
  return `# Errors

<!-- ${generated('src/errors/')} -->

Every error that kata-ts reports has a stable code. Messages read \`[CODE] what went wrong. What to do.\`; words in
braces below stand for the things that a message names.

${entries.join('\n')}`
}

/** Braces and angle brackets as they are, not as markup. */
const asText = (text: string) => text.replace(/\{("?)(\w+)\1\}/g, '$1*{$2}*$1').replace(/</g, '\\<')
