/**
 * Pod annotations applied to a configuration. Annotations come from whoever may create a pod, so each is untrusted:
 * it counts only if the operator enabled its name, and then as one validated value. Stricter than Kata: an entry of
 * `enable_annotations` must match the whole name, a refused annotation always fails the pod, and the annotations of
 * runtime and agent, which Kata never asks permission for, need it as well: they reach host cgroups, the guest kernel and
 * the seccomp profiles.
 *
 * Values that only take rights away (`rootless: "true"`) are the exception: they work without being enabled.
 */
import { existsSync } from 'node:fs'
import { normalize } from 'node:path'
import { KataError } from '../errors.ts'
import type { Logger } from '../log.ts'
import { type AnnotationName, annotationPrefixes, readAnnotationName } from './annotation-names.ts'
import { isHashAnnotation, isHashType, readHashes } from './asset-hashes.ts'
import type { Config, HypervisorDriver } from './config.ts'
import { refused, warnOnce } from './decode.ts'
import { driverNames } from './drivers.ts'
import { refusedAnnotations, unsupportedAnnotations, unsupportedKeys } from './kata-keys.ts'
import type { Sections } from './key-spec.ts'
import { type KeySpec, keys, keysFor } from './keys.ts'
import { requirePossible } from './meaning.ts'
import { nearest } from './nearest.ts'
import { finish, type HostSize, readHostSize } from './validate.ts'
import { quoteValue, Refusal } from './value-types.ts'

export type Annotations = Readonly<Record<string, string>>

/** Facts of the host that decide about annotations. */
export interface AnnotationHost {
  readonly size: HostSize
  /** Whether a file exists: a path counts only if it does, as with Kata's glob(3). */
  readonly exists: (path: string) => boolean
}

/** An annotation with a meaning here. */
interface Wish extends AnnotationName {
  readonly spec: KeySpec
  readonly text: string
}

interface Asked extends Wish {
  readonly value: unknown
}

/**
 * A new frozen Config with the pod's wishes.
 * @throws KataError ANNOTATION_NOT_ENABLED, ANNOTATION_PATH_REFUSED, ANNOTATION_UNSUPPORTED, CONFIG_TYPE, CONFIG_VALUE,
 * CONFIG_VMM_CANNOT, CONFIG_CONFLICT
 */
export function applyAnnotations(
  config: Config,
  annotations: Annotations,
  log: Logger,
  host: AnnotationHost = { size: readHostSize(), exists: existsSync },
): Config {
  const warn = warnOnce(log)
  const { driver } = config.hypervisor
  const hashes: { named: AnnotationName; text: string }[] = []
  const asked = Object.entries(annotations).flatMap(([annotation, text]) => {
    const named = readAnnotationName(annotation)
    if (named === undefined || isHashType(named, text)) return []
    if (isHashAnnotation(named)) {
      requireEnabled(config, named)
      hashes.push({ named, text })
      return []
    }
    // An ignored one would mean: started although the pod asked for a check.
    if (refusedAnnotations.test(named.entry)) throw new KataError('ANNOTATION_UNSUPPORTED', { annotation })
    const spec = findAnnotation(driver, named)
    const wish = spec && read(config, { ...named, spec, text }, warn)
    if (spec === undefined) {
      requireEnabled(config, named)
      sayIgnored(named, warn)
    }
    if (wish !== undefined) requireAllowed(config, wish, host)
    return wish ?? []
  })
  for (const ask of asked) requireOneAnswer(ask, asked)
  const changed = asked.reduce(change, sectionsOf(config))
  const hypervisor = { ...changed.hypervisor, assetHashes: readHashes(hashes) }
  return finish(
    { ...config, hypervisor, agent: changed['agent.kata'], runtime: changed.runtime },
    {
      where: (key) => placeOf(asked, key) ?? config.source,
      host: host.size,
      asked: asked.map(({ spec }) => spec.key),
    },
  )
}

function findAnnotation(driver: HypervisorDriver, { table, name }: AnnotationName): KeySpec | undefined {
  return keysFor(driver).find((spec) => spec.table === table && spec.annotation === name)
}

