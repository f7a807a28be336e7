/** Volumes as a kubelet writes them: all files of a version at once, by one rename of `..data`. */
import {
  chmodSync,
  chownSync,
  existsSync,
  lchownSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'

interface Access {
  readonly mode?: number
  readonly owner?: number
}

/** As kubelet's atomic writer does it (Kubernetes pkg/volume/util/atomic_writer.go), step by step. */
export function publish(
  directory: string,
  files: Record<string, string>,
  { mode = 0o644, owner = 0 }: Access = {},
): void {
  mkdirSync(directory, { recursive: true })
  const link = join(directory, '..data')
  const old = existsSync(link) ? readlinkSync(link) : undefined
  const version = `..2026_${crypto.randomUUID()}`
  mkdirSync(join(directory, version))
  for (const [name, text] of Object.entries(files)) {
    const path = join(directory, version, name)
    writeFileSync(path, text)
    chownSync(path, owner, owner)
    chmodSync(path, mode)
  }
  symlinkSync(version, join(directory, '..data_tmp'))
  renameSync(join(directory, '..data_tmp'), link)
  const shown = readdirSync(directory).filter((name) => !name.startsWith('..'))
  for (const name of Object.keys(files).filter((name) => !shown.includes(name))) {
    symlinkSync(`..data/${name}`, join(directory, name))
    lchownSync(join(directory, name), owner, owner)
  }
  for (const name of shown.filter((name) => !(name in files))) rmSync(join(directory, name))
  if (old !== undefined) rmSync(join(directory, old), { recursive: true })
}
