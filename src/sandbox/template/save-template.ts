/** Writes the machine of a template to its files. */
import { closeSync, openSync } from 'node:fs'
import type { SavedPaths, Vmm } from '../../vmm/vmm.ts'
import { namedFullDisk } from './new-template.ts'

/** @throws KataError TEMPLATE_DISK_FULL, and as {@link Vmm.save}. */
export async function saveTemplate(
  vmm: Pick<Vmm, 'save'>,
  { state, memory }: Required<SavedPaths>,
  { templatePath, hasMemoryFile }: { readonly templatePath: string; readonly hasMemoryFile: boolean },
): Promise<void> {
  const opened: number[] = []
  const open = (path: string, mode: number): number => {
    const fd = openSync(path, 'wx', mode)
    opened.push(fd)
    return fd
  }
  try {
    const to = { state: open(state, 0o600) }
    // Each clone's user opens it, in a jail that shows it: the directories around it let nobody else come to it.
    await vmm.save?.(hasMemoryFile ? { ...to, memory: open(memory, 0o444) } : to)
  } catch (error) {
    throw namedFullDisk(templatePath, error)
  } finally {
    for (const fd of opened) closeSync(fd)
  }
}
