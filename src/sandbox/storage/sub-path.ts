/** What a `subPath` names: kubelet binds it to a place of its own, in the pod's directory. */
const placePattern = /^(.*)\/volume-subpaths\/([^/]+)\/[^/]+\/\d+$/

export interface SubPath {
  /** The directory that kubelet has for the pod. */
  readonly podDir: string
  readonly volumeName: string
}

/** The `subPath` that kubelet binds at `source`; undefined for every other path. Its volume may be of any kind. */
export function subPathAt(source: string): SubPath | undefined {
  const [, podDir = '', volumeName = ''] = placePattern.exec(source) ?? []
  return volumeName === '' ? undefined : { podDir, volumeName }
}
