/** Places in the guest that host and agent agree on. */

/** Below it the host's shares are mounted: `containers`, and `volumes` for those that may be written. */
export const sharedDirectory = '/run/kata-containers/shared'

/** Where root file systems and copied files are. */
export const containersDirectory = `${sharedDirectory}/containers`

/** The kernel modules that the image has beside its kernel: src/guest-image/modules/archive.ts. No container's id begins with a dot. */
export const moduleArchive = `${containersDirectory}/.kernel-modules`
