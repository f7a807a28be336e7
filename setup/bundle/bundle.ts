/** Makes the bundle: kata-ts with all that it starts, for /opt/kata-ts of a host that has a kernel and nothing else. */
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { ToolContext } from '../../src/guest-image/child.ts'
import type { Progress } from '../../src/guest-image/progress.ts'
import { bundleRoot } from '../../src/own-bundle.ts'
import { shimName } from '../../src/version.ts'
import {
  type Build,
  below,
  type Content,
  type Contents,
  completions,
  exampleFolders,
  guestFiles,
  installed,
  manuals,
} from '../package/contents.ts'
import { describeBuild } from '../package/package.ts'
import { bySource, debianSources, type SourcePackage, sourcesOfFiles } from '../package/sources.ts'
import { writeTree } from '../package/tree.ts'
import { buildDir, executable, root } from '../paths.ts'
import { SetupError } from '../setup-error.ts'
import { archive } from './archive.ts'
import { closureOf } from './closure.ts'
import { ownProgram } from './elf-edit.ts'
import { type Unpacked, unpackedPackages } from './packages.ts'
import { certificatePackage, firmware, licencePackage, programs } from './programs.ts'

const at = bundleRoot.slice(1)
const packaging = join(root, 'packaging')

export interface BundleOptions {
  /** Where the bundle goes; made if missing. */
  readonly outDir: string
  /** As a tree of files instead of an archive, for tests. */
  readonly unpacked?: boolean
  readonly version?: string
}

export interface Bundle {
  /** `kata-ts-VERSION-x86_64.tar.zst`, or a directory with `opt` in it. */
  readonly path: string
  /** Debian's source packages, of the guest's too. */
  readonly sources: readonly SourcePackage[]
}

/** @throws SetupError, KataError IMAGE_* as the package. */
export async function makeBundle(
  { outDir, unpacked = false, version }: BundleOptions,
  { progress, tools }: { progress: Progress; tools: ToolContext },
): Promise<Bundle> {
  const build = await describeBuild(tools.env, version)
  const names = [...Object.keys(programs), ...Object.keys(firmware), certificatePackage, licencePackage]
  const packages = await unpackedPackages(names, join(buildDir, 'bundle'), { progress, tools })
  progress.begin('bundle: files')
  const { contents, used } = closureOf(packages, readFileSync(executable))
  const sources = await sourcesOfBundle(build, used, tools)
  const name = `kata-ts-${build.version}-x86_64`
  const tree = join(unpacked ? outDir : buildDir, unpacked ? name : 'bundle-tree')
  writeTree(tree, {
    ...contents,
    ...ours(build),
    ...licences(used, packages),
    ...certificates(packages),
    ...list(sources),
  })
  progress.end()
  if (unpacked) return { path: tree, sources }
  try {
    mkdirSync(outDir, { recursive: true })
    const file = join(outDir, `${name}.tar.zst`)
    progress.begin('bundle: archive')
    await archive(file, { tree, member: at, epoch: build.epoch }, tools)
    progress.end()
    return { path: file, sources }
  } finally {
    rmSync(tree, { recursive: true, force: true })
  }
}

/** What is not Debian's. */
function ours(build: Build): Contents {
  const share = `${at}/share`
  const moved = (files: Contents) =>
    Object.fromEntries(Object.entries(files).map(([path, content]) => [path, inBundle(content)]))
  return {
    [`${at}/bin/kata-ts`]: { bytes: ownProgram(readFileSync(executable)), mode: 0o755 },
    [`${at}/bin/${shimName}`]: { linkTo: 'kata-ts' },
    [`${at}/LICENSE`]: { copyOf: join(root, 'LICENSE') },
    [`${share}/kata-ts/configuration.schema.json`]: { copyOf: join(root, 'docs/configuration.schema.json') },
    // The one that skopeo's package has: a host that asks for signatures says so in /etc/containers.
    [`${share}/containers/policy.json`]: { bytes: '{ "default": [{ "type": "insecureAcceptAnything" }] }\n' },
    ...guestFiles(build, `${share}/kata-ts/guest`),
    ...manuals(build, share),
    ...completions(share),
    ...moved(below(`${share}/kata-ts`, packaging, /^configuration.*\.toml$/)),
    ...moved(below(`${share}/doc/kata-ts/systemd`, join(packaging, 'systemd'))),
    ...Object.assign(
      {},
      ...exampleFolders.map((folder) =>
        moved(below(`${share}/doc/kata-ts/${folder}`, join(packaging, folder))),
      ),
    ),
  }
}

/** Debian's paths that files of packaging/ name, and where the same is in the bundle. */
const places: readonly (readonly [string, string])[] = [
  ['/usr/bin/qemu-system-x86_64', `${bundleRoot}/bin/qemu-system-x86_64`],
  ['/usr/libexec/virtiofsd', `${bundleRoot}/libexec/virtiofsd`],
  ['/usr/bin/swtpm', `${bundleRoot}/bin/swtpm`],
  ['/usr/share/kata-ts/', `${bundleRoot}/share/kata-ts/`],
]

function inBundle(content: Content): Content {
  const moved = installed(content, `${at}/bin`)
  if (!('bytes' in moved) || typeof moved.bytes !== 'string') return moved
  return { ...moved, bytes: places.reduce((text, [from, to]) => text.replaceAll(from, to), moved.bytes) }
}

/** Each package's own word about its authors, which some have in another one. */
function licences(used: readonly Unpacked[], packages: readonly Unpacked[]): Contents {
  return Object.fromEntries(
    used.flatMap(({ package: { name }, tree }): [string, Content][] => {
      const directory = join(tree, 'usr/share/doc', name)
      const link = lstatSync(directory).isSymbolicLink() ? readlinkSync(directory) : undefined
      const other = packages.find((one) => one.package.name === link)?.tree ?? tree
      const file = join(other, 'usr/share/doc', link ?? name, 'copyright')
      if (!existsSync(file))
        throw new SetupError(`the package ${name} names no licence`, 'leave it out, or find its licence')
      return [[`${at}/share/doc/${name}/copyright`, { copyOf: file }]]
    }),
  )
}

/** All of Mozilla's, as `update-ca-certificates` puts them into one file. */
function certificates(packages: readonly Unpacked[]): Contents {
  const { tree } = packages.find((one) => one.package.name === certificatePackage)!
  const directory = join(tree, 'usr/share/ca-certificates/mozilla')
  const texts = readdirSync(directory)
    .sort()
    .map((name) => readFileSync(join(directory, name), 'utf8').trimEnd())
  return { [`${at}/share/certificates.pem`]: { bytes: `${texts.join('\n')}\n` } }
}

const list = (sources: readonly SourcePackage[]): Contents => ({
  [`${at}/share/doc/kata-ts/debian-sources`]: {
    bytes: sources
      .map(({ name, version, binaries }) => `${name} ${version}: ${binaries.join(' ')}\n`)
      .join(''),
  },
})

async function sourcesOfBundle({ guest }: Build, used: readonly Unpacked[], tools: ToolContext) {
  const debs = used.map(({ package: { file } }) => join(buildDir, 'bundle/debs', file))
  const lines = [...(await sourcesOfFiles(debs, tools))]
  for (const { name, version, binaries } of await debianSources(guest, tools))
    lines.push(...binaries.map((binary) => `${binary} ${name} ${version}`))
  return bySource(lines)
}
