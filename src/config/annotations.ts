/**
 * Pod annotations applied to a configuration. Annotations come from whoever may create a pod, so each is untrusted:
 * it counts only if the operator enabled its name, and then as one validated value. Stricter than Kata: an entry of
 * `enable_annotations` must match the whole name, and a refused annotation always fails the pod.
 *
 * `rootless` is the exception: "true" takes rights away and works without being enabled.
 */
import { existsSync } from 'node:fs'
import { normalize } from 'node:path'
import { KataError } from '../errors.ts'
import type { Logger } from '../log.ts'
import type { Config, HypervisorConfig, HypervisorDriver } from './config.ts'
import { refused, warnOnce } from './decode.ts'
import { driverNames } from './drivers.ts'
import { unsupportedAnnotations, unsupportedKeys } from './kata-keys.ts'
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

const prefix = 'io.katacontainers.config.hypervisor.'
/** Kata's documentation named this one for five years; its code never did. */
const documentedRootless = 'io.katacontainers.hypervisor.rootless'

const annotationKeys = (driver: HypervisorDriver) =>
  new Map(
    keysFor(driver).flatMap((spec) =>
      spec.annotation === undefined ? [] : [[spec.annotation, spec] as const],
    ),
  )

interface Asked {
  readonly annotation: string
  readonly spec: KeySpec
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
  const specs = annotationKeys(driver)
  const asked = Object.entries(annotations).flatMap(([annotation, text]) => {
    const name = nameOf(annotation)
    if (name === undefined) return []
    const spec = specs.get(name)
    if (spec?.key === 'rootless') return [readRootless(config, { annotation, name, spec, text })]
    requireEnabled(config, annotation, name)
    if (spec === undefined) ignore(annotation, name, warn)
    else if (spec.drivers.includes(driver)) {
      if (spec.pending) warn(unsupported(annotation))
      return [readValue(config, { annotation, spec, text }, host)]
    } else {
      requirePossible(driver, { spec, value: text, where: `annotation ${annotation}` })
      warn(`annotation ${annotation} has no meaning for ${driverNames[driver]}`)
    }
    return []
  })
  requireOneAnswer(asked)
  let hypervisor = config.hypervisor
  for (const ask of asked) hypervisor = { ...hypervisor, ...change(hypervisor, ask) }
  return finish(
    { ...config, hypervisor },
    {
      where: (key) => placeOf(asked, key) ?? config.source,
      host: host.size,
      asked: asked.map(({ spec }) => spec.key),
    },
  )
}

/** The part of an annotation's name that `enable_annotations` is about; undefined when it is none of ours. */
function nameOf(annotation: string): string | undefined {
  if (annotation === documentedRootless) return 'rootless'
  return annotation.startsWith(prefix) ? annotation.slice(prefix.length) : undefined
}

const isEnabled = ({ hypervisor }: Config, name: string) =>
  hypervisor.enableAnnotations.some((entry) => new RegExp(`^(?:${entry})$`).test(name))

function requireEnabled(config: Config, annotation: string, name: string): void {
  if (!isEnabled(config, name))
    throw new KataError('ANNOTATION_NOT_ENABLED', { annotation, key: name, source: config.source })
}

function parse({ annotation, spec, text }: { annotation: string; spec: KeySpec; text: string }): Asked {
  const value = spec.type.fromText(text)
  if (value instanceof Refusal) throw refused(value, { spec, raw: text, where: `annotation ${annotation}` })
  return { annotation, spec, value }
}

function readRootless(
  config: Config,
  ask: { annotation: string; name: string; spec: KeySpec; text: string },
): Asked {
  const asked = parse(ask)
  const givesRights = config.hypervisor.rootless && asked.value === false
  if (givesRights) requireEnabled(config, ask.annotation, ask.name)
  return asked
}

function readValue(
  config: Config,
  ask: { annotation: string; spec: KeySpec; text: string },
  host: AnnotationHost,
): Asked {
  const asked = parse(ask)
  const list = ask.spec.allowList
  if (list === undefined) return asked
  const allowed = config.hypervisor[list.field].some((pattern) => matchesPath(pattern, ask.text))
  if (!allowed || !host.exists(ask.text))
    throw new KataError('ANNOTATION_PATH_REFUSED', {
      annotation: ask.annotation,
      value: quoteValue(ask.text),
      list: list.key,
      source: config.source,
    })
  return asked
}

/** Whether a shell pattern matches: `*` and `?` stand within one part of the path, so `..` cannot lead elsewhere. */
function matchesPath(pattern: string, path: string): boolean {
  return normalize(path) === path && new Bun.Glob(pattern.replace(/\*{2,}/g, '*')).match(path)
}

/** Two spellings of one key must not disagree: which of them a person meant cannot be known. */
function requireOneAnswer(asked: readonly Asked[]): void {
  const [first, other] = asked.filter(({ spec }) => spec.key === 'rootless')
  if (first !== undefined && other !== undefined && first.value !== other.value)
    throw new KataError('CONFIG_CONFLICT', {
      where: `annotation ${other.annotation}`,
      reason: `it contradicts ${first.annotation}`,
      hint: 'Remove one of them from the pod.',
    })
}

function change(hypervisor: HypervisorConfig, { spec, value }: Asked): Partial<HypervisorConfig> {
  if (spec.field === 'kernelParams')
    return { kernelParams: mergeKernelParams(hypervisor.kernelParams, value as string[]) }
  if (spec.field === 'virtioFsExtraArgs')
    return { virtioFsExtraArgs: [...hypervisor.virtioFsExtraArgs, ...(value as string[])] }
  return { [spec.field]: value }
}

/** As in Kata: a parameter replaces those of the same name, others are appended. */
function mergeKernelParams(present: readonly string[], added: readonly string[]): string[] {
  const name = (parameter: string) => parameter.split('=', 1)[0]
  const replaced = new Set(added.map(name))
  return [...present.filter((parameter) => !replaced.has(name(parameter))), ...added]
}

const unsupported = (annotation: string) =>
  `annotation ${annotation} has no effect: kata-ts does not support it yet`

function ignore(annotation: string, name: string, warn: Logger['warn']): void {
  // An ignored hash would mean: started although the pod asked for a check.
  if (name.endsWith('_hash')) throw new KataError('ANNOTATION_UNSUPPORTED', { annotation })
  const known = [...unsupportedKeys.hypervisor, ...unsupportedAnnotations]
  if (known.includes(name)) {
    warn(unsupported(annotation))
    return
  }
  const names = keys.flatMap((spec) => (spec.annotation === undefined ? [] : [spec.annotation]))
  const meant = nearest(name, [...names, ...known])
  warn(
    `unknown annotation ${quoteValue(annotation)} has no effect${meant === undefined ? '' : `; did you mean ${prefix}${meant}?`}`,
  )
}

function placeOf(asked: readonly Asked[], key: string): string | undefined {
  const ask = asked.find(({ spec }) => spec.key === key)
  return ask === undefined ? undefined : `annotation ${ask.annotation}`
}
