import { readdirSync } from 'node:fs'

/** Errors of a missing directory, of something else than a directory, and of a process that has ended. */
const nothing: ReadonlySet<string | undefined> = new Set(['ENOENT', 'ENOTDIR', 'ESRCH'])

/** What is in a directory, sorted; empty where there is none. Others may remove it at any moment. @throws other errors of the system. */
export function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory).sort()
  } catch (error) {
    if (nothing.has((error as NodeJS.ErrnoException).code)) return []
    throw error
  }
}
