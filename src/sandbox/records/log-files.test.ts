import { expect, test } from 'bun:test'
import { logUri, parseLogUri } from './log-files.ts'

const bounds = { maxBytes: 4000, maxFiles: 2 }

test('the path of a log is the same behind its URI, whatever characters it has', () => {
  for (const reader of [undefined, '/run/a?b#c&d'])
    for (const path of ['/v/a b/log', '/v/a?b#c/log', '/v/50%/%23%3F/log', '/v/ü:@&=+$,;[\\]/log']) {
      const log = { path, stream: 'stderr', bounds, reader } as const
      expect(parseLogUri(logUri(log))).toEqual(log)
    }
})

test('a shim of an earlier version reads what it always could', () => {
  const uri = logUri({ path: '/v/:@&=+$,;é/log', stream: 'stdout', bounds })
  expect(decodeURI(new URL(uri).pathname)).toBe('/v/:@&=+$,;é/log')
})

test('a file of containerd’s is no log', () => {
  expect(parseLogUri('file:///var/log/pods/x')).toBeUndefined()
})
