/** The package archive of this host's own apt. */

import { runTool } from '../../src/guest-image/child.ts'
import { SetupError } from '../setup-error.ts'

/** Suites of Debian 13, by code name or, while it is that, as stable. */
const suites = /^(trixie|stable)(-security|-updates)?$/

/** A release of Debian, by its code name. */
export type DebianRelease = 'trixie' | 'bookworm'

/**
 * Lines for a sources.list: Debian 13's part of the archive, or another release's beside it.
 *
 * @throws SetupError when this host's apt knows no archive of Debian 13.
 */
export async function aptSources(release: DebianRelease = 'trixie'): Promise<string> {
  const format = '$(REPO_URI) $(RELEASE) $(COMPONENT) $(SIGNED_BY)'
  const { stdout } = await runTool(['apt-get', 'indextargets', '--format', format, 'Created-By: Packages'], {
    env: process.env,
    timeout: 60_000,
  })
  const sources = parseTargets(stdout)
  if (sources === '')
    throw new SetupError(
      'the apt of this host has no archive of Debian 13',
      'add a source of trixie to /etc/apt/sources.list.d and run apt-get update',
    )
  return release === 'trixie' ? sources : ofRelease(release, sources)
}

const ofRelease = (release: DebianRelease, lines: string) =>
  lines.replace(/ (?:trixie|stable)(\S*) main$/gm, ` ${release}$1 main`)

/** Lines `URI SUITE COMPONENT KEYRING`, the last one absent for many; only `main` is taken. */
function parseTargets(text: string): string {
  const lines = text.split('\n').flatMap((line) => {
    const [uri = '', suite = '', component = '', keyring = ''] = line.split(' ')
    if (!/^https?:/.test(uri) || !suites.test(suite) || component !== 'main') return []
    const options = keyring.startsWith('/') ? `[signed-by=${keyring}] ` : ''
    return [`deb ${options}${uri.replace(/\/$/, '')} ${suite} main`]
  })
  return [...new Set(lines)].map((line) => `${line}\n`).join('')
}
