/**
 * Pod annotations applied to a configuration. Annotations come from anyone who may create a pod, so each is untrusted:
 * it counts only if the operator enabled its name, and then as one validated value. Stricter than Kata: an entry of
 * `enable_annotations` must match the whole name, a refused annotation always fails the pod, and the annotations of
 * runtime and agent, which Kata never asks permission for, need it as well: they reach host cgroups, the guest kernel and
 * the seccomp profiles.
 *
 * Two exceptions work without being enabled: values that only take rights away (`rootless: "true"`), and those that are
 * so anyway.
 */
import { existsSync } from 'node:fs'
import { normalize } from 'node:path'
import { KataError } from '../errors.ts'
import { isEqual } from '../json/is-equal.ts'
import type { Logger } from '../log.ts'
import { isHashAnnotation, readHashes } from './asset-hashes.ts'
import type { Config, HypervisorConfig } from './config.ts'
import { refused, warnOnce } from './decode.ts'
import { nameOf } from './drivers.ts'
import { fileToChange } from './files/file-to-change.ts'
import { isOpenToAll } from './files/open-to-all.ts'
import { type AnnotationName, readAnnotationName } from './kata/annotation-names.ts'
import { lossOf, lossOfOther } from './kata/kata-annotations.ts'
import { refusedValue, unsetByZero } from './kata/kata-keys.ts'
import type { Sections } from './key-spec.ts'
import { asksForNothing, requirePossible } from './key-support.ts'
import type { KeySpec } from './keys.ts'
import { type KnownKeys, knownKeys } from './known-keys.ts'
import { present, sectionsOf } from './sections.ts'
import { finish, type HostSize, readHostSize } from './validate.ts'
import { quoteValue, Refusal } from './value-types.ts'

export type Annotations = Readonly<Record<string, string>>

/** Facts of the host that decide about annotations. */
export interface AnnotationHost {
  readonly size: HostSize
  /** Whether a file exists: a path counts only if it does, as with Kata's glob(3). */
  readonly exists: (path: string) => boolean
  /** Whether every user can read a file and root alone can change it. */
  readonly isOpenToAll: (path: string) => boolean
}

/** An annotation with a meaning here. */
interface Wish extends AnnotationName {
  readonly spec: KeySpec
  readonly text: string
}

interface Asked extends Wish {
  readonly value: unknown
  /** Whether the configuration would be another one without it. */
  readonly changes: boolean
}

/**
 * A new frozen Config with the pod's wishes.
 * @throws KataError ANNOTATION_NOT_ENABLED, ANNOTATION_PATH_REFUSED, ANNOTATION_FILE_REFUSED, ANNOTATION_UNSUPPORTED, ANNOTATION_UNKNOWN,
 * CONFIG_FILE_MISSING, CONFIG_TYPE, CONFIG_VALUE, CONFIG_VMM_CANNOT, CONFIG_CONFLICT
 */
export function applyAnnotations(
  config: Config,
  annotations: Annotations,
  log: Logger,
  host: AnnotationHost = { size: readHostSize(), exists: existsSync, isOpenToAll },
): Config {
  const warn = warnOnce(log)
  const known = knownKeys(config.hypervisor.driver)
  const hashes: { named: AnnotationName; text: string }[] = []
  const asked = Object.entries(annotations).flatMap(([annotation, text]) => {
    const named = readAnnotationName(annotation)
    if (named === undefined) {
      const loss = lossOfOther(known, annotation)
      if (loss !== undefined) warn(`annotation ${annotation} has no effect: ${loss}`)
      return []
    }
    if (isHashAnnotation(named)) {
      requireEnabled(config, named)
      hashes.push({ named, text })
      return []
    }
    const spec = findAnnotation(known, named)
    if (spec === undefined) {
      const loss = lossOf(known, named, text)
      if (loss === undefined) return []
      requireEnabled(config, named)
      warn(`annotation ${annotation} has no effect: ${loss}`)
      return []
    }
    const wish = read(config, { ...named, spec, text }, warn)
    if (wish?.changes) requireAllowed(config, wish, host)
    return wish ?? []
  })
  for (const ask of asked) requireOneAnswer(ask, asked)
  const changed = asked.reduce(change, sectionsOf(config))
  const hypervisor = {
    ...changed.hypervisor,
    ...withOneWayToPlug(asked),
    assetHashes: readHashes(hashes),
  }
  return finish(
    { ...config, hypervisor, agent: changed['agent.kata'], runtime: changed.runtime },
    {
      where: (key) => placeOf(asked, key) ?? config.source,
      host: host.size,
      asked: asked.flatMap(({ spec, changes }) => (changes ? spec.key : [])),
    },
  )
}

function findAnnotation({ keys }: KnownKeys, { table, name }: AnnotationName): KeySpec | undefined {
  return keys.find((spec) => spec.table === table && spec.annotation === name)
}

function requireEnabled(config: Config, { annotation, entry }: AnnotationName): void {
  const { enableAnnotations } = config.hypervisor
  if (enableAnnotations.some((pattern) => new RegExp(`^(?:${pattern})$`).test(entry))) return
  throw new KataError('ANNOTATION_NOT_ENABLED', { annotation, key: entry, source: fileToChange(config) })
}

