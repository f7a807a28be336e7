/** A template in the making: it has its name when it is whole, so that nobody finds a part of one. */
import { existsSync, lstatSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { KataError } from '../../errors.ts'
import { isDiskFull } from '../../linux/files/disk-full.ts'
import { type FileFacts, fileFacts } from '../../linux/files/file-facts.ts'
import type { SavedPaths } from '../../vmm/vmm.ts'
import { requireRootsOwn } from './roots-own.ts'
import { type Template, type TemplateFacts, type TemplateOrigin, templateFiles } from './template-facts.ts'

/** The beginning of the names of directories that are no templates yet, or no longer. */
export const newPrefix = '.new-'

export interface NewTemplate extends Disposable {
  /** The paths to save the machine to; root makes the files. That of the memory may stay away. */
  readonly saved: Required<SavedPaths>
  /**
   * Gives the template its name. One that has it already goes.
   *
   * @throws KataError TEMPLATE_FOREIGN, TEMPLATE_DAMAGED for the files of the machine; TEMPLATE_DISK_FULL.
   */
  commit(origin: TemplateOrigin): Template
}

/**
 * The directory of all templates, made if it is missing. Returns whether it was.
 *
 * @throws KataError TEMPLATE_FOREIGN, TEMPLATE_DISK_FULL; errors of the system.
 */
export function makeTemplatePath(templatePath: string): boolean {
  return namingFullDisk(templatePath, () => {
    mkdirSync(dirname(templatePath), { recursive: true })
    const isMissing = !existsSync(templatePath)
    // Another command may have been faster.
    if (isMissing) mkdirSync(templatePath, { recursive: true, mode: 0o700 })
    requireRootsOwn(templatePath, 'directory')
    return isMissing
  })
}

/** Disposing it removes what was not committed. @throws KataError TEMPLATE_FOREIGN, TEMPLATE_DISK_FULL; errors of the system. */
export function newTemplate(templatePath: string, key: string): NewTemplate {
  makeTemplatePath(templatePath)
  const directory = namingFullDisk(templatePath, () => mkdtempSync(`${templatePath}/${newPrefix}`))
  const { state, memory } = savedIn(directory)
  return {
    saved: { state, memory },
    commit: (origin) =>
      namingFullDisk(templatePath, () => {
        const files = { state: factsOf(state), ...(existsSync(memory) ? { memory: factsOf(memory) } : {}) }
        const facts: TemplateFacts = { version: 2, ...origin, saved: files }
        writeFileSync(`${directory}/${templateFiles.facts}`, `${JSON.stringify(facts, null, 2)}\n`, {
          mode: 0o600,
        })
        replace(templatePath, directory, `${templatePath}/${key}`)
        const named = { ...savedIn(`${templatePath}/${key}`), recorded: files.state }
        const { memory: _, ...alone } = named
        return { facts, saved: files.memory === undefined ? alone : named }
      }),
    [Symbol.dispose]: () => rmSync(directory, { recursive: true, force: true }),
  }
}

const savedIn = (directory: string): Required<SavedPaths> => ({
  state: `${directory}/${templateFiles.state}`,
  memory: `${directory}/${templateFiles.memory}`,
})

const factsOf = (path: string): FileFacts => fileFacts(requireRootsOwn(path, 'file'))

/** A directory with files in it is not renamed over, so the former one steps aside first. */
function replace(templatePath: string, from: string, to: string): void {
  const former = mkdtempSync(`${templatePath}/${newPrefix}`)
  try {
    if (lstatSync(to, { throwIfNoEntry: false }) !== undefined) renameSync(to, `${former}/former`)
    renameSync(from, to)
  } finally {
    rmSync(former, { recursive: true, force: true })
  }
}

/** The result of `work`, which writes below this directory. @throws KataError TEMPLATE_DISK_FULL; what else `work` throws. */
function namingFullDisk<T>(templatePath: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw namedFullDisk(templatePath, error)
  }
}

/** The error in which what is written below this directory fails by that one. */
export const namedFullDisk = (templatePath: string, cause: unknown): unknown =>
  isDiskFull(cause) ? new KataError('TEMPLATE_DISK_FULL', { path: templatePath }, { cause }) : cause
