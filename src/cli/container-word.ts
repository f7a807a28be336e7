/** Docker's `container` in front of a command: the word says nothing here, and may be there. */

/** What it does, for those who list docker's words. */
export const containerWord = 'the word may be there: `kata-ts container ls` is `kata-ts ps`'

/** Docker's names for commands of `container` that are called otherwise without it. */
const otherNames: Readonly<Record<string, readonly string[]>> = {
  ls: ['ps'],
  list: ['ps'],
  remove: ['rm'],
}

/** The words of a command line without it. */
export function withoutContainerWord(argv: readonly string[]): readonly string[] {
  // Options of all commands, each with a value, may come first.
  let at = 0
  while (argv[at]?.startsWith('--')) at += argv[at]!.includes('=') ? 1 : 2
  if (argv[at] !== 'container') return argv
  const [word = '--help', ...rest] = argv.slice(at + 1)
  const name = Object.hasOwn(otherNames, word) ? otherNames[word]! : [word]
  return [...argv.slice(0, at), ...name, ...rest]
}
