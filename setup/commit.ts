/** The commit that a build is made of. */
import { root } from './paths.ts'

/** What of the checkout ends in the executable and in the guest's agent. A commit elsewhere makes no new build. */
const sources = [
  ...['src', 'guest', 'setup/executable.ts', 'setup/busybox.ts', 'package.json', 'package-lock.json'],
  ':(exclude)*.test.ts',
]

export interface Commit {
  /** Its abbreviated hash, with `-dirty` behind it when the files differ from it; `unknown` outside git. */
  readonly name: string
  /** Seconds since 1970; undefined outside git. */
  readonly time: number | undefined
}

/** The last commit that changed `sources` in the checkout `directory`, and whether they are still as it left them. */
export function commitOf(directory: string = root): Commit {
  const [hash = '', time = ''] = git(
    directory,
    'log',
    '-1',
    '--abbrev=12',
    '--format=%h %ct',
    '--',
    ...sources,
  )
    .trim()
    .split(' ')
  if (hash === '') return { name: 'unknown', time: undefined }
  const changed = git(directory, 'status', '--porcelain', '--', ...sources) !== ''
  return { name: changed ? `${hash}-dirty` : hash, time: Number(time) }
}

/** Since the newest tag of a release, `vX.Y.Z`, or since the beginning. */
export interface Commits {
  readonly since: string | undefined
  /** Newest first, as `HASH TITLE`. */
  readonly titles: readonly string[]
}

/** Those that lead to the checkout `directory`, its own tag not counted; undefined outside git. */
export function commitsSinceTag(directory: string = root): Commits | undefined {
  // A commit that is tagged itself is what is released.
  const [tag = ''] = git(directory, 'describe', '--tags', '--abbrev=0', '--match=v[0-9]*', 'HEAD^').split(
    '\n',
  )
  const since = tag === '' ? undefined : tag
  const range = since === undefined ? 'HEAD' : `${since}..HEAD`
  const titles = git(directory, 'log', '--abbrev=12', '--format=%h %s', range)
    .split('\n')
    .filter((line) => line !== '')
  return titles.length === 0 ? undefined : { since, titles }
}

/** What git prints; nothing where it is missing, refuses or knows no repository. */
function git(directory: string, ...args: string[]): string {
  if (Bun.which('git') === null) return ''
  // Status would take the index's lock to note what it has learnt, and disturb a git that is at work.
  const { stdout, exitCode } = Bun.spawnSync(['git', '--no-optional-locks', '-C', directory, ...args], {
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'ignore',
    timeout: 60_000,
  })
  return exitCode === 0 ? stdout.toString() : ''
}
