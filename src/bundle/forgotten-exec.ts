/**
 * Metadata of an Exec request whose sender will not come back for the process: the shim forgets it by itself once it has ended. Other clients
 * delete a process when they know how it ended.
 */
export const forgetsAtEnd = { 'kata-ts-forgets-exec': '1' } as const

/** Whether the sender of a request with this metadata will not come back. */
export const isForgotten = (metadata: ReadonlyMap<string, string> | undefined): boolean =>
  Object.entries(forgetsAtEnd).every(([key, value]) => metadata?.get(key) === value)
