import { expect, test } from 'bun:test'
import { losesSignal } from './lost-signal.ts'

const SIGTERM = 15
const mask = (...signals: number[]) =>
  signals
    .reduce((sum, signal) => sum | (1n << BigInt(signal - 1)), 0n)
    .toString(16)
    .padStart(16, '0')

/** As the kernel writes it, for a process with this number in its namespace. */
const status = (number: number, { blocked = mask(), ignored = mask(), caught = mask() } = {}) =>
  [
    ...['Name:\tsh', 'Tgid:\t214', `NSpid:\t214\t${number}`, 'SigPnd:\t0000000000000000'],
    ...[`SigBlk:\t${blocked}`, `SigIgn:\t${ignored}`, `SigCgt:\t${caught}`, 'CapInh:\t0000000000000000\n'],
  ].join('\n')
const sleeping = '230 0x1 0x0\n'

test('the first process of a namespace loses a signal that it has no word for', () => {
  expect(losesSignal(status(1), sleeping, SIGTERM)).toBe(true)
  expect(losesSignal(status(1, { caught: mask(1, 2), ignored: mask(13) }), sleeping, SIGTERM)).toBe(true)
})

test.each([
  ['handles it', status(1, { caught: mask(2, SIGTERM) }), sleeping],
  ['keeps it for a signalfd', status(1, { blocked: mask(SIGTERM) }), sleeping],
  ['waits for it', status(1), '128 0x7ffd 0x0\n'],
  [
    'ignores it: it is not to be disturbed before its time is over',
    status(1, { ignored: mask(SIGTERM) }),
    sleeping,
  ],
  ['is not the first of its namespace, where the kernel ends it', status(7), sleeping],
])('one that %s does not', (_what, text, syscall) => {
  expect(losesSignal(text, syscall, SIGTERM)).toBe(false)
})

test('a process whose call is not told', () => {
  expect(losesSignal(status(1), undefined, SIGTERM)).toBe(true)
})
