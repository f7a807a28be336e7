/**
 * Templates on disk: machines that were booted once, paused with their agents up, and saved.
 *
 * Layout: `<template_path>/<key>/{state,template.json}`, all of it root's, and `.new-*` for what is being made.
 */
import { existsSync, lstatSync, readdirSync, rmdirSync, rmSync } from 'node:fs'
import { KataError } from '../../errors.ts'
import { removeTree } from '../../linux/files/remove-tree.ts'
import { newPrefix } from './new-template.ts'
import { requireRootsOwn } from './roots-own.ts'
import { readTemplateFacts, type Template, templateFiles } from './template-facts.ts'

export { newTemplate } from './new-template.ts'
export type { Template, TemplateFacts } from './template-facts.ts'

/**
 * The template of that key; undefined when there is none. Nobody has written to its file since it was saved: no digest of it is needed, and
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
  const [state, file] = [`${directory}/${templateFiles.state}`, `${directory}/${templateFiles.facts}`]
  const { size, ctimeNs } = requireRootsOwn(state, 'file')
  requireRootsOwn(file, 'file')
  const facts = readTemplateFacts(file)
  const damaged = (path: string, reason: string) => new KataError('TEMPLATE_DAMAGED', { path, reason })
  if (facts.key !== key) throw damaged(file, `it is about another template, ${facts.key}`)
  if (BigInt(facts.bytes) !== size) throw damaged(state, `it has ${size} bytes, recorded are ${facts.bytes}`)
  if (facts.changedAt !== `${ctimeNs}`) throw damaged(state, 'it was changed since it was saved')
  return { facts, state }
}

/** A template, or what is wrong with it. */
export type ListedTemplate =
  | { readonly key: string; readonly template: Template }
  | { readonly key: string; readonly error: unknown }

/** By key; empty without a directory. */
export function listTemplates(templatePath: string): ListedTemplate[] {
  return namesIn(templatePath, isKey).flatMap((key): ListedTemplate[] => {
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
  const keys = namesIn(templatePath, isKey)
  const left = namesIn(templatePath, (name) => name.startsWith(newPrefix))
  for (const name of [...keys, ...left]) await removeEntry(`${templatePath}/${name}`, signal)
  try {
    rmdirSync(templatePath)
  } catch {
    // It is not there, or has files of others.
  }
  return keys
}

/** Whatever stands there in place of a template goes, too. */
async function removeEntry(path: string, signal: AbortSignal | undefined): Promise<void> {
  if (lstatSync(path, { throwIfNoEntry: false })?.isDirectory()) await removeTree(path, signal)
  else rmSync(path, { force: true })
}

const isKey = (name: string): boolean => /^[0-9a-f]{64}$/.test(name)
const isThere = (path: string): boolean => lstatSync(path, { throwIfNoEntry: false }) !== undefined

const namesIn = (templatePath: string, accept: (name: string) => boolean): string[] =>
  existsSync(templatePath) ? readdirSync(templatePath).filter(accept).sort() : []