/** The value if it may count; undefined if nothing would act on it, with a warning if something is lost by that. */
function read(config: Config, wish: Wish, warn: Logger['warn']): Asked | undefined {
  const { annotation, spec, text } = wish
  const { driver } = config.hypervisor
  const where = `annotation ${annotation}`
  const reason = refusedValue(spec.key, text)
  if (reason !== undefined) throw new KataError('ANNOTATION_UNSUPPORTED', { annotation, reason })
  const value = spec.type.fromText(text)
  // For Kata's Go runtime it is no wish.
  if (value === 0 && unsetByZero.includes(spec.key)) return undefined
  const means = spec.drivers.includes(driver)
  if (!means && spec.impossible[driver] === undefined && asksForNothing(spec, value)) return undefined
  const changes = value instanceof Refusal || !isSo(config, spec, value)
  const takesAway = spec.restricting !== undefined && (value === spec.restricting || value instanceof Refusal)
  if (changes && !takesAway) requireEnabled(config, wish)
  requirePossible(driver, { spec, value: text, where })
  if (!means) {
    warn(`${where} has no meaning for ${nameOf(driver)}`)
    return undefined
  }
  if (value instanceof Refusal) throw refused(value, { spec, raw: text, where })
  return { ...wish, value, changes }
}

/** Whether the configuration is the same with and without this value. */
function isSo(config: Config, spec: KeySpec, value: unknown): boolean {
  const before = present(sectionsOf(config), spec)
  return isEqual(merged(spec, before, value), before)
}

/** Files that the guest reads; there is no list of them, as in Kata. */
const guestFiles = ['kernel', 'initrd', 'image']

function requireAllowed(config: Config, { annotation, spec, text }: Asked, host: AnnotationHost): void {
  if (guestFiles.includes(spec.field) && text !== '' && !host.isOpenToAll(text))
    throw new KataError('ANNOTATION_FILE_REFUSED', {
      annotation,
      value: quoteValue(text),
      source: fileToChange(config),
    })
  const list = spec.allowList
  if (list === undefined) return
  if (!config.hypervisor[list.field].some((pattern) => matchesPath(pattern, text)))
    throw new KataError('ANNOTATION_PATH_REFUSED', {
      annotation,
      value: quoteValue(text),
      list: list.key,
      source: fileToChange(config),
    })
  // A pod learns only of paths that it might name whether they are there.
  if (!host.exists(text))
    throw new KataError('CONFIG_FILE_MISSING', {
      key: `annotation ${annotation}`,
      path: quoteValue(text),
      reason: 'does not exist',
      source: 'the pod',
    })
}

/** The kernel's, bytes. */
const longestPath = 4096

/**
 * Whether a pattern matches: `*` and `?` match within one part of the path, so `..` cannot lead elsewhere. Nothing else has a meaning: a class or a
 * negation would take paths that nobody thought of.
 */
function matchesPath(pattern: string, path: string): boolean {
  const source = pattern
    .replace(/\*+/g, '*')
    .replace(/[^\w/]/g, (sign) => ({ '*': '[^/]*', '?': '[^/]' })[sign] ?? `\\${sign}`)
  const isPath = path.length <= longestPath && normalize(path) === path
  return isPath && new RegExp(`^${source}$`).test(path)
}

/** Two spellings of one key must not disagree: which of them a person meant cannot be known. */
function requireOneAnswer({ spec, annotation, value }: Asked, asked: readonly Asked[]): void {
  const other = asked.find((one) => one.spec === spec && one.value !== value)
  if (other !== undefined)
    throw new KataError('CONFIG_CONFLICT', {
      where: `annotation ${annotation}`,
      reason: `it contradicts ${other.annotation}`,
      hint: 'Remove one of them from the pod.',
    })
}

function change(sections: Sections, { spec, value }: Asked): Sections {
  const changed = merged(spec, present(sections, spec), value)
  return { ...sections, [spec.table]: { ...sections[spec.table], [spec.field]: changed } }
}

/** A pod that has its devices plugged in one way takes the other way off, as in Kata. One that asks for both is told of the conflict. */
function withOneWayToPlug(asked: readonly Asked[]): Partial<HypervisorConfig> {
  const wants = (field: string) =>
    asked.some(({ spec, value }) => spec.field === field && value !== 'no-port')
  const [hot, cold] = [wants('hotPlugVfio'), wants('coldPlugVfio')]
  if (hot === cold) return {}
  return hot ? { coldPlugVfio: 'no-port' } : { hotPlugVfio: 'no-port' }
}

function merged({ field }: KeySpec, before: unknown, value: unknown): unknown {
  if (field === 'kernelParams') return mergeKernelParams(before as string[], value as string[])
  if (field === 'virtioFsExtraArgs') return [...(before as string[]), ...(value as string[])]
  return value
}

/** A parameter replaces those of the same name, and others are appended, as in Kata. */
function mergeKernelParams(present: readonly string[], added: readonly string[]): string[] {
  const name = (parameter: string) => parameter.split('=', 1)[0]
  const replaced = new Set(added.map(name))
  return [...present.filter((parameter) => !replaced.has(name(parameter))), ...added]
}

function placeOf(asked: readonly Asked[], key: string): string | undefined {
  const ask = asked.find(({ spec }) => spec.key === key)
  return ask === undefined ? undefined : `annotation ${ask.annotation}`
}
