import { expect, test } from 'bun:test'
import { exposedPorts, parseExpose, portName, portRanges, unpublished } from './expose.ts'

const tcp = (container: number) => ({ container, protocol: 'tcp' }) as const
const udp = (container: number) => ({ container, protocol: 'udp' }) as const

test('a port, a protocol and a range, each port once', () => {
  expect(parseExpose(['80', '53/UDP', '79-81/tcp'])).toEqual([tcp(80), udp(53), tcp(79), tcp(81)])
})

test.each(['', 'x', '0', '70000', '81-80', '80/sctp', '80:80', '1-2-3', ' 80'])('refuses %p', (text) => {
  expect(() => parseExpose([text])).toThrow(/^\[OPTION_INVALID\].*--expose/)
})

test('an image’s ports come first, without those that cannot be published', () => {
  expect(exposedPorts(['80/tcp', '9/sctp', 'nonsense', '53/udp', '443'], [tcp(80), tcp(90)])).toEqual([
    ...[tcp(80), udp(53), tcp(443), tcp(90)],
  ])
})

test('what has a port of the host already gets no other one', () => {
  expect(unpublished([tcp(80), udp(80), tcp(81)], [tcp(80)])).toEqual([udp(80), tcp(81)])
  expect(() => unpublished(parseExpose(['1-1001']), [])).toThrow(/^\[OPTION_INVALID\].*1001 ports/)
})

test('ranges that overlap cost no more than one, in a command line and in an image', () => {
  const texts = Array.from({ length: 4096 }, (_, index) => `${1 + (index % 9)}-${65_535 - index}/udp`)
  const all = parseExpose(['5-7', ...texts])
  expect(all).toHaveLength(3 + 65_535)
  expect(all.slice(0, 5)).toEqual([tcp(5), tcp(6), tcp(7), udp(1), udp(2)])
  expect(exposedPorts(texts, [udp(9), tcp(9)])).toHaveLength(65_536)
})

test('ports are noted as ranges, however an image names them, and are the same when they are read again', () => {
  const all = Array.from({ length: 65_535 }, (_, port) => `${port + 1}/tcp`).sort()
  const ports = exposedPorts([...all, '53/udp'], [])
  expect(portRanges(ports)).toEqual(['1-65535/tcp', '53/udp'])
  expect(new Set(exposedPorts(portRanges(ports), []).map(portName))).toEqual(new Set([...all, '53/udp']))
  expect(portRanges(exposedPorts(['81', '443', '80/udp', '80'], []))).toEqual([
    '80-81/tcp',
    '443/tcp',
    '80/udp',
  ])
  expect(portRanges([])).toEqual([])
})
