/** One command at a time makes or removes the templates below a path, by a lock on that directory: a second one is refused. */
import { rmdirSync, statSync } from 'node:fs'
import { KataError } from '../../errors.ts'
import { makeUnderDirectoryLock } from '../../linux/files/directory-lock.ts'
import { makeTemplatePath } from './new-template.ts'

/**
 * Runs `work`, which makes templates. The directory is made if it is missing, and goes again if nothing has come into it.
 *
 * @throws KataError TEMPLATE_BUSY, TEMPLATE_FOREIGN, TEMPLATE_DISK_FULL; what `work` throws.
 */
export async function whileMakingTemplates<T>(templatePath: string, work: () => Promise<T>): Promise<T> {
  const isNew = makeTemplatePath(templatePath)
  const done = await locked(templatePath, async () => {
    try {
      return await work()
    } finally {
      if (isNew) removeIfEmpty(templatePath)
    }
  })
  // Another command has removed it just now.
  if (done === undefined) throw busy(templatePath)
  return done.value
}

/** Runs `work`, which removes templates, also in a directory that we did not make. @throws KataError TEMPLATE_BUSY; what `work` throws. */
export async function whileRemovingTemplates<T>(templatePath: string, work: () => Promise<T>): Promise<T> {
  const done = await locked(templatePath, work)
  if (done !== undefined) return done.value
  // It was another directory a moment ago.
  if (statSync(templatePath, { throwIfNoEntry: false })?.isDirectory()) throw busy(templatePath)
  return work()
}

/** Undefined where there is no directory to lock, and nothing was done. */
async function locked<T>(
  templatePath: string,
  work: () => Promise<T>,
): Promise<{ readonly value: T } | undefined> {
  const done = await makeUnderDirectoryLock(templatePath, 0, work)
  if (done === 'busy') throw busy(templatePath)
  return done === 'gone' ? undefined : done
}

const busy = (path: string): KataError => new KataError('TEMPLATE_BUSY', { path })

function removeIfEmpty(directory: string): void {
  try {
    rmdirSync(directory)
  } catch {
    // It has a template by now.
  }
}
