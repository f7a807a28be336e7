/** The kernel lets one argument of a program have 128 KiB (MAX_ARG_STRLEN), and all of them together about 2 MiB. */

/** The text in parts that are arguments; none is longer, of whichever characters it is. Pure. */
export const inArguments = (text: string): string[] => text.match(/.{1,32000}/gsu) ?? []
