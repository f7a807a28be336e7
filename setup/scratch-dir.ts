/** Where checks and tests keep caches and reports. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildDir, root } from './paths.ts'

/** Each user has a directory of their own, because root and a developer may use the same checkout in turn. */
const name = `checks-${process.getuid?.() ?? 0}`

/**
 * A directory that this user can write. It lies below build/, or below node_modules/ where root made build/. Where neither
 * can be written it is a temporary one, and nothing is cached.
 */
export function scratchDir(parents: readonly string[] = [buildDir, join(root, 'node_modules')]): string {
  for (const parent of parents) {
    const path = join(parent, name)
    try {
      mkdirSync(path, { recursive: true })
      return path
    } catch (error) {
      if (!['EACCES', 'EPERM', 'EROFS'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
    }
  }
  const temporary = mkdtempSync(join(tmpdir(), 'kata-ts-checks-'))
  process.on('exit', () => rmSync(temporary, { recursive: true, force: true }))
  return temporary
}
