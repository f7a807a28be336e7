/** The meaning of an annotation's name: its table and key, and the entry with which an operator enables it. */
import type { Key, TableName } from '../key-spec.ts'

/** The tables whose keys a pod may set; templates are the operator's alone. */
export type AnnotatedTable = Exclude<TableName, 'factory'>

/** Prefixes of Kata's annotations. */
export const annotationPrefixes: Readonly<Record<AnnotatedTable, string>> = {
  hypervisor: 'io.katacontainers.config.hypervisor.',
  'agent.kata': 'io.katacontainers.config.agent.',
  runtime: 'io.katacontainers.config.runtime.',
}

/** The prefix of the name in `enable_annotations`: none for the table that the list is in. */
const entryPrefixes: Readonly<Record<AnnotatedTable, string>> = {
  hypervisor: '',
  'agent.kata': 'agent.',
  runtime: 'runtime.',
}

export interface AnnotationName {
  /** The name in the pod. */
  readonly annotation: string
  readonly table: AnnotatedTable
  /** The name after the prefix. */
  readonly name: string
  /** The text that an entry of `enable_annotations` must match as a whole. */
  readonly entry: string
}

/**
 * Names without the prefix of a table. Kata's documentation had the first for five years, its code never did. The others
 * are those of its Go runtime, which checks nothing for them.
 */
const others: Readonly<Record<string, readonly [AnnotatedTable, string]>> = {
  'io.katacontainers.hypervisor.rootless': ['hypervisor', 'rootless'],
  'io.katacontainers.asset_hash_type': ['hypervisor', 'asset_hash_type'],
  'io.katacontainers.enable_vcpus_pinning': ['runtime', 'enable_vcpus_pinning'],
}

/** The annotation of a key; undefined when a pod cannot set it. */
export const annotationOf = ({ table, annotation }: Key): string | undefined =>
  annotation === undefined || table === 'factory' ? undefined : annotationPrefixes[table] + annotation

/** undefined when the annotation is none of ours. */
export function readAnnotationName(annotation: string): AnnotationName | undefined {
  const named = (table: AnnotatedTable, name: string): AnnotationName => ({
    annotation,
    table,
    name,
    entry: entryPrefixes[table] + name,
  })
  const other = Object.hasOwn(others, annotation) ? others[annotation] : undefined
  if (other !== undefined) return named(...other)
  for (const [table, prefix] of Object.entries(annotationPrefixes) as [AnnotatedTable, string][])
    if (annotation.startsWith(prefix)) return named(table, annotation.slice(prefix.length))
  return undefined
}
