/** The JUnit report that `bun test` writes, read as far as we need it. */

export interface ReportedTest {
  /** Path from the directory of the run. */
  readonly file: string
  readonly name: string
  /** The blocks around it, innermost first, joined with ` > `; empty outside of blocks. */
  readonly blocks: string
  readonly isSkipped: boolean
  /** What a failed test said; missing when it did not fail. */
  readonly failure?: string
}

/** Every test of a report, in its order. */
export function reportedTests(xml: string): ReportedTest[] {
  return [...xml.matchAll(/<testcase\b([^>]*?)(\/>|>(.*?)<\/testcase>)/gs)].map(
    ([, attributes = '', , inside = '']) => {
      const failure = /<(?:failure|error)\b([^>]*)>/.exec(inside)?.[1]
      return {
        file: attribute(attributes, 'file'),
        name: attribute(attributes, 'name'),
        blocks: attribute(attributes, 'classname'),
        isSkipped: inside.includes('<skipped'),
        ...(failure === undefined ? {} : { failure: attribute(failure, 'message') }),
      }
    },
  )
}

/** The value of one attribute of a tag; empty when it has none of that name. */
export const attribute = (tag: string, name: string): string =>
  unescapeXml(new RegExp(`(?:^|\\s)${name}="([^"]*)"`).exec(tag)?.[1] ?? '')

function unescapeXml(text: string): string {
  const named: Record<string, string> = { lt: '<', gt: '>', quot: '"', apos: "'", amp: '&' }
  return text
    .replace(/&#(\d+);/g, (_, code: string) => String.fromCodePoint(Number(code)))
    .replace(/&(lt|gt|quot|apos|amp);/g, (_, name: string) => named[name]!)
}
