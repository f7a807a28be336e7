import type { OciSpec } from './spec.ts'

/** User, group and supplementary groups (among them a pod's `fsGroup`) of a container's first process. */
export function processIds({ process = {} }: Pick<OciSpec, 'process'>): number[] {
  const { uid = 0, gid = 0, additionalGids = [] } = process.user ?? {}
  return [uid, gid, ...additionalGids]
}
