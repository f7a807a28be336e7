/** Debian's packages of an image. Package lists that are missing or too old are fetched once. */
import { join } from 'node:path'
import { KataError } from '../errors.ts'
import { aptUpdate, dependencyOf, downloadPackages, type PackageFile, resolvePackages } from './apt.ts'
import { newDirectory } from './cache.ts'
import type { ToolContext } from './child.ts'
import type { Progress } from './progress.ts'

/** Names the package of the kernel that Debian ships for virtual machines at the moment. */
const kernelMetapackage = 'linux-image-cloud-amd64'
const kernelPackage = /^linux-image-\d\S*-cloud-amd64$/
/** crun and what it links against, libsystemd aside; that nothing is missing is checked on the files themselves. */
const userPackages = ['crun', 'libc6', 'libcap2', 'libseccomp2', 'libyajl2']

export interface PackageContext {
  readonly cacheDir: string
  readonly progress: Progress
  readonly tools: ToolContext
}

async function resolve(tools: ToolContext): Promise<PackageFile[]> {
  const kernel = await dependencyOf(kernelMetapackage, kernelPackage, tools)
  return resolvePackages([kernel, ...userPackages], tools)
}

/** A fresh system has no package lists yet: fetch them once when a package is unknown. */
export async function resolveOrUpdate({ tools, progress }: PackageContext): Promise<PackageFile[]> {
  try {
    return await resolve(tools)
  } catch (error) {
    if (!hasCode(error, 'IMAGE_PACKAGE_UNKNOWN')) throw error
    progress.begin('guest image: package lists')
    await aptUpdate(tools)
    return resolve(tools)
  }
}

/** Lists that are older than the archive name files that are gone from it: then fetch the lists and try once more. */
export async function downloadOrUpdate(
  context: PackageContext,
  packages: PackageFile[],
): Promise<PackageFile[]> {
  const { cacheDir, tools, progress } = context
  const onProgress = (fraction: number) => progress.update(fraction)
  const download = (files: readonly PackageFile[]) =>
    downloadPackages(files, join(cacheDir, 'debs'), newDirectory(cacheDir, 'download'), {
      ...tools,
      onProgress,
    })
  try {
    await download(packages)
    return packages
  } catch (error) {
    if (!hasCode(error, 'IMAGE_PACKAGES_UNREACHABLE')) throw error
    await aptUpdate(tools)
    const newer = await resolve(tools)
    await download(newer)
    return newer
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof KataError && error.code === code
}
