/** Annotations of Kata's that kata-ts does not implement, and unknown ones. */
import { KataError } from '../../errors.ts'
import { driverNamed, nameOf } from '../drivers.ts'
import type { KnownKeys } from '../known-keys.ts'
import { nearest } from '../nearest.ts'
import { quoteValue } from '../value-types.ts'
import { type AnnotatedTable, type AnnotationName, annotationPrefixes } from './annotation-names.ts'
import { fateOfText } from './kata-key.ts'
import { findKataAnnotation } from './kata-keys.ts'
import { noSwap } from './keys/hypervisor.ts'

/** The prefix of all annotations of Kata's. */
const namespace = 'io.katacontainers.'

/**
 * Annotations that Kata reads and that ask for no configuration, with what is lost by them: facts about a container, its part of the guest's
 * swap, and memory for enclaves (the name is that of Intel's device plugin).
 */
const others: Readonly<Record<string, string | undefined>> = {
  'io.katacontainers.pkg.oci.bundle_path': undefined,
  'io.katacontainers.pkg.oci.container_type': undefined,
  'io.katacontainers.container.resource.swappiness': noSwap,
  'io.katacontainers.container.resource.swap_in_bytes': noSwap,
  'sgx.intel.com/epc': 'guests have no memory for enclaves (SGX)',
}

/**
 * What a pod loses by an annotation that kata-ts does not implement; undefined when it asks for nothing, or for what is
 * so anyway.
 * @throws KataError ANNOTATION_UNSUPPORTED for a protection or a limit, ANNOTATION_UNKNOWN
 */
export function lossOf(known: KnownKeys, named: AnnotationName, text: string): string | undefined {
  const { annotation, table, name } = named
  if (table === 'runtime' && name === 'hypervisor_name') {
    if (driverNamed(text) === known.driver) return undefined
    const reason = `the configuration file chooses the VMM, and it is ${nameOf(known.driver)}`
    throw new KataError('ANNOTATION_UNSUPPORTED', { annotation, reason })
  }
  const key = findKataAnnotation(known.kata(), table, name)
  if (key === undefined) throw unknown(annotation, hintFor(known, named))
  const fate = fateOfText(key, text)
  if (fate === 'refused') throw new KataError('ANNOTATION_UNSUPPORTED', { annotation, reason: key.about })
  return fate === 'warned' ? key.about : undefined
}

/** What a pod loses by an annotation of no table; undefined for nothing, and for one that is not Kata's. @throws KataError ANNOTATION_UNKNOWN */
export function lossOfOther(known: KnownKeys, annotation: string): string | undefined {
  if (Object.hasOwn(others, annotation)) return others[annotation]
  if (!annotation.startsWith(namespace)) return undefined
  if (annotation === 'io.katacontainers.config_path')
    throw unknown(
      annotation,
      'Remove it from the pod: the runtime of its RuntimeClass names the file (ConfigPath).',
    )
  const name = annotation.slice(annotation.lastIndexOf('.') + 1)
  throw unknown(
    annotation,
    meantAmong(known, name, Object.keys(annotationPrefixes) as AnnotatedTable[]) ?? generalHint,
  )
}

const generalHint = 'Remove it from the pod: docs/configuration.md has the annotations that count.'

function hintFor(known: KnownKeys, { table, name }: AnnotationName): string {
  const key = known.keys.find((spec) => spec.table === table && spec.key === name)
  if (key?.annotation !== undefined) return didYouMean(table, key.annotation)
  if (key !== undefined) return `Remove it from the pod: ${name} is for configuration.toml alone.`
  const others = (Object.keys(annotationPrefixes) as AnnotatedTable[]).filter((other) => other !== table)
  return meantAmong(known, name, [table]) ?? meantAmong(known, name, others) ?? generalHint
}

function meantAmong(known: KnownKeys, name: string, tables: readonly AnnotatedTable[]): string | undefined {
  const all = tables.flatMap((table) =>
    annotationsOf(known, table).map((annotation) => ({ table, annotation })),
  )
  const meant = nearest(
    name,
    all.map(({ annotation }) => annotation),
  )
  const found = all.find(({ annotation }) => annotation === meant)
  return found && didYouMean(found.table, found.annotation)
}

const annotationsOf = ({ keys, kata }: KnownKeys, table: AnnotatedTable): string[] => [
  ...keys.flatMap((spec) => (spec.table === table ? (spec.annotation ?? []) : [])),
  ...kata().flatMap((key) => (key.table === table ? key.annotation : [])),
]

const didYouMean = (table: AnnotatedTable, name: string) =>
  `Did you mean ${annotationPrefixes[table]}${name}?`

const unknown = (annotation: string, hint: string) =>
  new KataError('ANNOTATION_UNKNOWN', { annotation: quoteValue(annotation), hint })
