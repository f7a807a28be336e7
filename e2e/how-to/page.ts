/** The commands of a page for people, as a test runs them. */
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

const repository = resolve(import.meta.dir, '../..')

export interface Block {
  /** What stands behind the fence: `sh`, `yaml`. */
  readonly language: string
  /** The second word there, where a program asks for the block by it. */
  readonly name?: string
  readonly text: string
  /** Why the test leaves it out: the words of the remark above it. */
  readonly notRun?: string
}

const fence =
  /(?:<!-- not run by the test: (?<reason>[^>]*?) -->\n)?```(?<language>\w+)(?: (?<name>[a-z-]+))?\n(?<text>.*?)\n```/gs

/** The code blocks of a page by its path from the repository's root, in order. */
export function readBlocks(path: string): Block[] {
  const page = readFileSync(join(repository, path), 'utf8')
  return [...page.matchAll(fence)].map(({ groups }) => ({
    language: groups!.language!,
    text: groups!.text!,
    ...(groups!.name === undefined ? {} : { name: groups!.name }),
    ...(groups!.reason === undefined ? {} : { notRun: groups!.reason.replace(/\s+/g, ' ') }),
  }))
}

/** The text of a page's block by its name. @throws Error when the page has none of that name. */
export function namedBlock(path: string, name: string): string {
  const block = readBlocks(path).find((candidate) => candidate.name === name)
  if (block === undefined) throw new Error(`${path} has no block named ${name}`)
  return block.text
}
