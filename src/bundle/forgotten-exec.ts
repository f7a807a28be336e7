/**
 * Metadata of an Exec or Kill request whose sender will not come back for the process: the shim forgets it by itself once it has ended, and removes
 * the container with its main process. Other clients delete a process when they know how it ended.
 */
export const forgetsAtEnd = { 'kata-ts-forgets-exec': '1' } as const

/**
 * Metadata of a client that reads the output of its Exec requests' processes from their start on, and deletes them. Nobody does either in its
 * place once it is gone. Other clients, as a containerd that is started anew, come back.
 */
export const attachesExecs = { 'kata-ts-attaches-execs': '1' } as const

type Metadata = ReadonlyMap<string, string> | undefined

/** Whether the sender of a request with this metadata will not come back. */
export const isForgotten = (metadata: Metadata): boolean => has(metadata, forgetsAtEnd)

/** Whether the process of a request with this metadata is its sender's alone. */
export const isAttached = (metadata: Metadata): boolean => has(metadata, attachesExecs)

const has = (metadata: Metadata, wanted: Readonly<Record<string, string>>): boolean =>
  Object.entries(wanted).every(([key, value]) => metadata?.get(key) === value)
