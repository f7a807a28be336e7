/** Places in the guest that host and agent agree on. */

/** Where the host's share is mounted. */
export const sharedDirectory = '/run/kata-containers/shared/containers'
