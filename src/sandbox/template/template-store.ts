/**
 * Templates on disk: machines that were booted once, paused with their agents up, and saved.
 *
 * Layout: `<template_path>/<key>/{state,memory,template.json}`, the memory where it is a file of its own, all of it root's, and `.new-*` for what is being made.
 */
import { lstatSync, renameSync, rmdirSync, rmSync } from 'node:fs'
import { KataError } from '../../errors.ts'
import { type FileFacts, whyAnother } from '../../linux/files/file-facts.ts'
import { namesIn } from '../../linux/files/names-in.ts'
import { removeTree } from '../../linux/files/remove-tree.ts'
import { newPrefix } from './new-template.ts'
import { requireRootsOwn } from './roots-own.ts'
import { readTemplateFacts, type Template, templateFiles } from './template-facts.ts'

export { newTemplate } from './new-template.ts'
export type { Template, TemplateFacts } from './template-facts.ts'

/**
 * The template of that key; undefined when there is none. Nobody has written to its files since it was saved: no digest of them is needed, and
 * no template outlives the boot of its host.
 *
 * @throws KataError TEMPLATE_FOREIGN, TEMPLATE_DAMAGED.
 */
export function findTemplate(templatePath: string, key: string): Template | undefined {
  const directory = `${templatePath}/${key}`
  if (!isThere(templatePath)) return undefined
  requireRootsOwn(templatePath, 'directory')
  if (!isThere(directory)) return undefined
  requireRootsOwn(directory, 'directory')
  const at = (name: keyof typeof templateFiles) => `${directory}/${templateFiles[name]}`
  requireRootsOwn(at('facts'), 'file')
  const facts = readTemplateFacts(at('facts'))
  if (facts.key !== key) throw damaged(at('facts'), `it is about another template, ${facts.key}`)
  requireAsRecorded(at('state'), facts.saved.state)
  const saved = { state: at('state'), recorded: facts.saved.state }
  if (facts.saved.memory === undefined) return { facts, saved }
  requireAsRecorded(at('memory'), facts.saved.memory)
  return { facts, saved: { ...saved, memory: at('memory') } }
}

function requireAsRecorded(path: string, recorded: FileFacts): void {
  const reason = whyAnother(requireRootsOwn(path, 'file'), recorded)
  if (reason !== undefined) throw damaged(path, reason)
}

const damaged = (path: string, reason: string) => new KataError('TEMPLATE_DAMAGED', { path, reason })

/** A template, or what is wrong with it. */
export type ListedTemplate =
  | { readonly key: string; readonly template: Template }
  | { readonly key: string; readonly error: unknown }

/** By key; empty without a directory. */
export function listTemplates(templatePath: string): ListedTemplate[] {
  return namesIn(templatePath)
    .filter(isKey)
    .flatMap((key): ListedTemplate[] => {
      try {
        const template = findTemplate(templatePath, key)
        // Somebody has just removed it.
        return template === undefined ? [] : [{ key, template }]
      } catch (error) {
        return [{ key, error }]
      }
    })
}

/**
 * Removes all templates, and what interrupted makings left, then the directory itself if nothing else is in it. Machines that were
 * cloned run on: they have the file open. Returns the keys.
 *
 * @throws what {@link removeTree} throws; the signal's reason.
 */
export async function removeTemplates(templatePath: string, signal?: AbortSignal): Promise<string[]> {
  const keys = namesIn(templatePath).filter(isKey)
  const left = namesIn(templatePath).filter(isLeft)
  for (const name of [...keys, ...left]) await removeEntry(`${templatePath}/${name}`, signal)
  try {
    rmdirSync(templatePath)
  } catch {
    // It is not there, or has files of others.
  }
  return keys
}

/**
 * Removes what no pod can become a clone of again: templates of other boots of the host, as the boot is a part of every key, and what
 * interrupted makings left. Templates of this boot stay, whichever kernel, VMM or configuration they are of: another configuration may ask
 * for those, and files that were replaced may come back under their names. What is damaged or not root's stays for a person to see.
 *
 * To be called while nobody makes one (template-lock.ts): one in the making looks like one that was interrupted. Returns the keys.
 *
 * @throws what {@link removeTree} throws; the signal's reason.
 */
export async function removeStaleTemplates(
  templatePath: string,
  boot: string,
  signal?: AbortSignal,
): Promise<string[]> {
  const removeLeft = async () => {
    for (const name of namesIn(templatePath).filter(isLeft))
      await removeEntry(`${templatePath}/${name}`, signal)
  }
  await removeLeft()
  const keys = namesIn(templatePath)
    .filter(isKey)
    .filter((key) => isOfAnotherBoot(templatePath, key, boot))
  // Under that name the next call goes on with what this one leaves.
  for (const key of keys) renameSync(`${templatePath}/${key}`, `${templatePath}/${newPrefix}${key}`)
  await removeLeft()
  return keys
}

function isOfAnotherBoot(templatePath: string, key: string, boot: string): boolean {
  const directory = `${templatePath}/${key}`
  try {
    requireRootsOwn(directory, 'directory')
    const file = `${directory}/${templateFiles.facts}`
    requireRootsOwn(file, 'file')
    const facts = readTemplateFacts(file)
    return facts.key === key && facts.bootId !== boot
  } catch {
    return false
  }
}

/** Whatever stands there in place of a template goes, too. */
async function removeEntry(path: string, signal: AbortSignal | undefined): Promise<void> {
  if (lstatSync(path, { throwIfNoEntry: false })?.isDirectory()) await removeTree(path, signal)
  else rmSync(path, { force: true })
}

const isKey = (name: string): boolean => /^[0-9a-f]{64}$/.test(name)
const isLeft = (name: string): boolean => name.startsWith(newPrefix)
const isThere = (path: string): boolean => lstatSync(path, { throwIfNoEntry: false }) !== undefined
