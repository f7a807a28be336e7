/** Compares the files of two releases, and says of packages and archives which member differs, and in what. */
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { mustRunTool, type ToolContext } from '../../src/guest-image/child.ts'

/** It names the others' contents. */
export const checksumFile = 'SHA256SUMS'

/**
 * A line for each difference; none when both directories have the same files. `scratch` has room for two unpacked releases.
 *
 * @throws KataError IMAGE_TOOL_*, IMAGE_DISK_FULL.
 */
export async function compareReleases(
  one: string,
  other: string,
  { scratch, tools }: { readonly scratch: string; readonly tools: ToolContext },
): Promise<readonly string[]> {
  const [ours, theirs] = [one, other].map((directory) => readdirSync(directory))
  const lines: string[] = []
  for (const name of [...new Set([...ours!, ...theirs!])].sort()) {
    if (!ours!.includes(name) || !theirs!.includes(name)) {
      lines.push(`${name}: only in ${ours!.includes(name) ? one : other}`)
      continue
    }
    const [first, second] = [join(one, name), join(other, name)]
    // What it says differs where something else does.
    if (name === checksumFile || sha256(first) === sha256(second)) continue
    const members = await compareMembers(first, second, { scratch, tools })
    lines.push(...members.map((line) => `${name}: ${line}`))
  }
  return lines
}

async function compareMembers(
  one: string,
  other: string,
  { scratch, tools }: { readonly scratch: string; readonly tools: ToolContext },
): Promise<string[]> {
  if (!/\.(deb|tar\.zst)$/.test(one)) return ['its content']
  const directory = mkdtempSync(join(scratch, 'compared-'))
  try {
    const facts: Map<string, Facts>[] = []
    for (const [name, file] of [
      ['one', one],
      ['other', other],
    ] as const) {
      const tree = join(directory, name)
      await unpack(file, tree, tools)
      facts.push(factsBelow(tree))
      rmSync(tree, { recursive: true })
    }
    const lines = differences(facts[0]!, facts[1]!)
    return lines.length > 0 ? lines : ['the order or the compression of its members']
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

async function unpack(file: string, tree: string, tools: ToolContext): Promise<void> {
  mkdirSync(tree)
  const argv = file.endsWith('.deb')
    ? (['dpkg-deb', '--raw-extract', file, tree] as const)
    : (['tar', '--zstd', '-xpf', file, '-C', tree] as const)
  await mustRunTool(argv, tree, { ...tools, timeout: 10 * 60_000 })
}

/** What there is to say of a member, by its name for people. */
type Facts = Readonly<Record<string, string>>

function factsBelow(tree: string): Map<string, Facts> {
  const paths = readdirSync(tree, { recursive: true }).map(String).sort()
  return new Map(paths.map((path) => [path, factsOf(join(tree, path))]))
}

function factsOf(path: string): Facts {
  const stat = lstatSync(path)
  const content = stat.isSymbolicLink() ? readlinkSync(path) : stat.isFile() ? sha256(path) : 'a directory'
  return {
    content,
    mode: (stat.mode & 0o7777).toString(8),
    time: stat.mtime.toISOString(),
    owner: `${stat.uid}:${stat.gid}`,
  }
}

function differences(one: Map<string, Facts>, other: Map<string, Facts>): string[] {
  return [...new Set([...one.keys(), ...other.keys()])].sort().flatMap((path) => {
    const [first, second] = [one.get(path), other.get(path)]
    if (first === undefined || second === undefined)
      return [`${path}: only in the ${second === undefined ? 'first' : 'second'}`]
    return Object.keys(first)
      .filter((fact) => first[fact] !== second[fact])
      .map(
        (fact) => `${path}: its ${fact}${fact === 'content' ? '' : `, ${first[fact]} and ${second[fact]}`}`,
      )
  })
}

const sha256 = (file: string) => new Bun.CryptoHasher('sha256').update(readFileSync(file)).digest('hex')
