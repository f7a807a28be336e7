/** Debian's change log, which names the version; what changed for users is in CHANGELOG.md beside it. */
import type { Build } from './contents.ts'

export function debianChangeLog({
  version,
  epoch,
  maintainer,
}: Pick<Build, 'version' | 'epoch' | 'maintainer'>): string {
  const distribution = version.includes('~git') ? 'UNRELEASED' : 'unstable'
  return [
    `kata-ts (${version}) ${distribution}; urgency=medium`,
    '',
    '  * What changed is in CHANGELOG.md.gz beside this file.',
    '',
    ` -- ${maintainer}  ${rfc2822(epoch)}`,
    '',
  ].join('\n')
}

/** The form of dates that deb-changelog(5) asks for, in UTC. */
const rfc2822 = (epoch: number) => new Date(epoch * 1000).toUTCString().replace('GMT', '+0000')
