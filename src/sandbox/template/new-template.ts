/** A template in the making: it has its name when it is whole, so that nobody finds a part of one. */
import { existsSync, lstatSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { KataError } from '../../errors.ts'
import { requireRootsOwn } from './roots-own.ts'
import { type Template, type TemplateFacts, type TemplateOrigin, templateFiles } from './template-facts.ts'

/** The beginning of the names of directories that are no templates yet, or no longer. */
export const newPrefix = '.new-'

export interface NewTemplate extends Disposable {
  /** The path to save the machine to; root makes the file. */
  readonly state: string
  /**
   * Gives the template its name. One that has it already goes.
   *
   * @throws KataError TEMPLATE_FOREIGN, TEMPLATE_DAMAGED for the file of the machine; TEMPLATE_DISK_FULL.
   */
  commit(origin: TemplateOrigin): Template
}

/** Disposing it removes what was not committed. @throws KataError TEMPLATE_FOREIGN, TEMPLATE_DISK_FULL; errors of the system. */
export function newTemplate(templatePath: string, key: string): NewTemplate {
  const directory = namingFullDisk(templatePath, () => makeDirectory(templatePath))
  const state = `${directory}/${templateFiles.state}`
  return {
    state,
    commit: (origin) =>
      namingFullDisk(templatePath, () => {
        const { size, ctimeNs } = requireRootsOwn(state, 'file')
        const facts: TemplateFacts = { version: 1, ...origin, bytes: Number(size), changedAt: `${ctimeNs}` }
        writeFileSync(`${directory}/${templateFiles.facts}`, `${JSON.stringify(facts, null, 2)}\n`, {
          mode: 0o600,
        })
        replace(templatePath, directory, `${templatePath}/${key}`)
        return { facts, state: `${templatePath}/${key}/${templateFiles.state}` }
      }),
    [Symbol.dispose]: () => rmSync(directory, { recursive: true, force: true }),
  }
}

function makeDirectory(templatePath: string): string {
  mkdirSync(dirname(templatePath), { recursive: true })
  if (!existsSync(templatePath)) mkdirSync(templatePath, { mode: 0o700 })
  requireRootsOwn(templatePath, 'directory')
  return mkdtempSync(`${templatePath}/${newPrefix}`)
}

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
  } catch (cause) {
    const isFull = ['ENOSPC', 'EDQUOT'].includes((cause as NodeJS.ErrnoException).code ?? '')
    throw isFull ? new KataError('TEMPLATE_DISK_FULL', { path: templatePath }, { cause }) : cause
  }
}
