/** Release notes: the section of the change log. */

/**
 * What CHANGELOG.md says of `version`, or of "Unreleased" where there is no such section yet.
 *
 * @throws Error when it has neither.
 */
export function releaseNotes(changeLog: string, version: string): string {
  const sections = changeLog.split(/^## /m).slice(1)
  const named = (name: string) => sections.find((section) => section.split(/[\s,]/)[0] === name)
  const isNewest = sections[0]?.startsWith(version) === true
  const section = isNewest ? named(version) : (named('Unreleased') ?? named(version))
  if (section === undefined) throw new Error(`CHANGELOG.md has no section about ${version}`)
  const [, ...lines] = section.split('\n')
  return `# kata-ts ${version}${isNewest ? '' : ', unreleased'}\n\n${lines.join('\n').trim()}\n`
}
