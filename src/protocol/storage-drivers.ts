/** Drivers and options in Kata's Storage message, by their names there. */

/** A volume that the agent copies anew when it changes on the host. */
export const watchDriver = 'watchable-bind'

/** The disk is read through dm-verity; further options say how. */
export const verityEnabled = 'X-kata.dmverity-enabled=true'
