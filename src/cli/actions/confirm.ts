import { createInterface } from 'node:readline/promises'
import { KataError } from '../../errors.ts'

/**
 * Asks before `what` (`volume prune`) removes `things` of these names.
 *
 * @throws KataError OPTION_CONFLICT when standard input is no terminal.
 */
export async function confirmed(what: string, things: string, names: readonly string[]): Promise<boolean> {
  if (!process.stdin.isTTY)
    throw new KataError('OPTION_CONFLICT', {
      options: `${what} and a standard input that is no terminal`,
      reason: `it asks before it removes ${names.join(', ')}`,
      remedy: 'Add --force.',
    })
  const asked = createInterface({ input: process.stdin, output: process.stderr })
  try {
    return /^y(es)?$/i.test((await asked.question(`Remove ${things}: ${names.join(', ')}? [y/N] `)).trim())
  } finally {
    asked.close()
  }
}
