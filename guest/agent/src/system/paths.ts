/** Places in the guest that host and agent agree on. */

/** Where bundles live. Containers may go through it, and see nothing in it. */
export const bundles = '/run/kata-containers'

/** Where the layers of root file systems that come on disks are mounted: src/sandbox/disks/bring-layers.ts. */
export const layers = '/run/layers'

/** Below it the host's shares are mounted: `containers`, and `volumes` for those that may be written. */
export const sharedDirectory = `${bundles}/shared`

/** Where root file systems and copied files are. */
export const containersDirectory = `${sharedDirectory}/containers`

/** The kernel modules that the image has beside its kernel: src/guest-image/modules/archive.ts. No container's id begins with a dot. */
export const moduleArchive = `${containersDirectory}/.kernel-modules`
/** Through which much output goes to the host, if the share has it. */
export const streamBuffer = `${containersDirectory}/.stream-buffer`

/** Whether a path is a directory or leads below it. Pure. */
export const isWithin = (path: string, directory: string): boolean =>
  path === directory || path.startsWith(`${directory}/`)
