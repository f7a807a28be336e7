/** How long VMMs may take, whichever they are. */

/** From the start of a VMM to its first answer, milliseconds. 60 are usual; a host under load takes a multiple. */
export const answerMs = 30_000
/** What a VMM that was asked to quit gets before it is killed, milliseconds. */
export const quitMs = 1000
