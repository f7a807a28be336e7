/** What output and input of a guest's processes have in common. */

/** A process of the guest; an empty execId is the container's init process. */
export interface ProcessIds {
  readonly containerId: string
  readonly execId: string
}

/** What processes that read, or are read, need to be fast, thirty at a time, bytes: so much of a guest is under way before each stream has less. */
export const ample = 64 * 1024 * 1024
