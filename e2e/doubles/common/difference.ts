/** One way in which a double differs from the recordings of the real program; tests hold it to these, and to no other. */
export interface Difference {
  readonly what: string
  readonly real: string
  readonly double: string
  readonly because: string
  /** The requests of answers.jsonl that it answers in other words for this reason, counted from 1. */
  readonly answers?: readonly number[]
  /** Parts of vm.info and the like that have another value. */
  readonly fields?: readonly string[]
  /** How many sockets it has more. */
  readonly sockets?: number
}

/** The table for people. */
export function differencesPage(program: string, differences: readonly Difference[]): string {
  const cells = (...texts: readonly string[]) => `| ${texts.join(' | ')} |\n`
  return [
    `# In what the double differs from ${program}\n\n`,
    'Generated from `differences.ts`; do not edit. Tests hold the double to recordings of the real program (`e2e/recordings`): requests and\n',
    'answers, events, threads with their filters, kinds of descriptors, mounts, limits and exit codes. They fail when it differs from\n',
    'them in anything else than this.\n\n',
    cells('what', 'the real program', 'the double', 'because'),
    '|---|---|---|---|\n',
    ...differences.map(({ what, real, double, because }) => cells(what, real, double, because)),
  ].join('')
}
