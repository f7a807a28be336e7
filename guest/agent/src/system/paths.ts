/** Places in the guest that host and agent agree on. */

/** Below it the host's shares are mounted: `containers`, and `volumes` for those that may be written. */
export const sharedDirectory = '/run/kata-containers/shared'

/** Where root file systems and copied files are. */
export const containersDirectory = `${sharedDirectory}/containers`
