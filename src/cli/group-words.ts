/** Docker's `container` and `image` in front of a command: the words stand for commands without them. */

interface Group {
  /** What it does, for those who list docker's words. */
  readonly summary: string
  /** What stands for docker's words behind it. */
  readonly words: Readonly<Record<string, readonly string[]>>
}

const same = (...words: readonly string[]) => Object.fromEntries(words.map((word) => [word, [word]]))

const groups: Readonly<Record<string, Group>> = {
  container: {
    summary: 'optional prefix, as in docker: `kata-ts container ls` is `kata-ts ps`',
    words: {
      ls: ['ps'],
      list: ['ps'],
      ps: ['ps'],
      remove: ['rm'],
      inspect: ['inspect', '--type=container'],
      prune: ['prune', '--containers', '--keep-images'],
      ...same('attach', 'commit', 'cp', 'create', 'diff', 'exec', 'export', 'kill', 'logs', 'pause', 'port'),
      ...same('rename', 'restart', 'rm', 'run', 'start', 'stats', 'stop', 'top', 'unpause', 'update', 'wait'),
    },
  },
  image: {
    summary:
      'optional prefix, as in docker: `kata-ts image ls` is `kata-ts images`; `guest` manages what machines boot',
    words: {
      ls: ['images'],
      list: ['images'],
      rm: ['rmi'],
      remove: ['rmi'],
      inspect: ['inspect', '--type=image'],
      // As docker's, which leaves what has a name unless it is given --all.
      prune: ['prune', '--unnamed'],
      ...same('build', 'history', 'import', 'load', 'pull', 'push', 'save', 'tag'),
    },
  },
}

/** What such a word does here; undefined for any other word. */
export const groupSummary = (word: string): string | undefined =>
  Object.hasOwn(groups, word) ? groups[word]!.summary : undefined

/** The words of a command line as they are without the group. What a group does not know is left, to be refused. */
export function withoutGroupWord(argv: readonly string[]): readonly string[] {
  const at = commandAt(argv)
  const name = argv[at]
  if (name === undefined || !Object.hasOwn(groups, name)) return argv
  const { words } = groups[name]!
  const [word = '--help', ...rest] = argv.slice(at + 1)
  if (Object.hasOwn(words, word)) return [...argv.slice(0, at), ...words[word]!, ...rest]
  return word === '--help' || word === '-h' ? [...argv.slice(0, at), word, ...rest] : argv
}

/** The name of the command; undefined where there is none. */
export const commandIn = (argv: readonly string[]): string | undefined => argv[commandAt(argv)]

/** Options of all commands, each with a value, may come first. */
function commandAt(argv: readonly string[]): number {
  let at = 0
  while (argv[at]?.startsWith('--')) at += argv[at]!.includes('=') ? 1 : 2
  return at
}
