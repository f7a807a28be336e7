/** Docker's `container` and `image` in front of a command: the words stand for commands without them. */

interface Group {
  /** What it does, for those who list docker's words. */
  readonly summary: string
  /** What stands for docker's words behind it. */
  readonly words: Readonly<Record<string, readonly string[]>>
  /** Any other word is the command itself. */
  readonly takesAll: boolean
}

const same = (...words: readonly string[]) => Object.fromEntries(words.map((word) => [word, [word]]))

const groups: Readonly<Record<string, Group>> = {
  container: {
    summary: 'the word may be there: `kata-ts container ls` is `kata-ts ps`',
    words: { ls: ['ps'], list: ['ps'], remove: ['rm'], inspect: ['inspect', '--type=container'] },
    takesAll: true,
  },
  image: {
    summary:
      'the word may be there: `kata-ts image ls` is `kata-ts images`; `guest` is about what machines boot',
    words: {
      ...{ ls: ['images'], list: ['images'], rm: ['rmi'], remove: ['rmi'] },
      inspect: ['inspect', '--type=image'],
      ...same('build', 'history', 'import', 'load', 'prune', 'pull', 'push', 'save', 'tag'),
    },
    takesAll: false,
  },
}

/** What such a word does here; undefined for any other word. */
export const groupSummary = (word: string): string | undefined =>
  Object.hasOwn(groups, word) ? groups[word]!.summary : undefined

/** The words of a command line as they are without the group. What a group does not know is left, to be refused. */
export function withoutGroupWord(argv: readonly string[]): readonly string[] {
  // Options of all commands, each with a value, may come first.
  let at = 0
  while (argv[at]?.startsWith('--')) at += argv[at]!.includes('=') ? 1 : 2
  const name = argv[at]
  if (name === undefined || !Object.hasOwn(groups, name)) return argv
  const { words, takesAll } = groups[name]!
  const [word = '--help', ...rest] = argv.slice(at + 1)
  if (Object.hasOwn(words, word)) return [...argv.slice(0, at), ...words[word]!, ...rest]
  return takesAll || word === '--help' || word === '-h' ? [...argv.slice(0, at), word, ...rest] : argv
}
