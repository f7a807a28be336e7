/** Makes the files of a release in a directory: package, tarball, bill of materials, notes, checksums. */
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { mustRunTool, type ToolContext } from '../../src/guest-image/child.ts'
import { version as packageVersion, shimName } from '../../src/version.ts'
import { commitOf } from '../commit.ts'
import type { Compression } from '../package/deb.ts'
import { describeBuild, makePackage } from '../package/package.ts'
import { debianSources } from '../package/sources.ts'
import { buildDir, executable, root } from '../paths.ts'
import { releaseNotes } from './notes.ts'
import { sbom } from './sbom.ts'

export interface ReleaseOptions {
  /** Emptied first. */
  readonly outDir: string
  readonly compression: Compression
}

/** Names of the files, sorted. @throws as makePackage. */
export async function makeRelease(options: ReleaseOptions, tools: ToolContext): Promise<readonly string[]> {
  const { outDir, compression } = options
  const { version, epoch, guest } = await describeBuild(tools.env)
  rmSync(outDir, { recursive: true, force: true })
  mkdirSync(outDir, { recursive: true })
  const write = (name: string, text: string) => writeFileSync(join(outDir, name), text)
  await makePackage({ outDir, compression }, tools)
  await writeTarball(join(outDir, `kata-ts-${version}-x86_64.tar.zst`), { version, epoch }, tools)
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'))
  const sources = await debianSources(guest, tools)
  write(`kata-ts-${version}.cdx.json`, sbom({ version, commit: commitOf().name, epoch, lock, sources }))
  const changeLog = readFileSync(join(root, 'CHANGELOG.md'), 'utf8')
  write('RELEASE-NOTES.md', releaseNotes(changeLog, packageVersion))
  const names = readdirSync(outDir).sort()
  write('SHA256SUMS', names.map((name) => `${sha256(join(outDir, name))}  ${name}\n`).join(''))
  return [...names, 'SHA256SUMS'].sort()
}

const sha256 = (file: string) => new Bun.CryptoHasher('sha256').update(readFileSync(file)).digest('hex')

interface Edition {
  readonly version: string
  readonly epoch: number
}

/** For hosts without dpkg: the program under both its names, the files of packaging/, the licence. */
async function writeTarball(file: string, { version, epoch }: Edition, tools: ToolContext): Promise<void> {
  const work = join(buildDir, 'tarball')
  const name = `kata-ts-${version}-x86_64`
  const tree = join(work, name)
  rmSync(work, { recursive: true, force: true })
  mkdirSync(tree, { recursive: true })
  try {
    copyFileSync(executable, join(tree, 'kata-ts'))
    symlinkSync('kata-ts', join(tree, shimName))
    copyFileSync(join(root, 'LICENSE'), join(tree, 'LICENSE'))
    cpSync(join(root, 'packaging'), join(tree, 'packaging'), { recursive: true })
    rmSync(join(tree, 'packaging/debian'), { recursive: true })
    await mustRunTool(
      [
        'tar',
        ...[
          '--sort=name',
          `--mtime=@${epoch}`,
          '--owner=0',
          '--group=0',
          '--numeric-owner',
          '--mode=u+rw,go+r-w',
        ],
        ...['--use-compress-program=zstd -T1 -12', '--create', `--file=${file}`, `--directory=${work}`, name],
      ],
      file,
      { ...tools, timeout: 10 * 60_000 },
    )
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}
