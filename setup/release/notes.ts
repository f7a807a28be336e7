/** Release notes: the section of the change log, and the commits. */
import type { Commits } from '../commit.ts'

/**
 * What CHANGELOG.md says of `version`, or of "Unreleased" where there is no such section yet, and the titles of the commits since the last
 * release.
 *
 * @throws Error when it has neither.
 */
export function releaseNotes(changeLog: string, version: string, commits?: Commits): string {
  const sections = changeLog.split(/^## /m).slice(1)
  const named = (name: string) => sections.find((section) => section.split(/[\s,]/)[0] === name)
  const isNewest = sections[0]?.startsWith(version) === true
  const section = isNewest ? named(version) : (named('Unreleased') ?? named(version))
  if (section === undefined) throw new Error(`CHANGELOG.md has no section about ${version}`)
  const [, ...lines] = section.split('\n')
  return `# kata-ts ${version}${isNewest ? '' : ', unreleased'}\n\n${lines.join('\n').trim()}\n${commits ? commitList(commits) : ''}`
}

/** Without a release before it, every commit is new: their number says that. */
function commitList({ since, titles }: Commits): string {
  if (since === undefined) return `\n## Commits\n\nThe first release: ${titles.length} commits.\n`
  return `\n## Commits since ${since}\n\n${titles.map((title) => `- ${title}\n`).join('')}`
}
