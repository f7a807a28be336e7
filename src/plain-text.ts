/** Text of others made fit for logs, tables and terminals. */

/**
 * Control characters (C0, DEL, C1), which steer a terminal; those that turn the direction of writing, which make a text look
 * like another; and the separators that some programs take for the end of a line.
 */
const unfit = /[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu
/** As {@link unfit}, without the two of which lines of text are made. */
const unfitInLines = /[^\P{Cc}\n\t]|[\p{Bidi_Control}\u2028\u2029]/gu
/** JSON escapes C0 characters itself, and leaves the others in a string. */
const unfitInJson = /[\u007f-\u009f\p{Bidi_Control}\u2028\u2029]/gu

/** At most `most` characters of `text`, with `instead` in place of each that is unfit. */
export function plainText(text: string, most = Number.POSITIVE_INFINITY, instead = ' '): string {
  return text.slice(0, most).replace(unfit, instead)
}

/** Text of several lines, with `instead` in place of each other character that is unfit. */
export function plainLines(text: string, instead = ' '): string {
  return text.replace(unfitInLines, instead)
}

/**
 * The end of what a program wrote before it failed, as plain text on one line: at most `most` characters, and words in place of
 * nothing.
 */
export function lastWords(text: string, most = 500): string {
  return plainText(text).trim().slice(-most).trim() || '(it said nothing)'
}

/** JSON that can be printed as it is; it means the same. */
export function plainJson(value: unknown, indent?: number): string {
  return JSON.stringify(value, null, indent).replace(
    unfitInJson,
    (found) => `\\u${found.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