function requireEnabled({ hypervisor, source }: Config, { annotation, entry }: AnnotationName): void {
  const enabled = hypervisor.enableAnnotations.some((pattern) => new RegExp(`^(?:${pattern})$`).test(entry))
  if (!enabled) throw new KataError('ANNOTATION_NOT_ENABLED', { annotation, key: entry, source })
}

/** The value if it may count; undefined with a warning if nothing would act on it. */
function read(config: Config, wish: Wish, warn: Logger['warn']): Asked | undefined {
  const { annotation, spec, text } = wish
  const { driver } = config.hypervisor
  const where = `annotation ${annotation}`
  if (spec.restricting === undefined) requireEnabled(config, wish)
  requirePossible(driver, { spec, value: text, where })
  if (!spec.drivers.includes(driver)) {
    warn(`${where} has no meaning for ${driverNames[driver]}`)
    return undefined
  }
  const value = spec.type.fromText(text)
  if (value instanceof Refusal) throw refused(value, { spec, raw: text, where })
  if (
    spec.restricting !== undefined &&
    value !== spec.restricting &&
    value !== present(sectionsOf(config), spec)
  )
    requireEnabled(config, wish)
  if (spec.pending) warn(unsupported(annotation))
  return { ...wish, value }
}

const sectionsOf = ({ hypervisor, agent, runtime }: Config): Sections => ({
  ...{ hypervisor, runtime },
  'agent.kata': agent,
})

function present(sections: Sections, { table, field }: KeySpec): unknown {
  return (sections[table] as unknown as Record<string, unknown>)[field]
}

function requireAllowed(config: Config, { annotation, spec, text }: Asked, host: AnnotationHost): void {
  const list = spec.allowList
  if (list === undefined) return
  const allowed = config.hypervisor[list.field].some((pattern) => matchesPath(pattern, text))
  if (!allowed || !host.exists(text))
    throw new KataError('ANNOTATION_PATH_REFUSED', {
      annotation,
      value: quoteValue(text),
      list: list.key,
      source: config.source,
    })
}

/** Whether a shell pattern matches: `*` and `?` stand within one part of the path, so `..` cannot lead elsewhere. */
function matchesPath(pattern: string, path: string): boolean {
  return normalize(path) === path && new Bun.Glob(pattern.replace(/\*{2,}/g, '*')).match(path)
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

function merged({ field }: KeySpec, before: unknown, value: unknown): unknown {
  if (field === 'kernelParams') return mergeKernelParams(before as string[], value as string[])
  if (field === 'virtioFsExtraArgs') return [...(before as string[]), ...(value as string[])]
  return value
}

/** As in Kata: a parameter replaces those of the same name, others are appended. */
function mergeKernelParams(present: readonly string[], added: readonly string[]): string[] {
  const name = (parameter: string) => parameter.split('=', 1)[0]
  const replaced = new Set(added.map(name))
  return [...present.filter((parameter) => !replaced.has(name(parameter))), ...added]
}

const unsupported = (annotation: string) =>
  `annotation ${annotation} has no effect: kata-ts does not support it yet`

function sayIgnored({ annotation, table, name }: AnnotationName, warn: Logger['warn']): void {
  const known = [...unsupportedKeys[table], ...unsupportedAnnotations[table]]
  if (known.includes(name)) {
    warn(unsupported(annotation))
    return
  }
  const ours = keys.flatMap((spec) => (spec.table === table ? (spec.annotation ?? []) : []))
  const meant = nearest(name, [...ours, ...known])
  const hint = meant === undefined ? '' : `; did you mean ${annotationPrefixes[table]}${meant}?`
  warn(`unknown annotation ${quoteValue(annotation)} has no effect${hint}`)
}

function placeOf(asked: readonly Asked[], key: string): string | undefined {
  const ask = asked.find(({ spec }) => spec.key === key)
  return ask === undefined ? undefined : `annotation ${ask.annotation}`
}
