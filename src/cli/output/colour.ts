/**
 * Colour for people. `styleText` heeds what a person set and where the text goes: FORCE_COLOR, NO_COLOR, and whether standard
 * output is a terminal.
 */
import { styleText } from 'node:util'

/** How a thing stands. */
export type Standing = 'good' | 'warning' | 'bad'

const colours = { good: 'green', warning: 'yellow', bad: 'red' } as const

/** The text in the colour of how its thing stands, or as it is. */
export const coloured = (text: string, standing: Standing): string => styleText(colours[standing], text)
