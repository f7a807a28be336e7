/** Makes the files of a release in a directory: package, bundle, bill of materials, notes, checksums. */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ToolContext } from '../../src/guest-image/child.ts'
import type { Progress } from '../../src/guest-image/progress.ts'
import { version as packageVersion } from '../../src/version.ts'
import { makeBundle } from '../bundle/bundle.ts'
import { commitOf, commitsSinceTag } from '../commit.ts'
import type { Compression } from '../package/deb.ts'
import { describeBuild, makePackage } from '../package/package.ts'
import { root } from '../paths.ts'
import { checksumFile } from './compare.ts'
import { releaseNotes } from './notes.ts'
import { sbom } from './sbom.ts'

export interface ReleaseOptions {
  /** Emptied first. */
  readonly outDir: string
  readonly compression: Compression
}

/** Names of the files, sorted. @throws as makePackage. */
export async function makeRelease(
  { outDir, compression }: ReleaseOptions,
  { progress, tools }: { progress: Progress; tools: ToolContext },
): Promise<readonly string[]> {
  const { version, epoch } = await describeBuild(tools.env)
  rmSync(outDir, { recursive: true, force: true })
  mkdirSync(outDir, { recursive: true })
  const write = (name: string, text: string) => writeFileSync(join(outDir, name), text)
  await makePackage({ outDir, compression }, tools)
  const { sources } = await makeBundle({ outDir }, { progress, tools })
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'))
  write(`kata-ts-${version}.cdx.json`, sbom({ version, commit: commitOf().name, epoch, lock, sources }))
  const changeLog = readFileSync(join(root, 'CHANGELOG.md'), 'utf8')
  write('RELEASE-NOTES.md', releaseNotes(changeLog, packageVersion, commitsSinceTag()))
  const names = readdirSync(outDir).sort()
  write(checksumFile, names.map((name) => `${sha256(join(outDir, name))}  ${name}\n`).join(''))
  return [...names, checksumFile].sort()
}

const sha256 = (file: string) => new Bun.CryptoHasher('sha256').update(readFileSync(file)).digest('hex')
