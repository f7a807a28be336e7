/** The commit that a build is made of. */
import { root } from './paths.ts'

/** What of the checkout ends in the executable and in the guest's agent. A commit elsewhere makes no new build. */
const sources = [
  ...['src', 'guest', 'setup/steps.ts', 'setup/busybox.ts', 'package.json', 'package-lock.json'],
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
