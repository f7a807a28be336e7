/** Drivers in Kata's Storage message, by their names there. */

/** A volume that the agent copies anew when it changes on the host. */
export const watchDriver = 'watchable-bind'
